"""Options of a machinetype against what its template takes, if that is one of Vcycle's own."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from vcycled.config.check import Checked
from vcycled.config.grammar import FILE_PREFIX, LIKELY, OPTION_PREFIX
from vcycled.errors import Problem
from vcycled.templates import packaged
from vcycled.userdata.declared import Declared, declared

_BEAT = "heartbeat_file"


def in_template(checked: Checked) -> Iterator[Problem]:
    """Find what does not fit `user_data = template:NAME` of a [machinetype] section."""
    name = packaged.name_of(str(checked.values.get("user_data", "")))
    if name is None:
        return
    said = declared(packaged.text(name), packaged.parts())
    given = _given(checked)
    for option in sorted(said.required - given):
        message = f"{packaged.PREFIX}{name} needs {OPTION_PREFIX}{option}, which is not set"
        yield checked.problem("user_data", message)
    yield from _unknown(checked, name, said)
    yield from _beats(checked, said)


def _given(checked: Checked) -> set[str]:
    names = {_bare(option) for option in checked.user_data}
    if checked.values.get("user_data_proxy"):
        names.add("x509_proxy")
    return names


def _bare(option: str) -> str:
    """Return XXX of user_data_option_XXX and of user_data_file_XXX."""
    return option.removeprefix(OPTION_PREFIX).removeprefix(FILE_PREFIX)


def _unknown(checked: Checked, name: str, said: Declared) -> Iterator[Problem]:
    """Find options that the template does not have; one that is near another is a slip."""
    known = sorted(each.name for each in said.options)
    for option in checked.user_data:
        bare = _bare(option)
        if bare == option or bare in known:
            continue
        message = f"{packaged.PREFIX}{name} has no such option"
        near = difflib.get_close_matches(bare, known, n=1, cutoff=LIKELY)
        if near:
            prefix = option.removesuffix(bare)
            yield checked.problem(option, f"{message}; did you mean {prefix}{near[0]}?")
        else:
            yield checked.problem(option, f"{message}; it does nothing", is_warning=True)


def _beats(checked: Checked, said: Declared) -> Iterator[Problem]:
    """Find machines that would all be deleted, as they put their heartbeats elsewhere."""
    wanted = checked.values.get(_BEAT)
    setting = checked.user_data.get(OPTION_PREFIX + _BEAT)
    put = said.defaults.get(_BEAT) if setting is None else setting.value
    if wanted is not None and put is not None and wanted != put:
        message = (
            f"is {wanted}, but machines of this template call it {put}: they would be deleted; "
            f"set {OPTION_PREFIX}{_BEAT} to the same"
        )
        yield checked.problem(_BEAT, message)

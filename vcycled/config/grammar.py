"""What each kind of section may hold: rows of its tables, names by pattern, what is ignored."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from types import MappingProxyType

from vcycled.config.tables import (
    MachinetypeOptions,
    ManagerOptions,
    PipeOptions,
    SinkOptions,
    SpaceOptions,
    WebOptions,
)
from vcycled.options import Row, rows
from vcycled.userdata.values import DEFAULTS

OPTION_PREFIX = "user_data_option_"
FILE_PREFIX = "user_data_file_"
OVERRIDE_PREFIX = "user_data_"

LIKELY = 0.8
"""From this similarity on (difflib's ratio) an unknown option is taken for a misspelled one."""

_OUTPUTS_STAY = "outputs stay in the machine's folder for cleanup_hours of the space"
_IGNORED_IN_MACHINETYPES = MappingProxyType(
    {
        "log_joboutputs": _OUTPUTS_STAY,
        "log_machineoutputs": _OUTPUTS_STAY,
        "joboutputs_days": _OUTPUTS_STAY,
        "machineoutputs_days": _OUTPUTS_STAY,
        "remote_joboutputs_*": "keep shared/spaces/SPACE/deleted on a remote volume instead",
        "user_data_proxy_cert": "user_data_proxy = True takes x509cert.pem and x509key.pem",
        "user_data_proxy_key": "user_data_proxy = True takes x509cert.pem and x509key.pem",
        "disk_gb_per_processor": "the flavor decides",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """What one section may hold."""

    rows: tuple[Row, ...]
    ignored: Mapping[str, str] = field(default_factory=dict)
    """Names or patterns of options that Vcycle 3 knew, and what stands in for them."""
    has_user_data: bool = False
    """True if user_data_option_XXX and its like may be here."""
    is_complete: bool = True
    """False if the section's API is not installed: then an unknown option may be the API's."""
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """Options that other kinds of section take: name to kind."""

    def why_ignored(self, option: str) -> str | None:
        """Return what stands in for an option that no longer does anything, else None."""
        for pattern, why in self.ignored.items():
            if fnmatchcase(option, pattern):
                return why
        return None

    def is_user_data(self, option: str) -> bool:
        """Return True if `option` is a substitution of the user_data template."""
        return self.has_user_data and _fills_user_data(option)

    def present_name(self, option: str) -> str:
        """Return the present name of an option in any spelling that is read."""
        name = "_".join(option.lower().split())
        return next((row.name for row in self.rows if name in _names(row)), name)

    def is_secret(self, option: str) -> bool:
        """Return True if the value of `option` must not be shown."""
        name = self.present_name(option)
        for row in self.rows:
            if name == row.name:
                return row.is_secret
        return not name.startswith(FILE_PREFIX) and sounds_secret(name)

    def where_else(self, option: str) -> str | None:
        """Return the kind of section that takes `option`, if another one does."""
        return "[machinetype]" if _fills_user_data(option) else self.elsewhere.get(option)

    def nearest(self, option: str) -> str | None:
        """Return the name that `option` is likely a misspelling of, else None."""
        names = {name for row in self.rows for name in _names(row)}
        if self.has_user_data and option.startswith(OVERRIDE_PREFIX):
            names = {name for name in names if name.startswith(OVERRIDE_PREFIX)}
            names |= set(_user_data_names(option))
        near = difflib.get_close_matches(option, sorted(names), n=1, cutoff=LIKELY)
        return near[0] if near else None


def _fills_user_data(option: str) -> bool:
    is_default = option.removeprefix(OVERRIDE_PREFIX) in DEFAULTS
    return option.startswith((OPTION_PREFIX, FILE_PREFIX)) or (
        is_default and option.startswith(OVERRIDE_PREFIX)
    )


def _user_data_names(option: str) -> Iterable[str]:
    """Return what may stand where `option` does: what follows its third word is free."""
    rest = "_".join(option.split("_")[3:]) or "XXX"
    yield from (OPTION_PREFIX + rest, FILE_PREFIX + rest)
    yield from (OVERRIDE_PREFIX + name for name in DEFAULTS)


def _elsewhere(*kinds: tuple[str, Iterable[Row]]) -> Mapping[str, str]:
    return {name: kind for kind, table in kinds for row in table for name in _names(row)}


def _names(row: Row) -> tuple[str, ...]:
    return (row.name, *row.old_names)


_MANAGER = ("[vcycle]", rows(ManagerOptions))
_SPACE = ("[space]", rows(SpaceOptions))
_MACHINETYPE = ("[machinetype]", rows(MachinetypeOptions))
_PIPE = ("[vacuum_pipe]", rows(PipeOptions))
_SINK = ("[accounting]", rows(SinkOptions))

MANAGER = Grammar(rows=_MANAGER[1], elsewhere=_elsewhere(_MACHINETYPE, _SPACE))
MACHINETYPE = Grammar(
    rows=_MACHINETYPE[1],
    ignored=_IGNORED_IN_MACHINETYPES,
    has_user_data=True,
    elsewhere=_elsewhere(_PIPE, _SPACE, _MANAGER),
)
PIPE = Grammar(
    rows=(
        *_PIPE[1],
        *(
            replace(row, is_required=False)
            for row in _MACHINETYPE[1]
            if row.name != "target_share"
        ),
    ),
    ignored=_IGNORED_IN_MACHINETYPES,
    has_user_data=True,
    elsewhere=_elsewhere(_SPACE, _MANAGER),
)
WEB = Grammar(rows=rows(WebOptions))


def space_grammar(api_options: type | None) -> Grammar:
    """Return what a [space] section of this API may hold; None if the API is not installed."""
    return Grammar(
        rows=(*_SPACE[1], *(rows(api_options) if api_options else ())),
        is_complete=api_options is not None,
        elsewhere=_elsewhere(_MANAGER, _MACHINETYPE),
    )


def sink_grammar(options: type | None) -> Grammar:
    """Return what an [accounting] section of this kind may hold; None if it is not installed."""
    return Grammar(
        rows=(*_SINK[1], *(rows(options) if options else ())),
        is_complete=options is not None,
        elsewhere=_elsewhere(_MANAGER, _SPACE),
    )


def defaults_grammar(api_options: Iterable[type | None]) -> Grammar:
    """Return what [DEFAULT] may hold: everything that any section may."""
    apis = set(api_options)
    tables = (_MANAGER[1], _SPACE[1], _PIPE[1], PIPE.rows, *(rows(api) for api in apis if api))
    return Grammar(
        rows=tuple(row for table in tables for row in table),
        ignored=_IGNORED_IN_MACHINETYPES,
        has_user_data=True,
        is_complete=None not in apis,
    )


def sounds_secret(option: str) -> bool:
    """Return True if an option that no table knows sounds as if its value were secret."""
    return re.search("password|secret|key|token", option) is not None

"""The reference page of every option, made from the tables (docs/reference/options.md).

`python -m vcycled.config.reference FILE` writes it anew.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from vcycled.config.grammar import MACHINETYPE
from vcycled.config.reader import DEFAULT_PATHS
from vcycled.config.registry import InstalledSpaces, Registry
from vcycled.config.sinks import find_sink, sink_kinds
from vcycled.config.tables import (
    MachinetypeOptions,
    ManagerOptions,
    PipeOptions,
    SinkOptions,
    SpaceOptions,
    WebOptions,
)
from vcycled.options import Row, rows
from vcycled.userdata import DEFAULTS

_INTRO = """\
# Options

Made from the option tables by `python -m vcycled.config.reference`; do not edit this page.

The configuration is read in this order, and later values win; sections of one name are merged:

{paths}

A folder stands for every `*.conf` in it, in the order of their names. `--config` names other
files or folders instead. Everything is read again when a file changes; no restart is needed.
`vcycle config check` says what is wrong, `vcycle config show` what counts and where it stands.

- Names of options may be in upper or lower case.
- `#` or `;` at the beginning of a line, and `;` after a blank, start a comment.
- A line that is indented deeper than the option above it continues its value.
- Options in a section `[DEFAULT]` count in every section that does not state them itself.
- An unknown option is a warning, or an error if it looks like a misspelled one.

A section that is wrong is held: nothing is created under it, and its machines go on under its
last good values. Files that cannot be read, or are not UTF-8, change nothing at all.
"""

_USER_DATA = """\
### `user_data_option_XXX`

*text*

Fills `##user_data_option_XXX##` in the user_data template. XXX is made of a-z, 0-9 and `_`.

### `user_data_file_XXX`

*a path*

Fills `##user_data_option_XXX##` (and the old `##user_data_file_XXX##`) with what the file holds.
A relative path is in the machinetype's files folder.

### `user_data_NAME`

*text*

Fills `##user_data_NAME##` instead of what Vcycle puts there by default. NAME is one of
{substitutions}.

### Options that do nothing any more

They are accepted with a warning, so that old files go on working.
"""


def page(registry: Registry) -> str:
    """Return the page, with the options of these kinds of spaces."""
    intro = _INTRO.format(paths="\n".join(f"1. `{path}`" for path in DEFAULT_PATHS))
    parts = [
        intro,
        *_section("[vcycle]", ManagerOptions),
        *_section("[space SPACE]", SpaceOptions),
        *(part for api in registry for part in _api(api, registry[api].Options)),
        *_section("[machinetype SPACE NAME]", MachinetypeOptions),
        _USER_DATA.format(substitutions=_list(DEFAULTS)),
        "\n".join(f"- `{name}`: {why}." for name, why in MACHINETYPE.ignored.items()) + "\n",
        *_section("[vacuum_pipe SPACE PREFIX]", PipeOptions),
        *_section("[accounting NAME]", SinkOptions),
        *(part for kind in sink_kinds() for part in _sink(kind)),
        *_section("[web] in /etc/vcycle-web.conf", WebOptions),
    ]
    return "\n".join(parts)


def _section(title: str, options: type) -> Iterator[str]:
    yield f"## {title}\n"
    yield inspect.cleandoc(options.__doc__ or "") + "\n"
    yield from map(_row, rows(options))


def _api(api: str, options: type) -> Iterator[str]:
    yield f"## [space SPACE] with `api = {api}`\n"
    yield from map(_row, rows(options))


def _sink(kind: str) -> Iterator[str]:
    options = rows(find_sink(kind).Options)
    if options:
        yield f"## [accounting NAME] with `kind = {kind}`\n"
    yield from map(_row, options)


def _row(row: Row) -> str:
    default = "required" if row.is_required else f"default: {row.default_text}"
    lines = [f"### `{row.name}`", f"*{row.kind.accepts}*; {default}", row.help]
    if row.old_names:
        lines.append(f"Old name: {_list(row.old_names)}.")
    return "\n\n".join(lines) + "\n"


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def main(arguments: Sequence[str]) -> None:
    """Write the page to the file that is named."""
    Path(arguments[0]).write_text(page(InstalledSpaces()), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])

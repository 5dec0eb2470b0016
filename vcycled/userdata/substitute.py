"""Templates of Vcycle's own kind: `##user_data_NAME##` becomes a value. Pure.

# Note [One pass]

The template is read once, from left to right, and what is put in is never looked at again. So a
value that holds `##user_data_…##` stays as it is: whoever sets one option cannot reach another,
least of all the machine's token.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_PATTERN = re.compile(rb"##user_data_([A-Za-z0-9_.-]+)##")


def substitute(template: bytes, values: Mapping[str, bytes]) -> tuple[bytes, tuple[str, ...]]:
    """Return `template` filled in, and the sorted names that nothing fills.

    Works on bytes: a template or a file need not be text. Names are matched without regard to
    case, as those of options are. An unknown pattern is removed.
    """
    unknown: set[str] = set()

    def fill(match: re.Match[bytes]) -> bytes:
        name = match[1].decode("ascii")
        value = values.get(name, values.get(name.lower()))
        if value is None:
            unknown.add(name)
            return b""
        return value

    return _PATTERN.sub(fill, template), tuple(sorted(unknown))

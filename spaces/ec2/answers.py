"""What the SDK returns of an answer, read with types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from vcycled.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Doc:
    """A structure of an answer; the SDK's own model of the API has given its members types.

    What an endpoint leaves out reads as empty, 0 or None, but for `id`.
    """

    operation: str
    members: Mapping[str, object]

    def text(self, key: str) -> str:
        """Return a text."""
        value = self.members.get(key)
        return value if isinstance(value, str) else ""

    def id(self, key: str) -> str:
        """Return a text that must be there.

        Raises:
            Unavailable: it is not; nothing may be concluded from such an answer.
        """
        found = self.text(key)
        if not found:
            raise Unavailable(self.operation, f"the cloud's answer makes no sense: no {key}")
        return found

    def whole(self, key: str) -> int:
        """Return a whole number."""
        value = self.members.get(key)
        return value if isinstance(value, int) else 0

    def number(self, key: str) -> float | None:
        """Return a number; None if it is not there."""
        value = self.members.get(key)
        return float(value) if isinstance(value, int | float) else None

    def instant(self, key: str) -> int | None:
        """Return a Unix time; None if it is not there."""
        value = self.members.get(key)
        return int(value.timestamp()) if isinstance(value, datetime) else None

    def doc(self, key: str) -> Doc:
        """Return a structure."""
        value = self.members.get(key)
        return Doc(self.operation, value if isinstance(value, dict) else {})

    def docs(self, key: str) -> list[Doc]:
        """Return a list of structures."""
        value = self.members.get(key)
        found = value if isinstance(value, list) else []
        return [Doc(self.operation, each) for each in found if isinstance(each, dict)]

    def __contains__(self, key: str) -> bool:
        """Return whether the answer has this member."""
        return self.members.get(key) is not None

    @property
    def tags(self) -> dict[str, str]:
        """The tags, but for those that AWS itself sets."""
        found = {each.text("Key"): each.text("Value") for each in self.docs("Tags")}
        return {key: value for key, value in found.items() if not key.startswith("aws:")}

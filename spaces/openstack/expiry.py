"""When an application credential ends, asked of Keystone once a day and told two weeks ahead."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from vcycled.clock import Clock
from vcycled.errors import Refused, SpaceError
from vcycled.spaces.openstack.answers import Ask, Doc, read_doc

if TYPE_CHECKING:
    from vcycled.spaces.openstack.login import Login

ASK_EVERY_S = 86_400
TELL_AHEAD_S = 14 * 86_400


class Expiry:
    """The end of the application credential that is used, if it is one and has an end."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._asked_at: int | None = None
        self._ends_at: int | None = None
        self._id = ""

    def look(self, login: Login) -> None:
        """Ask Keystone, if that was not done today.

        Whether a user may see this is a matter of the site's policy: if not, we do not know.
        """
        path = login.credential_path
        now = self._clock.now()
        if not path or (self._asked_at is not None and now - self._asked_at < ASK_EVERY_S):
            return
        self._asked_at = now
        ask = Ask(method="GET", url=path, headers={"Accept": "application/json"})
        with suppress(SpaceError):
            answer = read_doc("connect", login.send("connect", ask).content)
            self._learn(answer.doc("application_credential"))

    def _learn(self, credential: Doc) -> None:
        self._id = credential.text("id", "")
        self._ends_at = _instant(credential.text("expires_at", ""))

    def notices(self) -> tuple[str, ...]:
        """Return a sentence if it ends in less than 14 days."""
        if self._ends_at is None or self._ends_at - self._clock.now() >= TELL_AHEAD_S:
            return ()
        return (f"{self._sentence('ends')}: make a new one and set cred_id and cred_secret",)

    def ends(self) -> Mapping[str, int]:
        """Return when it ends, by its name; nothing if it does not, or we may not know."""
        if self._ends_at is None:
            return {}
        return {f"application credential {self._id}": self._ends_at}

    def explain(self, error: Refused) -> Refused:
        """Return why we are not let in: `error`, unless the credential has ended."""
        if self._ends_at is None or self._ends_at > self._clock.now():
            return error
        return Refused(error.operation, f"{self._sentence('ended')}: {error.detail}")

    def _sentence(self, verb: str) -> str:
        when = datetime.fromtimestamp(self._ends_at or 0, UTC)
        return f"application credential {self._id} {verb} on {when:%Y-%m-%d %H:%M} UTC"


def _instant(text: str) -> int | None:
    """Return the Unix time that Keystone writes, in UTC without saying so; None if it is none."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp())

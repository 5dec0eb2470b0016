"""The machines of simulated clouds as guests: they work, say so over HTTPS, and power off."""

from __future__ import annotations

import http.client
import re
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.three_clouds import Guest, Site
from vcycled.clock import Clock

USER_DATA = """\
#!/bin/sh
outputs='##user_data_joboutputs_url##'
token='##user_data_machine_token##'
"""


class Guests:
    """All machines of all clouds: each works, says so to the web process, and powers off."""

    def __init__(
        self, sites: Sequence[Site], clock: Clock, *, trust: Path, work_seconds: int
    ) -> None:
        self._sites = sites
        self._clock = clock
        self._context = ssl.create_default_context(cafile=str(trust))
        self._work_seconds = work_seconds
        self._due: dict[tuple[Site, Guest], int] = {}
        self._stop = threading.Event()
        self.may_end = threading.Event()
        """Until it is set there is always more work."""
        self.ended = 0
        """How many did."""
        self.refused: list[str] = []
        """Messages that the web process did not take."""

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Let them work side by side with the test."""
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.2):
            for site in self._sites:
                for guest in site.running():
                    self._live(site, guest)

    def _live(self, site: Site, guest: Guest) -> None:
        """Let it begin, or end if it is time; of those that come later, a few end at once."""
        is_brief = self.may_end.is_set() and len(self._due) % 10 == 0
        now = self._clock.now()
        due = self._due.setdefault((site, guest), now + (0 if is_brief else self._work_seconds))
        if now >= due and self.may_end.is_set():
            self._say(guest, b"200 Done")
            site.power_off(guest.name)
            self.ended += 1

    def _say(self, guest: Guest, message: bytes) -> None:
        """Leave the shutdown message as the machine's script does."""
        url = urlsplit(_value(guest.user_data, "outputs"))
        token = _value(guest.user_data, "token")
        context, headers = self._context, {"Authorization": f"Bearer {token}"}
        with closing(
            http.client.HTTPSConnection(str(url.hostname), url.port, context=context, timeout=20)
        ) as connection:
            connection.request("PUT", f"{url.path}/shutdown_message", message, headers)
            status = connection.getresponse().status
        if not 200 <= status < 300:
            self.refused.append(f"{guest.name}: {status}")


def _value(user_data: str, name: str) -> str:
    found = re.search(rf"^{name}='(.*)'$", user_data, re.MULTILINE)
    assert found, user_data
    return found[1]

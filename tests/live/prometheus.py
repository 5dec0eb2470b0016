"""A real Prometheus on loopback, Debian's, that scrapes what a test shows it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from urllib.request import urlopen

from tests.openstack_bed.processes import wait_until
from tests.ports import free_port

PATIENCE_S = 60.0
CONF = """\
global: {{scrape_interval: 2s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: vcycle
    static_configs: [{{targets: {targets}}}]
"""


class Prometheus:
    """What there is to ask of it."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}"

    def is_ready(self) -> bool:
        """Return whether it answers."""
        try:
            with urlopen(f"{self._base}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def query(self, expression: str, *, at: int) -> list[dict[str, Any]]:
        """Return the series that an expression gives at an instant."""
        found: list[dict[str, Any]] = self._ask("query", query=expression, time=str(at))["result"]
        return found

    def values(self, expression: str, *, at: int) -> list[float]:
        """Return their values."""
        return [float(each["value"][1]) for each in self.query(expression, at=at)]

    def labels(self, label: str, selector: str) -> list[str]:
        """Return the values of a label in the series of a selector."""
        found: list[str] = self._ask(f"label/{quote(label)}/values", **{"match[]": selector})
        return found

    def rules(self) -> list[dict[str, Any]]:
        """Return its rules, with how their last evaluation went."""
        groups = self._ask("rules")["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def _ask(self, what: str, **words: str) -> Any:  # noqa: ANN401 - any document
        with urlopen(f"{self._base}/api/v1/{what}?{urlencode(words)}", timeout=20) as answer:
            return json.load(answer)["data"]


@contextmanager
def scraping(folder: Path, targets: Sequence[str], *, rules: Path) -> Iterator[Prometheus]:
    """Run one in an empty folder; each target is scraped every two seconds."""
    port = free_port()
    conf = folder / "prometheus.yml"
    conf.write_text(CONF.format(rules=json.dumps(str(rules)), targets=json.dumps(targets)))
    places = (f"--config.file={conf}", f"--storage.tsdb.path={folder}/data")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["prometheus", *places, f"--web.listen-address=127.0.0.1:{port}"],
            stdout=log,
            stderr=log,
        )
    try:
        found = Prometheus(port)
        assert wait_until(found.is_ready, PATIENCE_S), (folder / "log").read_text()
        yield found
    finally:
        process.terminate()
        process.wait(PATIENCE_S)

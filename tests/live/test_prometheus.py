"""What we show and what we alert on, before Debian's own promtool."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.cli_kit import OnASite, Site
from tests.failing_world import play
from tests.test_admin import busy, scraped

pytestmark = pytest.mark.live

RULES = Path(__file__).parents[2] / "etc" / "prometheus" / "vcycle.rules.yml"
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "monitoring.md"
CASES = Path(__file__).with_name("vcycle.rules.test.yml")


def promtool(*words: str | Path, text: bytes = b"") -> str:
    """Run promtool, which must be content; return what it says."""
    done = subprocess.run(
        ["promtool", *map(str, words)],
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout.decode()
    return done.stdout.decode()


class TestMetrics(OnASite):
    """The text of /metrics."""

    async def test_promtool_finds_nothing_wrong_with_the_metrics(self, site: Site) -> None:
        """Neither names nor units nor help."""
        busy(site)
        assert promtool("check", "metrics", text=(await scraped(site)).encode()) == ""

    async def test_every_metric_that_an_alert_names_is_shown(self, site: Site) -> None:
        """By its name, with the labels that it is chosen or told by."""
        busy(site)
        text = await scraped(site)
        shown = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
        named = set(re.findall(r"\bvcycle_[a-z0-9_]+", RULES.read_text()))
        assert named <= shown


def test_promtool_takes_what_the_page_says_of_prometheus(tmp_path: Path) -> None:
    """On the same host, and elsewhere."""
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2
    (tmp_path / RULES.name).write_bytes(RULES.read_bytes())
    for number, block in enumerate(blocks):
        path = tmp_path / f"{number}.yml"
        path.write_text(block.replace("/etc/prometheus", str(tmp_path)))
        for name in ("vcycle.token", "vcycle-ca.pem"):
            (tmp_path / name).touch()
        assert "SUCCESS" in promtool("check", "config", path)


def test_promtool_takes_the_rules() -> None:
    """All of them."""
    number = len(yaml.safe_load(RULES.read_text())["groups"][0]["rules"])
    assert f"SUCCESS: {number} rules found" in promtool("check", "rules", RULES)


@pytest.mark.parametrize(("slots", "is_taken"), [(1, False), (10, False), (1, True), (10, True)])
def test_the_alert_on_creations_follows_a_manager_that_meets_failures(
    tmp_path: Path, slots: int, is_taken: bool
) -> None:
    """As long as nothing but failures come, and not longer; it tries but once an hour by then."""
    mended_at, minutes = 300, 400
    (tmp_path / "root").mkdir()
    told = list(
        play(
            tmp_path / "root",
            slots=slots,
            is_taken=is_taken,
            minutes=minutes,
            mended_at=mended_at,
        )
    )
    last = max(minute for minute, is_told in enumerate(told) if is_told)
    assert mended_at <= last < mended_at + 70
    series = 'vcycle_machinetype_stuck{space="s",machinetype="prod",cause="creation-failed"}'
    firing = 'ALERTS{alertname="VcycleCreationsFail",alertstate="firing"}'
    cases = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": series, "values": " ".join("1" if each else "_" for each in told)}
                ],
                "promql_expr_test": [
                    _is_so(f"count({firing}) or vector(0)", 60, 0),
                    _is_so(f"count_over_time({firing}[{mended_at - 91}m30s:1m])", mended_at, 210),
                    _is_so(f"count({firing}) or vector(0)", last + 15, 0),
                ],
            }
        ],
    }
    path = tmp_path / "cases.yml"
    path.write_text(yaml.safe_dump(cases))
    assert "SUCCESS" in promtool("test", "rules", path)


def _is_so(expression: str, minute: int, value: int) -> dict[str, object]:
    """Return a case of promtool: a query then has this value, whatever its labels."""
    return {
        "expr": f"sum({expression})",
        "eval_time": f"{minute}m",
        "exp_samples": [{"labels": "{}", "value": value}],
    }


def test_alerts_fire_when_they_should_and_only_then(tmp_path: Path) -> None:
    """Each rule is in some case that lets it fire."""
    text = CASES.read_text()
    for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]:
        assert rule["alert"] in text
    cases = tmp_path / "cases.yml"
    cases.write_text(text.replace("RULES", str(RULES)))
    assert "SUCCESS" in promtool("test", "rules", cases)

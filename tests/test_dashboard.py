"""The Grafana dashboard as a file; tests/live/test_grafana.py asks its queries of a Prometheus."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from vcycled.admin.catalogue import COUNTERS, GAUGES

TOP = Path(__file__).parents[1]
BOARD = json.loads((TOP / "etc/grafana/vcycle-dashboard.json").read_text(encoding="utf-8"))
ALL: list[dict[str, Any]] = BOARD["panels"]
PANELS = [each for each in ALL if each["type"] != "row"]
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
VARIABLES = [each["name"] for each in BOARD["templating"]["list"]]
TYPES = {"bargauge", "row", "stat", "state-timeline", "timeseries"}
UNITS = {"bool", "none", "percentunit", "reqps", "s"}
WIDTH = 24
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]


def test_it_is_a_dashboard_of_its_own() -> None:
    """Of Grafana 10.3 or newer; nothing in it is of the Grafana where it was made."""
    assert (BOARD["title"], BOARD["uid"], BOARD["id"]) == ("Vcycle", "vcycle", None)
    assert BOARD["schemaVersion"] == 39
    assert "__inputs" not in BOARD


def test_panels_can_be_told_apart() -> None:
    """By id and title; queries of a panel by theirs."""
    for key in ("id", "title"):
        assert len({each[key] for each in ALL}) == len(ALL)
    for panel in PANELS:
        names = [target["refId"] for target in panel["targets"]]
        assert len(set(names)) == len(names) > 0


def test_panels_lie_side_by_side() -> None:
    """Within the width of the page, none over another."""

    def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= WIDTH
        rows = range(at["y"], at["y"] + at["h"])
        return {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in rows}

    for one, other in combinations(ALL, 2):
        assert not cells(one) & cells(other), (one["title"], other["title"])


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_says_what_it_shows_and_in_which_unit(panel: dict[str, Any]) -> None:
    """Of the data source that was chosen."""
    assert panel["type"] in TYPES
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["description"].endswith(".")
    assert panel["datasource"] == SOURCE
    for target in panel["targets"]:
        assert target["datasource"] == SOURCE


@pytest.mark.parametrize("expression", sorted(set(EXPRESSIONS)))
def test_a_query_is_of_one_installation_and_of_what_was_chosen(expression: str) -> None:
    """Each metric is one that there is, chosen by all of its labels that are variables."""
    metrics = {metric.name: metric for metric in (*GAUGES, *COUNTERS)}
    found = re.findall(r"\b(vcycle_\w+)\{([^}]*)\}", expression)
    assert len(found) == len(re.findall(r"\bvcycle_", expression))
    for name, selector in found:
        assert 'instance="$instance"' in selector
        # What our own sites show ends too, and is of no space.
        spaces = '|"' if name == "vcycle_credential_end_timestamp_seconds" else '"'
        assert f'space=~"$space{spaces}' in selector or "space" not in metrics[name].labels
        # A limit is of a space, and so are the processors that are held against it.
        if "machinetype" in metrics[name].labels and name != "vcycle_processors":
            assert 'machinetype=~"$machinetype' in selector


def test_variables_are_those_that_queries_use() -> None:
    """And they are asked of the data source that was chosen."""
    assert VARIABLES == ["datasource", "instance", "space", "machinetype"]
    for each in BOARD["templating"]["list"][1:]:
        assert each["datasource"] == SOURCE
        assert each["query"]["query"] == each["definition"]
    used = set(re.findall(r"\$(?!__)(\w+)", " ".join(EXPRESSIONS)))
    assert used | {"datasource"} == set(VARIABLES)


def test_it_is_installed() -> None:
    """Beside the alerts."""
    assert "share/vcycle/grafana = etc/grafana/*" in (TOP / "setup.cfg").read_text()

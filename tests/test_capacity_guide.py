"""The numbers of the guide to limits and times are those of its example, worked out again."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from tests.doc_blocks import TOP, blocks_of
from tests.world import World, kind
from vcycled.options import Amount

PAGE = TOP / "docs" / "how-to" / "capacity-and-timings.md"
TEXT = PAGE.read_text(encoding="utf-8")
ROW = re.compile(r"^\| (\d+) \| (\d+) \| (\d+) \| (\d+) min \|$", re.MULTILINE)
LIMIT = 320
EACH = 8
TRIES_S = 120


def world(root: Path, *, backoff_seconds: int) -> World:
    """Return the space of the example."""
    usual = {"flavor_names": ("large",), "fizzle_seconds": 300, "max_wallclock_seconds": 86_400}
    kinds = [
        kind(name, target_share=share, backoff_seconds=backoff_seconds, **usual)
        for name, share in (("physics", 3.0), ("biology", 1.0))
    ]
    return World(root, *kinds, processors_limit=LIMIT, max_creations_per_cycle=Amount(percent=10))


def held(world: World, name: str) -> int:
    """Return how many processors a machinetype holds."""
    return sum(each.processors for each in world.machines if each.machinetype == name)


def test_the_example_is_the_space_that_is_simulated() -> None:
    """Its numbers in the block are those of this module."""
    (block,) = (each for each in blocks_of(PAGE) if each.kind == "ini")
    for line in (f"processors_limit = {LIMIT}", "fizzle_seconds = 300", "backoff_seconds = 600"):
        assert line in block.text
    assert "max_creations_per_cycle = 10%" in block.text
    assert "cycle_seconds = 60" in block.text
    assert f"in machines of {EACH}" in TEXT


def test_an_empty_space_is_full_after_ten_cycles(tmp_path: Path) -> None:
    """Four machines a cycle; then the shares are three to one."""
    site = world(tmp_path, backoff_seconds=600)
    grown: list[int] = []
    while sum(grown) < LIMIT:
        site.cycle()
        grown.append(sum(each.processors for each in site.machines) - sum(grown))
        site.clock.advance(60)
    assert grown == [4 * EACH] * 10
    assert "full after 10 cycles" in TEXT
    assert (held(site, "physics"), held(site, "biology")) == (240, 80)
    assert "physics holds 240 processors and biology 80" in TEXT


def test_the_rules_of_thumb_fit_the_example() -> None:
    """Turnover and cost of asking, as the last section has them."""
    mean_hours = (2 + 6) / 2
    assert LIMIT / mean_hours == 80
    assert "80 processors, ten machines, become free in an hour" in TEXT
    cost = EACH * (30 + TRIES_S) / (600 + 30 + TRIES_S) / LIMIT
    assert round(100 * cost, 1) == 0.5
    assert "ten minutes cost half a percent" in TEXT


@pytest.mark.live
@pytest.mark.parametrize("row", ROW.findall(TEXT), ids=lambda row: f"backoff {row[0]}")
def test_what_an_empty_queue_costs(row: tuple[str, ...], tmp_path: Path) -> None:
    """Eight hours without work for one community, then work; all within a third or so."""
    backoff, asked, hours, minutes = map(int, row)
    site = world(tmp_path, backoff_seconds=backoff)
    chance, lives = random.Random(1), dict[str, float]()
    seen: set[str] = set()
    cost_s = 0
    for minute in range(12 * 60):
        has_work = minute >= 8 * 60
        now = site.clock.now()
        for truth in site.here:
            machine = truth.listed
            if machine.started_at is None or machine.stopped_at is not None:
                continue
            ran_s = now - machine.started_at
            is_physics = machine.tags["machinetype"] == "physics"
            life = lives.setdefault(machine.name, chance.uniform(2, 6) * 3600)
            if is_physics and ran_s >= life:
                site.say(machine.name, "200 Done")
                site.cloud.finish(machine.name)
            elif not is_physics and not has_work and ran_s >= TRIES_S:
                site.say(machine.name, "300 No more work")
                site.cloud.finish(machine.name)
        site.cycle()
        if not has_work:
            asking = [each for each in site.machines if each.machinetype == "biology"]
            seen |= {each.name for each in asking}
            cost_s += 60 * sum(each.processors for each in asking)
        elif held(site, "biology") >= LIMIT / 4:
            break
        site.clock.advance(60)
    assert len(seen) == pytest.approx(asked, rel=0.3)
    assert cost_s / 3600 == pytest.approx(hours, rel=0.3)
    assert minute - 8 * 60 == pytest.approx(minutes, rel=0.3)


def test_the_table_has_both_rows() -> None:
    """Otherwise nothing would be worked out above."""
    assert [row[0] for row in ROW.findall(TEXT)] == ["600", "3600"]

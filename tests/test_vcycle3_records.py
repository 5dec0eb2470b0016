"""Stop Vcycle 3, import, start: each run is accounted once, also of machines that it lost."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests import takeover_kit
from tests.takeover_kit import HOUR, NAME, NAMES, Move
from tests.vcycle3_tree import HOST
from tests.world import SPACE
from vcycled.apel.sync import counts_of, read_month
from vcycled.model import EndSource, Stage
from vcycled.store import APEL
from vcycled.testing.clock import START
from vcycled.vcycle3 import Became

move = takeover_kit.move

pytestmark = pytest.mark.no_cover  # hours of a whole manager: see tests/conftest.py


class TestRecords:
    """Each run is accounted once, by Vcycle 3 or by us."""

    def test_a_machine_that_ends_later_gets_its_one_record(self, move: Move) -> None:
        """From its true start, under the id by which its history is known."""
        cloud_id = move.running()
        move.take_over()
        move.world.cycles(3)
        ended = move.world.clock.now()
        move.world.cloud.finish(NAME)
        move.world.cycles(5)
        (record,) = (each for each in move.records() if each.local_job_id == cloud_id)
        assert (record.started_at, record.ended_at) == (move.born + 30, ended)
        assert (record.site, record.queue) == ("SITE", "prod")

    def test_one_that_vanished_meanwhile_ended_when_it_was_last_seen(self, move: Move) -> None:
        """By Vcycle 3, in its last cycle."""
        move.running(NAMES[0])
        move.gone(NAMES[1])
        move.take_over()
        move.world.cycles(8)
        (record,) = move.records()
        assert (record.started_at, record.ended_at) == (move.born + 30, move.stopped)
        (machine,) = move.world.store.machine(NAMES[1])
        assert machine.end_source is EndSource.SIGHTING

    def test_what_vcycle_3_saw_stop_gets_no_second_record(self, move: Move) -> None:
        """What is left of it in the cloud is deleted."""
        move.running(stopped=move.stopped)
        move.world.cloud.finish(NAME)
        found = move.take_over()
        assert found.counts == {Became.ENDED: 1}
        move.world.cycles(70)
        assert [each.delete_attempts for each in move.world.store.machine(NAME)] == [1]
        assert NAME not in {each.listed.name for each in move.world.cloud.here}
        assert move.records() == []

    def test_what_is_in_the_archive_gets_no_second_record(self, move: Move) -> None:
        """Though a power cut took the note of its end."""
        cloud_id = move.running()
        move.old.record(NAME, uuid=cloud_id, started=move.born + 30, ended=move.stopped)
        move.old.damage(NAME, "stopped")
        move.world.cloud.finish(NAME)
        found = move.take_over()
        assert found.counts == {Became.ENDED: 1}
        assert [each.why for each in found.troubles] == ["empty"]
        assert move.only().stopped_at == move.stopped
        move.world.cycles(70)
        assert move.records() == []

    @pytest.mark.parametrize("place", ["current", "deleted"])
    def test_one_that_runs_again_is_accounted_from_then_on(self, move: Move, place: str) -> None:
        """What ran before Vcycle 3 accounted, and no second counts twice."""
        cloud_id = move.running(place=place, stopped=move.stopped)
        move.take_over()
        again = move.world.clock.now()
        move.world.cycles(5)
        move.world.cloud.finish(NAME)
        move.world.cycles(5)
        (record,) = (each for each in move.records() if each.local_job_id == cloud_id)
        assert record.started_at == again

    def test_a_start_that_cannot_be_true_makes_no_record(self, move: Move) -> None:
        """Of a wall time of decades, for a machine that nobody can ask any more."""
        move.gone()
        move.old.damage(NAME, "started", b"18000")
        (trouble,) = move.take_over().troubles
        assert trouble.path.endswith("/started")
        move.world.cycles(8)
        assert move.records() == []

    def test_records_of_vcycle_3_count_in_sync_messages(self, move: Move) -> None:
        """APEL has them, and would find too few told otherwise; they are never sent again."""
        move.old.record(NAMES[0], uuid="a", started=START, ended=START + HOUR)
        move.old.record(NAMES[1], uuid="b", started=START, ended=START + HOUR, site="archive only")
        assert len(move.take_over().runs) == 2
        assert move.world.store.unexported(APEL) == ()
        month = read_month("202701", now=move.now)
        runs = [each.interval for each in move.world.store.intervals()]
        (count,) = counts_of(runs, month)
        assert (count.site, count.submit_host, count.jobs) == ("SITE", f"{SPACE}/vcycle-{HOST}", 1)

    @pytest.mark.parametrize(
        ("ended", "is_taken"),
        [
            pytest.param("2026-11-30T23:59:59", False, id="two months ago"),
            pytest.param("2026-12-01T00:00:00", True, id="last month"),
        ],
    )
    def test_records_of_this_month_and_the_last_count(
        self, move: Move, ended: str, is_taken: bool
    ) -> None:
        """Those before have been told of."""
        at = int(datetime.fromisoformat(ended).replace(tzinfo=UTC).timestamp())
        move.old.record(NAME, uuid="a", started=at - HOUR, ended=at)
        assert len(move.take_over().runs) == is_taken


class TestLostMachines:
    """Vcycle 3 moved the folders of machines that one listing omitted, and forgot them."""

    def test_one_that_lives_is_found_again(self, move: Move) -> None:
        """Its folder comes back, and it is managed and accounted like any other."""
        cloud_id = move.running(place="deleted")
        found = move.take_over()
        assert found.counts == {Became.LOST: 1}
        move.world.cycles(2)
        assert cloud_id in {each.cloud_id for each in move.world.machines}
        assert (move.world.folder(NAME) / "jobfeatures" / "allocated_cpu").exists()
        move.world.cloud.finish(NAME)
        move.world.cycles(5)
        assert [each.started_at for each in move.records()] == [move.born + 30]

    def test_one_that_is_gone_gets_the_record_it_never_had(self, move: Move) -> None:
        """With its last sighting as its end."""
        move.running(NAMES[0])
        move.gone(NAMES[1], place="deleted", seen=move.stopped - HOUR)
        move.take_over()
        move.world.cycles(8)
        (record,) = move.records()
        assert record.ended_at == move.stopped - HOUR

    def test_one_that_was_deleted_and_gone_by_the_next_listing_too(self, move: Move) -> None:
        """Vcycle 3 accounted none of those that it killed for their age."""
        deleted = move.stopped - 60
        move.gone(place="deleted", seen=deleted - 5, deleted=deleted)
        move.old.say(NAME, "700 Exceeded max_wallclock_seconds", at=deleted, place="deleted")
        move.take_over()
        move.world.cycles(2)
        assert [each.ended_at for each in move.records()] == [deleted]
        (machine,) = move.world.store.machine(NAME)
        assert not machine.is_aborted
        assert machine.delete_reason == "max-wallclock"

    def test_one_that_never_started_is_gone(self, move: Move) -> None:
        """Nothing is blamed for it anew, and no room kept."""
        move.gone(place="deleted", started=None, deleted=move.stopped)
        move.old.say(NAME, "700 Failed to start", at=move.stopped, place="deleted")
        found = move.take_over()
        assert found.counts == {Became.LOST: 1}
        outcome = move.world.cycle()
        assert outcome.report.creates == 8
        (machine,) = move.world.store.machine(NAME)
        assert machine.stage is Stage.GONE
        assert move.records() == []
        memories = move.world.store.records(SPACE).machinetypes
        assert [each.creation_failures for each in memories if each.creation_failures] == []

    def test_one_that_never_started_and_runs_is_managed(self, move: Move) -> None:
        """Its start was lost, its deletion was refused and one listing was short."""
        cloud_id = move.running(place="deleted", started=None, deleted=move.stopped)
        move.take_over()
        move.world.cycles(3)
        assert cloud_id in {each.cloud_id for each in move.world.machines}
        move.world.cloud.finish(NAME)
        move.world.cycles(5)
        (record,) = (each for each in move.records() if each.local_job_id == cloud_id)
        assert record.started_at == move.born + 30  # as the cloud says

    def test_one_that_was_seen_to_stop_and_is_there_is_deleted(self, move: Move) -> None:
        """Vcycle 3 accounted it; its request to delete it failed."""
        cloud_id = move.running(place="deleted", stopped=move.stopped, deleted=move.stopped)
        move.world.cloud.finish(NAME)
        found = move.take_over()
        assert found.counts == {Became.ENDED: 1}
        outcome = move.world.cycles(5)
        assert cloud_id not in {each.listed.cloud_id for each in move.world.cloud.here}
        assert outcome.report.foreign_processors == 0
        (machine,) = move.world.store.machine(NAME)
        assert (machine.stage, machine.stopped_at) == (Stage.GONE, move.stopped)
        assert move.records() == []

    def test_one_that_was_seen_to_stop_is_gone(self, move: Move) -> None:
        """With its last words, for who asks; no room is kept for it."""
        move.gone(place="deleted", stopped=move.stopped)
        move.old.say(NAME, "300 No more work", at=move.stopped, place="deleted")
        move.take_over()
        assert move.world.cycle().report.creates == 8
        (machine,) = move.world.store.machine(NAME)
        assert (machine.stage, machine.is_aborted) == (Stage.GONE, True)
        assert machine.message is not None
        assert machine.message.text == "300 No more work"
        move.world.cycles(70)
        assert move.records() == []

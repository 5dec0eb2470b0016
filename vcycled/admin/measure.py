"""Facts as samples of the metrics in the catalogue. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from vcycled.admin.catalogue import COUNTERS, GAUGES, KIND, SPACE, Metric
from vcycled.admin.facts import Facts
from vcycled.cli.as_json import CONDITIONS, condition
from vcycled.cli.served import CERTIFICATE
from vcycled.cli.stuck import stuck
from vcycled.cli.views import SpaceView, View
from vcycled.model import MachineState, Stage
from vcycled.remember import Tally
from vcycled.store import Backlog

LABEL_MOST = 200
"""Characters of a label."""
_STATES = (*map(str, MachineState), *(each for each in CONDITIONS if each != Stage.GONE))


class Sample(NamedTuple):
    """A value of one metric."""

    metric: str
    labels: tuple[str, ...]
    """Their values, in the order of the catalogue."""
    value: float


def exposition(samples: Iterable[Sample]) -> bytes:
    """Return the text that Prometheus scrapes."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Shown(samples))
    return generate_latest(registry)


class _Shown(Collector):
    """Samples, grouped by metric."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._samples: dict[str, list[Sample]] = {}
        for sample in samples:
            self._samples.setdefault(sample.metric, []).append(sample)

    def collect(self) -> Iterator[Family]:
        """Yield the metrics that have values, in the order of the catalogue."""
        for metric in GAUGES:
            gauge = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
            for sample in self._samples.get(metric.name, ()):
                gauge.add_metric(tuple(map(_label, sample.labels)), sample.value)
            yield gauge
        for metric in COUNTERS:
            counter = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
            for sample in self._samples.get(metric.name, ()):
                counter.add_metric(tuple(map(_label, sample.labels)), sample.value)
            yield counter


def _label(value: str) -> str:
    """Return `value` as a label can be: clouds and disks may have names that are no text."""
    return value.encode("utf-8", "replace").decode()[:LABEL_MOST]


def nothing(version: str) -> Iterator[Sample]:
    """Yield what can be said though nothing could be read."""
    yield Sample("vcycle_up", (), 0)
    yield Sample("vcycle_build_info", (version,), 1)


def measured(facts: Facts) -> Iterator[Sample]:
    """Yield every sample."""
    view = facts.view
    errors = sum(not problem.is_warning for problem in view.problems)
    yield Sample("vcycle_up", (), 1)
    yield Sample("vcycle_build_info", (facts.version,), 1)
    yield Sample("vcycle_managed", (), view.is_managed)
    yield Sample("vcycle_configuration_errors", (), errors)
    yield Sample("vcycle_heartbeat_receiver_up", (), facts.is_receiver_up)
    yield from _own_credentials(facts)
    for key, at in facts.beats.items():
        yield Sample("vcycle_heartbeat_age_seconds", key, max(0, view.now - at))
    for disk in view.disks:
        folder = (str(disk.folder),)
        yield Sample("vcycle_disk_free_bytes", folder, disk.free_bytes)
        yield Sample("vcycle_disk_size_bytes", folder, disk.total_bytes)
        if disk.free_files is not None and disk.total_files is not None:
            yield Sample("vcycle_disk_free_files", folder, disk.free_files)
            yield Sample("vcycle_disk_size_files", folder, disk.total_files)
    yield from _managers(view)
    yield from _records(facts)
    for space in view.spaces:
        yield from _room(space)
        yield from _machines(space)
        yield from _thoughts(space)
        for hold in stuck(space, now=view.now):
            kind = (space.name, hold.machinetype, str(hold.cause))
            yield Sample("vcycle_machinetype_stuck", kind, 1)
        yield from _cycle(space)
    yield from _totals(facts)


def _own_credentials(facts: Facts) -> Iterator[Sample]:
    """Yield the ends of what is of no space, each once: sinks may share a certificate."""
    served = {f"{CERTIFICATE} of {each.owner}": each.ends_at for each in facts.certificates}
    shown = {
        name: at for each in facts.view.named_sinks for name, at in each.credential_ends.items()
    }
    for credential, at in (served | shown).items():
        if at is not None:
            yield Sample("vcycle_credential_end_timestamp_seconds", ("", credential), at)


def _managers(view: View) -> Iterator[Sample]:
    if view.staff is None:
        return
    for manager in view.staff.managers:
        name = (manager.presence.name,)
        yield Sample("vcycle_manager_up", name, manager.is_live)
        yield Sample("vcycle_manager_heartbeat_age_seconds", name, manager.silent_s)
    for space in view.spaces:
        is_held = view.staff.lease(space.name) is not None
        yield Sample("vcycle_space_held", (space.name,), is_held)


def _records(facts: Facts) -> Iterator[Sample]:
    for sink in facts.view.named_sinks:
        due = {each.space: each for each in sink.backlogs}
        yield Sample("vcycle_sink_failing", (sink.name,), bool(sink.outages))
        for space in dict.fromkeys((*(each.name for each in facts.view.spaces), *due)):
            yield Sample("vcycle_records_due", (space, sink.name), _runs(due.get(space)))
        for space, each in due.items():
            metric = "vcycle_records_due_oldest_timestamp_seconds"
            yield Sample(metric, (space, sink.name), each.oldest_at)
    yield Sample("vcycle_records_outgoing", (), facts.outgoing.messages)
    if facts.outgoing.oldest_stamp is not None:
        metric = "vcycle_records_outgoing_oldest_timestamp_seconds"
        yield Sample(metric, (), facts.outgoing.oldest_stamp)


def _runs(backlog: Backlog | None) -> int:
    return backlog.runs if backlog else 0


def _room(space: SpaceView) -> Iterator[Sample]:
    name, limits = (space.name,), space.limits
    yield Sample("vcycle_foreign_processors", name, space.records.memory.foreign_processors)
    if limits.processors is not None:
        yield Sample("vcycle_processors_limit", name, limits.processors)
    if limits.machines is not None:
        yield Sample("vcycle_machines_limit", name, limits.machines)


def _machines(space: SpaceView) -> Iterator[Sample]:
    """Yield zeros too, so that what ends does not merely vanish."""
    for kind in space.machinetypes:
        mine = [each for each in space.records.machines if each.machinetype == kind]
        counts = Counter(condition(each) for each in mine)
        for state in _STATES:
            yield Sample("vcycle_machines", (space.name, kind, state), counts[state])
        processors = sum(each.processors for each in mine)
        yield Sample("vcycle_processors", (space.name, kind), processors)
    for config in space.config.machinetypes if space.config else ():
        if (limit := config.options.processors_limit) is not None:
            yield Sample("vcycle_machinetype_processors_limit", (space.name, config.name), limit)


def _thoughts(space: SpaceView) -> Iterator[Sample]:
    if space.report is None:
        return
    for share in space.report.shares:
        if share.is_preemptible:
            continue  # it has no part in what the others share
        key = (space.name, share.machinetype)
        yield Sample("vcycle_share_wanted_ratio", key, share.wanted)
        yield Sample("vcycle_share_had_ratio", key, share.had)
    causes = {(hold.machinetype, str(hold.cause)) for hold in space.report.holds}
    for machinetype, cause in sorted(causes):
        yield Sample("vcycle_hold", (space.name, machinetype, cause), 1)


def _cycle(space: SpaceView) -> Iterator[Sample]:
    name, listed_at, report = (space.name,), space.records.memory.listed_at, space.report
    if listed_at is not None:
        yield Sample("vcycle_listing_timestamp_seconds", name, listed_at)
    if report is None:
        return
    yield Sample("vcycle_cycle_timestamp_seconds", name, report.at)
    yield Sample("vcycle_cycle_due_timestamp_seconds", name, report.wake_at)
    if not space.is_emptied:
        yield Sample("vcycle_space_blind", name, bool(report.error))
    yield Sample("vcycle_calls_stuck", name, report.stuck_calls)
    for phase, seconds in report.seconds.items():
        yield Sample("vcycle_cycle_phase_duration_seconds", (*name, phase), seconds)
    for credential, at in report.credential_ends.items():
        yield Sample("vcycle_credential_end_timestamp_seconds", (*name, credential), at)


def _first(counter: Metric, space: SpaceView) -> tuple[str, ...]:
    """Return for which machinetypes a counter is shown before it has ever counted."""
    if counter.labels == KIND:
        return space.machinetypes
    return ("",) if counter.labels == SPACE else ()


def _totals(facts: Facts) -> Iterator[Sample]:
    """Yield the counters; those without labels of their own are there from the first on."""
    counters = {counter.total: counter for counter in COUNTERS}
    found = dict(facts.totals)
    for space in facts.view.spaces:
        for counter in COUNTERS:
            for kind in _first(counter, space):
                found.setdefault(Tally(space.name, kind, counter.total), 0)
    for tally, value in sorted(found.items()):
        if (known := counters.get(tally.name)) is not None:
            values = {"space": tally.space, "machinetype": tally.machinetype}
            labels = tuple(values.get(each, tally.label) for each in known.labels)
            yield Sample(known.name, labels, value)

"""Every metric that /metrics shows, named by Prometheus' rules: base units, `_total` for counters.

https://prometheus.io/docs/practices/naming/. docs/reference/metrics.md describes each; a test
holds that. Times of events are Unix seconds, so that what a scrape shows does not depend on when
it was made.
"""

from __future__ import annotations

from dataclasses import dataclass

SPACE = ("space",)
KIND = ("space", "machinetype")
SINK = ("space", "sink")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric, without its values."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    total: str = ""
    """Of a counter: the name of what it counts, in vcycled.remember.totals."""


GAUGES = (
    Metric(name="vcycle_up", help="1 if configuration and database could be read."),
    Metric(name="vcycle_build_info", help="Always 1.", labels=("version",)),
    Metric(name="vcycle_managed", help="1 if a manager is alive."),
    Metric(
        name="vcycle_manager_up",
        help="1 if this one of several managers is alive.",
        labels=("manager",),
    ),
    Metric(
        name="vcycle_manager_heartbeat_age_seconds",
        help="Since the last heartbeat of this one of several managers.",
        labels=("manager",),
    ),
    Metric(
        name="vcycle_space_held",
        help="1 if one of several managers looks after the space.",
        labels=SPACE,
    ),
    Metric(name="vcycle_configuration_errors", help="Errors in the configuration files."),
    Metric(
        name="vcycle_machines",
        help="Our machines that are not gone.",
        labels=(*KIND, "state"),
    ),
    Metric(name="vcycle_processors", help="Processors of these machines.", labels=KIND),
    Metric(
        name="vcycle_foreign_processors",
        help="Processors of machines that are not ours, as of the last listing.",
        labels=SPACE,
    ),
    Metric(
        name="vcycle_processors_limit",
        help="The tighter of the limits of configuration and cloud; none if there is no limit.",
        labels=SPACE,
    ),
    Metric(
        name="vcycle_machinetype_processors_limit",
        help="How many processors a machinetype may have; none if it has no limit of its own.",
        labels=KIND,
    ),
    Metric(
        name="vcycle_machines_limit",
        help="How many machines the cloud allows; none if it states no limit.",
        labels=SPACE,
    ),
    Metric(
        name="vcycle_share_wanted_ratio",
        help="The part of its space that a machinetype wants; none for a preemptible one.",
        labels=KIND,
    ),
    Metric(
        name="vcycle_share_had_ratio",
        help="The part that a machinetype has of what those that are not preemptible have.",
        labels=KIND,
    ),
    Metric(
        name="vcycle_hold",
        help="1 while a machinetype gets no more machines for this cause; without machinetype, "
        "the whole space.",
        labels=(*KIND, "cause"),
    ),
    Metric(
        name="vcycle_machinetype_stuck",
        help="1 while a machinetype gets no machines until a person acts.",
        labels=(*KIND, "cause"),
    ),
    Metric(
        name="vcycle_cycle_timestamp_seconds",
        help="When the last cycle ended.",
        labels=SPACE,
    ),
    Metric(
        name="vcycle_cycle_due_timestamp_seconds",
        help="When the next cycle is due.",
        labels=SPACE,
    ),
    Metric(
        name="vcycle_cycle_phase_duration_seconds",
        help="How long each phase of the last cycle took.",
        labels=("space", "phase"),
    ),
    Metric(
        name="vcycle_listing_timestamp_seconds",
        help="When the cloud was last seen whole.",
        labels=SPACE,
    ),
    Metric(
        name="vcycle_space_blind",
        help="1 if the last cycle could not look at the cloud.",
        labels=SPACE,
    ),
    Metric(
        name="vcycle_calls_stuck",
        help="Calls to the cloud that were given up and have not returned.",
        labels=SPACE,
    ),
    Metric(
        name="vcycle_heartbeat_age_seconds",
        help="Since the last heartbeat (or the start) of the most silent running machine.",
        labels=KIND,
    ),
    Metric(
        name="vcycle_heartbeat_receiver_up",
        help="1 if heartbeats can arrive: a vcycle-web gives a sign of life, or "
        "heartbeat_receiver is external.",
    ),
    Metric(
        name="vcycle_records_due",
        help="Final runs whose records a sink has not taken yet.",
        labels=SINK,
    ),
    Metric(
        name="vcycle_records_due_oldest_timestamp_seconds",
        help="Since when the first of these waits; none if there is none.",
        labels=SINK,
    ),
    Metric(
        name="vcycle_sink_failing",
        help="1 if a sink did not take the records that it was last given.",
        labels=("sink",),
    ),
    Metric(name="vcycle_records_outgoing", help="Messages in apel-outgoing, for ssmsend."),
    Metric(
        name="vcycle_records_outgoing_oldest_timestamp_seconds",
        help="When the oldest of these was put there; none if there is none.",
    ),
    Metric(
        name="vcycle_credential_end_timestamp_seconds",
        help="Until when what opens the cloud, what proxies are made from, or what our own sites "
        "show, is valid.",
        labels=("space", "credential"),
    ),
    Metric(
        name="vcycle_disk_free_bytes",
        help="Free for the manager on the disk of this folder.",
        labels=("folder",),
    ),
    Metric(
        name="vcycle_disk_size_bytes",
        help="Size of the disk of this folder.",
        labels=("folder",),
    ),
    Metric(
        name="vcycle_disk_free_files",
        help="How many more files and folders fit on the disk of this folder; none if that has no "
        "bound.",
        labels=("folder",),
    ),
    Metric(
        name="vcycle_disk_size_files",
        help="How many files and folders fit on it at all; none as above.",
        labels=("folder",),
    ),
)

COUNTERS = (
    Metric(name="vcycle_cycles_total", help="Cycles that ended.", labels=SPACE, total="cycles"),
    Metric(
        name="vcycle_api_calls_total",
        help="Calls to the API of the cloud, by what they were made for.",
        labels=(*SPACE, "operation"),
        total="api-calls",
    ),
    Metric(
        name="vcycle_errors_total",
        help="What a cloud did not do, by kind.",
        labels=(*KIND, "kind"),
        total="errors",
    ),
    Metric(
        name="vcycle_creations_total",
        help="Creations that a cloud took.",
        labels=KIND,
        total="creations",
    ),
    Metric(
        name="vcycle_deletions_total",
        help="Deletions asked of a cloud, repeated ones too, by reason.",
        labels=(*KIND, "reason"),
        total="deletions",
    ),
    Metric(name="vcycle_ends_total", help="Machines that ended.", labels=KIND, total="ends"),
    Metric(
        name="vcycle_aborts_total",
        help="Machines whose end means that there is no work.",
        labels=KIND,
        total="aborts",
    ),
    Metric(
        name="vcycle_fizzles_total",
        help="Machines that ran for less than fizzle_seconds.",
        labels=KIND,
        total="fizzles",
    ),
    Metric(
        name="vcycle_records_written_total",
        help="Accounting records that a sink was given.",
        labels=(*KIND, "sink"),
        total="records",
    ),
)

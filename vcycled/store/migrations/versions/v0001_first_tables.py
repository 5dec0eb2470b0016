"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "drains",
        sa.Column("space", sa.Text(), nullable=False),
        sa.Column("machinetype", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.BigInteger(), nullable=True),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("is_hold", sa.Boolean(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("space", "machinetype", name=op.f("pk_drains")),
    )
    op.create_table(
        "events",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("space", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("machinetype", sa.Text(), nullable=False),
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_events_at"), "events", ["at"])
    op.create_index(op.f("ix_events_machine_id"), "events", ["machine", "id"])
    op.create_index(op.f("ix_events_space_id"), "events", ["space", "id"])
    op.create_table(
        "leases",
        sa.Column("space", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("taken_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("space", name=op.f("pk_leases")),
    )
    op.create_table(
        "managers",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("root", sa.Text(), nullable=False),
        sa.Column("pid", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("beaten_at", sa.Double(), nullable=False),
        sa.Column("beat_seconds", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("skew", sa.Double(), nullable=False),
        sa.Column("spaces", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_managers")),
    )
    op.create_table(
        "machinetypes",
        sa.Column("space", sa.Text(), nullable=False),
        sa.Column("machinetype", sa.Text(), nullable=False),
        sa.Column("last_abort_at", sa.BigInteger(), nullable=True),
        sa.Column("proven_at", sa.BigInteger(), nullable=True),
        sa.Column("creation_failures", sa.BigInteger(), nullable=False),
        sa.Column("creation_failed_at", sa.BigInteger(), nullable=True),
        sa.Column("creation_error", sa.Text(), nullable=False),
        sa.Column("waiting_since", sa.BigInteger(), nullable=True),
        sa.Column("told_wallclock_seconds", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("space", "machinetype", name=op.f("pk_machinetypes")),
    )
    op.create_table(
        "orders",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("space", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("machinetype", sa.Text(), nullable=False),
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("by", sa.BigInteger(), nullable=True),
        sa.Column("is_forced", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_orders_done_at_space"), "orders", ["done_at", "space"])
    op.create_table(
        "properties",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_properties")),
    )
    op.create_table(
        "reports",
        sa.Column("space", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("space", name=op.f("pk_reports")),
    )
    op.create_table(
        "outages",
        sa.Column("sink", sa.Text(), nullable=False),
        sa.Column("manager", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("retry_at", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sink", "manager", name=op.f("pk_outages")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sinks",
        sa.Column("sink", sa.Text(), nullable=False),
        sa.Column("named_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sink", name=op.f("pk_sinks")),
    )
    op.create_table(
        "spaces",
        sa.Column("space", sa.Text(), nullable=False),
        sa.Column("listed_at", sa.BigInteger(), nullable=True),
        sa.Column("listed_machines", sa.BigInteger(), nullable=False),
        sa.Column("foreign_processors", sa.BigInteger(), nullable=False),
        sa.Column("foreign_machines", sa.BigInteger(), nullable=False),
        sa.Column("foreign_memory_mb", sa.BigInteger(), nullable=False),
        sa.Column("suspect_since", sa.BigInteger(), nullable=True),
        sa.Column("quota_failures", sa.BigInteger(), nullable=False),
        sa.Column("quota_failed_at", sa.BigInteger(), nullable=True),
        sa.Column("quota_error", sa.Text(), nullable=False),
        sa.Column("pauses", sa.BigInteger(), nullable=False),
        sa.Column("paused_until", sa.BigInteger(), nullable=True),
        sa.Column("pause_error", sa.Text(), nullable=False),
        sa.Column("unfit", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("clock_jumped_at", sa.BigInteger(), nullable=True),
        sa.Column("preempted_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("space", name=op.f("pk_spaces")),
    )
    op.create_table(
        "terms",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("fizzle_seconds", sa.BigInteger(), nullable=False),
        sa.Column("max_wallclock_seconds", sa.BigInteger(), nullable=False),
        sa.Column("start_timeout_seconds", sa.BigInteger(), nullable=False),
        sa.Column("heartbeat_file", sa.Text(), nullable=False),
        sa.Column("heartbeat_seconds", sa.BigInteger(), nullable=False),
        sa.Column("abort_on_700", sa.Boolean(), nullable=False),
        sa.Column("abort_on_heartbeat", sa.Boolean(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("is_published", sa.Boolean(), nullable=False),
        sa.Column("submit_host", sa.Text(), nullable=False),
        sa.Column("manager_host", sa.Text(), nullable=False),
        sa.Column("global_user", sa.Text(), nullable=False),
        sa.Column("fqan", sa.Text(), nullable=False),
        sa.Column("power_per_processor", sa.Double(), nullable=True),
        sa.Column("power_unit", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terms")),
        sa.UniqueConstraint("digest", name=op.f("uq_terms_digest")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "intervals",
        sa.Column("uuid", sa.Text(), nullable=False),
        sa.Column("interval", sa.BigInteger(), nullable=False),
        sa.Column("space", sa.Text(), nullable=False),
        sa.Column("machinetype", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("processors", sa.BigInteger(), nullable=False),
        sa.Column("memory_mb", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.Column("end_source", sa.Text(), nullable=False),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.Column("terms_id", SERIAL, nullable=False),
        sa.ForeignKeyConstraint(["terms_id"], ["terms.id"], name=op.f("fk_intervals_terms")),
        sa.PrimaryKeyConstraint("uuid", "interval", name=op.f("pk_intervals")),
    )
    op.create_index(op.f("ix_intervals_ended_at"), "intervals", ["ended_at"])
    op.create_table(
        "machines",
        sa.Column("uuid", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("space", sa.Text(), nullable=False),
        sa.Column("machinetype", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("processors", sa.BigInteger(), nullable=False),
        sa.Column("memory_mb", sa.BigInteger(), nullable=False),
        sa.Column("flavor", sa.Text(), nullable=False),
        sa.Column("terms_id", SERIAL, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("cloud_id", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("stopped_at", sa.BigInteger(), nullable=True),
        sa.Column("end_source", sa.Text(), nullable=True),
        sa.Column("message_code", sa.BigInteger(), nullable=True),
        sa.Column("message_text", sa.Text(), nullable=True),
        sa.Column("message_written_at", sa.BigInteger(), nullable=True),
        sa.Column("is_aborted", sa.Boolean(), nullable=False),
        sa.Column("is_closed", sa.Boolean(), nullable=False),
        sa.Column("interval", sa.BigInteger(), nullable=False),
        sa.Column("missing_since", sa.BigInteger(), nullable=True),
        sa.Column("missing_first_at", sa.BigInteger(), nullable=True),
        sa.Column("missing_listings", sa.BigInteger(), nullable=False),
        sa.Column("delete_reason", sa.Text(), nullable=False),
        sa.Column("delete_attempts", sa.BigInteger(), nullable=False),
        sa.Column("delete_attempt_at", sa.BigInteger(), nullable=True),
        sa.Column("is_delete_acknowledged", sa.Boolean(), nullable=False),
        sa.Column("delete_error", sa.Text(), nullable=False),
        sa.Column("is_delete_ordered", sa.Boolean(), nullable=False),
        sa.Column("gone_at", sa.BigInteger(), nullable=True),
        sa.Column("fault", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("warning", sa.Text(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=True),
        sa.Column("drain_by", sa.BigInteger(), nullable=True),
        sa.Column("leave_by", sa.BigInteger(), nullable=True),
        sa.Column("leave_why", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["terms_id"], ["terms.id"], name=op.f("fk_machines_terms")),
        sa.PrimaryKeyConstraint("uuid", name=op.f("pk_machines")),
    )
    op.create_index(op.f("ix_machines_created_at"), "machines", ["created_at"])
    op.create_index(op.f("ix_machines_gone_at"), "machines", ["gone_at"])
    op.create_index(op.f("ix_machines_name"), "machines", ["name"])
    op.create_index(op.f("ix_machines_stage_space"), "machines", ["stage", "space"])
    op.create_table(
        "totals",
        sa.Column("space", sa.Text(), nullable=False),
        sa.Column("machinetype", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("space", "machinetype", "name", "label", name=op.f("pk_totals")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "due",
        sa.Column("uuid", sa.Text(), nullable=False),
        sa.Column("interval", sa.BigInteger(), nullable=False),
        sa.Column("sink", sa.Text(), nullable=False),
        sa.Column("taken_by", sa.Text(), nullable=False),
        sa.Column("space", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("refused_at", sa.BigInteger(), nullable=False),
        sa.Column("refusal", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["uuid", "interval"],
            ["intervals.uuid", "intervals.interval"],
            name=op.f("fk_due_intervals"),
        ),
        sa.PrimaryKeyConstraint("uuid", "interval", "sink", name=op.f("pk_due")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_due_sink_refused_at_ended_at"), "due", ["sink", "refused_at", "ended_at"]
    )
    op.create_index(
        op.f("ix_due_sink_space_refused_at_ended_at_since"),
        "due",
        ["sink", "space", "refused_at", "ended_at", "since"],
    )
    op.create_table(
        "exports",
        sa.Column("uuid", sa.Text(), nullable=False),
        sa.Column("interval", sa.BigInteger(), nullable=False),
        sa.Column("sink", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["uuid", "interval"],
            ["intervals.uuid", "intervals.interval"],
            name=op.f("fk_exports_intervals"),
        ),
        sa.PrimaryKeyConstraint("uuid", "interval", "sink", name=op.f("pk_exports")),
        sqlite_with_rowid=False,
    )

"""What is kept, table by table. The migrations make the same tables; a test compares the two.

Times are whole Unix seconds, NULL where there is none yet; enumerations are kept by value. Columns
bear the names of the fields of vcycled.model that they hold.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

REVISION = "0001"
"""The newest revision in migrations/versions."""


class Text(TypeDecorator[str]):
    """Text that any database takes.

    What machines and clouds say may hold NUL characters (which PostgreSQL refuses) or undecodable
    bytes; a replacement character stands in for them, so that they cannot block a whole cycle.
    """

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Return what is stored for `value`."""
        if value is None:
            return None
        try:
            value.encode()
        except UnicodeEncodeError:
            value = value.encode("utf-8", "replace").decode()
        return value.replace("\0", "\ufffd")


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)

SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")
"""SQLite numbers rows only in a column of exactly its own INTEGER type."""


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, Text, nullable=False)


def _text_key(name: str) -> sa.Column[str]:
    return sa.Column(name, Text, primary_key=True)


def _whole(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False)


def _maybe(name: str) -> sa.Column[int | None]:
    return sa.Column(name, sa.BigInteger, nullable=True)


def _terms_id() -> sa.Column[int]:
    return sa.Column("terms_id", SERIAL, sa.ForeignKey("terms.id"), nullable=False)


properties = sa.Table("properties", metadata, _text_key("name"), _text("value"))
"""What is said once of the whole database, such as the installation id."""

terms = sa.Table(
    "terms",
    metadata,
    sa.Column("id", SERIAL, primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    _whole("fizzle_seconds"),
    _whole("max_wallclock_seconds"),
    _whole("start_timeout_seconds"),
    _text("heartbeat_file"),
    _whole("heartbeat_seconds"),
    _flag("abort_on_700"),
    _flag("abort_on_heartbeat"),
    _text("site"),
    _flag("is_published"),
    _text("submit_host"),
    _text("manager_host"),
    _text("global_user"),
    _text("fqan"),
    sa.Column("power_per_processor", sa.Double, nullable=True),
    _text("power_unit"),
    sqlite_autoincrement=True,
)
"""Each distinct Terms once; thousands of machines share a row."""

machines = sa.Table(
    "machines",
    metadata,
    _text_key("uuid"),
    _text("name"),
    _text("space"),
    _text("machinetype"),
    _text("stage"),
    _text("state"),
    _whole("processors"),
    _whole("memory_mb"),
    _text("flavor"),
    _terms_id(),
    _whole("created_at"),
    _text("zone"),
    _text("cloud_id"),
    _text("address"),
    _maybe("seen_at"),
    _maybe("started_at"),
    _maybe("stopped_at"),
    sa.Column("end_source", Text, nullable=True),
    _maybe("message_code"),
    sa.Column("message_text", Text, nullable=True),
    _maybe("message_written_at"),
    _flag("is_aborted"),
    _flag("is_closed"),
    _whole("interval"),
    _maybe("missing_since"),
    _maybe("missing_first_at"),
    _whole("missing_listings"),
    _text("delete_reason"),
    _whole("delete_attempts"),
    _maybe("delete_attempt_at"),
    _flag("is_delete_acknowledged"),
    _text("delete_error"),
    _flag("is_delete_ordered"),
    _maybe("gone_at"),
    _text("fault"),
    _text("token_hash"),
    _text("warning"),
    _maybe("ends_at"),
    _maybe("drain_by"),
    _maybe("leave_by"),
    _text("leave_why"),
    sa.Index(None, "name"),
    # Stage first: the few that are not gone stand together, however long the history is.
    sa.Index(None, "stage", "space"),
    sa.Index(None, "created_at"),
    sa.Index(None, "gone_at"),
)

machinetypes = sa.Table(
    "machinetypes",
    metadata,
    _text_key("space"),
    _text_key("machinetype"),
    _maybe("last_abort_at"),
    _maybe("proven_at"),
    _whole("creation_failures"),
    _maybe("creation_failed_at"),
    _text("creation_error"),
    _maybe("waiting_since"),
    _maybe("told_wallclock_seconds"),
)

spaces = sa.Table(
    "spaces",
    metadata,
    _text_key("space"),
    _maybe("listed_at"),
    _whole("listed_machines"),
    _whole("foreign_processors"),
    _whole("foreign_machines"),
    _whole("foreign_memory_mb"),
    _maybe("suspect_since"),
    _whole("quota_failures"),
    _maybe("quota_failed_at"),
    _text("quota_error"),
    _whole("pauses"),
    _maybe("paused_until"),
    _text("pause_error"),
    _text("unfit"),  # a JSON list of objects
    _text("account"),  # a JSON object of texts
    _maybe("clock_jumped_at"),
    _maybe("preempted_at"),
)

drains = sa.Table(
    "drains",
    metadata,
    _text_key("space"),
    _text_key("machinetype"),
    _whole("since"),
    _maybe("by"),
    _text("who"),
    _flag("is_hold"),
    _maybe("until"),
    _text("reason"),
)

orders = sa.Table(
    "orders",
    metadata,
    sa.Column("id", SERIAL, primary_key=True),
    _text("kind"),
    _text("space"),
    _whole("at"),
    _text("who"),
    _text("machinetype"),
    _text("machine"),
    _maybe("by"),
    _flag("is_forced"),
    _text("reason"),
    _maybe("done_at"),
    sa.Index(None, "done_at", "space"),
    sqlite_autoincrement=True,
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", SERIAL, primary_key=True),
    _whole("at"),
    _text("space"),
    _text("event"),
    _text("machinetype"),
    _text("machine"),
    _text("detail"),
    sa.Index(None, "at"),
    sa.Index(None, "space", "id"),
    sa.Index(None, "machine", "id"),
    sqlite_autoincrement=True,
)

reports = sa.Table("reports", metadata, _text_key("space"), _whole("at"), _text("report"))
"""What the last cycle of each space came to, as JSON."""

totals = sa.Table(
    "totals",
    metadata,
    _text_key("space"),
    _text_key("machinetype"),
    _text_key("name"),
    _text_key("label"),
    _whole("value"),
    sqlite_with_rowid=False,
)
"""How often things happened since the database was made; vcycled.remember.totals says which."""

intervals = sa.Table(
    "intervals",
    metadata,
    _text_key("uuid"),
    sa.Column("interval", sa.BigInteger, primary_key=True, autoincrement=False),
    _text("space"),
    _text("machinetype"),
    _text("name"),
    _whole("processors"),
    _whole("memory_mb"),
    _whole("started_at"),
    _whole("ended_at"),
    _text("end_source"),
    _flag("is_final"),
    _terms_id(),
    sa.Index(None, "ended_at"),
)
"""Each run of a machine once: the source of one accounting record. Kept for ever."""


def _of_interval(*more: sa.Column[int] | sa.Column[str]) -> tuple[sa.schema.SchemaItem, ...]:
    return (
        _text_key("uuid"),
        sa.Column("interval", sa.BigInteger, primary_key=True, autoincrement=False),
        _text_key("sink"),
        *more,
        sa.ForeignKeyConstraint(["uuid", "interval"], ["intervals.uuid", "intervals.interval"]),
    )


exports = sa.Table("exports", metadata, *_of_interval(_whole("at")), sqlite_with_rowid=False)
"""Which sink has taken which interval, and when first. Never changed, never removed."""

due = sa.Table(
    "due",
    metadata,
    *_of_interval(
        _text("taken_by"),
        _text("space"),
        _whole("ended_at"),
        _whole("since"),
        _whole("refused_at"),
        _text("refusal"),
    ),
    sa.Index(None, "sink", "space", "refused_at", "ended_at", "since"),
    sa.Index(None, "sink", "refused_at", "ended_at"),
    sqlite_with_rowid=False,
)
"""What each sink is still to take, so that a long history costs nothing to look through.

`taken_by` is the manager, of several, that alone may write its record; empty if none is yet.
`space` and `ended_at` are those of the interval: what waits is counted, and taken in its order, by
the indexes alone, however much it is. `since` is when it became due, `refused_at` when the sink
last refused this record alone, 0 if it never did.
"""

sinks = sa.Table("sinks", metadata, _text_key("sink"), _whole("named_at"))
"""Sinks that have begun; an interval becomes due for each when it becomes final.

`named_at` is when a manager last had it in its configuration, to within minutes.
"""

outages = sa.Table(
    "outages",
    metadata,
    _text_key("sink"),
    _text_key("manager"),
    _whole("since"),
    _whole("failures"),
    _maybe("retry_at"),
    _text("error"),
    sqlite_with_rowid=False,
)
"""Sinks that do not take what a manager gives them; once they do, their rows go."""

managers = sa.Table(
    "managers",
    metadata,
    _text_key("name"),
    _text("run"),
    _text("host"),
    _text("root"),
    _whole("pid"),
    _text("version"),
    _whole("started_at"),
    sa.Column("beaten_at", sa.Double, nullable=False),
    _whole("beat_seconds"),
    _maybe("ended_at"),
    sa.Column("skew", sa.Double, nullable=False),
    _text("spaces"),  # a JSON list of names
)
"""Managers that share this database; times are by the database's clock, `beaten_at` exactly."""

leases = sa.Table(
    "leases", metadata, _text_key("space"), _text("holder"), _whole("epoch"), _whole("taken_at")
)
"""Which manager each space is left to; `holder` is empty while it is nobody's."""

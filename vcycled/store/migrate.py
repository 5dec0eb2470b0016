"""Making the tables and bringing them up to date."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from vcycled.store import migrations

FOLDER = Path(migrations.__file__).parent


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    return config


def revisions() -> tuple[str, ...]:
    """Return every revision of the schema, oldest first."""
    scripts = ScriptDirectory.from_config(_config())
    return tuple(reversed([each.revision for each in scripts.walk_revisions()]))


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Make or change the tables up to `revision`, in the transaction of `connection`."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)

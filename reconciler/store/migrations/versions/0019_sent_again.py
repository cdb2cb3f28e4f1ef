"""Notifications that were given up and are sent again because somebody asked for it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import text

from reconciler.store.tables import Instant

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_BEFORE = "result = 'sent' OR result = 'failed' OR result = 'unknown'"
_AFTER = f"{_BEFORE} OR result = 'resent'"
_NAME = "ck_notification_attempt_result"


def upgrade() -> None:
    """Add a moment, and let the log say that somebody asked. No row is read."""
    op.add_column("notification", sa.Column("resent_at", Instant, nullable=True))
    if op.get_bind().dialect.name == "sqlite":
        _edit_the_schema_of_sqlite()
        return
    op.execute(f"ALTER TABLE notification_attempt DROP CONSTRAINT {_NAME}")
    op.execute(
        f"ALTER TABLE notification_attempt ADD CONSTRAINT {_NAME} CHECK ({_AFTER}) NOT VALID"
    )
    op.execute(f"ALTER TABLE notification_attempt VALIDATE CONSTRAINT {_NAME}")


def _edit_the_schema_of_sqlite() -> None:
    """Loosen the constraint in place, as migration 0007 does."""
    connection = op.get_bind()
    definition = connection.execute(
        text("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = 'notification_attempt'")
    ).scalar_one()
    if definition.count(f"({_BEFORE})") != 1:
        raise RuntimeError("the constraint on notification_attempt.result is not the expected one")
    version = connection.execute(text("PRAGMA schema_version")).scalar_one()
    op.execute("PRAGMA writable_schema = ON")
    connection.execute(
        text(
            "UPDATE sqlite_schema SET sql = :sql "
            "WHERE type = 'table' AND name = 'notification_attempt'"
        ),
        {"sql": definition.replace(_BEFORE, _AFTER)},
    )
    # Every other connection, and this one, reads the tables anew.
    op.execute(f"PRAGMA schema_version = {version + 1}")
    op.execute("PRAGMA writable_schema = OFF")

"""Prechecks, what stands in a prompt beside the payload, and the newest run that was worked on."""

import sqlalchemy as sa
from alembic import op

from reconciler.store.tables import json_type

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_WORKED_ON = "status = 'completed' OR status = 'failed'"


def upgrade() -> None:
    """Add the columns and an index. Runs from before have no precheck and no context."""
    op.add_column(
        "autopilot_run",
        sa.Column(
            "precheck_due",
            sa.Boolean(),
            nullable=False,
            server_default=sa.text("false"),
            comment="its precheck has yet to say that there is something to do",
        ),
    )
    op.add_column(
        "autopilot_run",
        sa.Column(
            "precheck_handle",
            json_type(none_as_null=True),
            nullable=True,
            comment="since when its precheck runs, and how it is found again",
        ),
    )
    op.add_column(
        "autopilot_run",
        sa.Column(
            "context",
            json_type(none_as_null=True),
            nullable=True,
            comment="what stands in its prompt beside the payload",
        ),
    )
    op.create_index(
        "ix_run_worked_on",
        "autopilot_run",
        ["autopilot_id", "completed_at"],
        sqlite_where=sa.text(_WORKED_ON),
        postgresql_where=sa.text(_WORKED_ON),
    )

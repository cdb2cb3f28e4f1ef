"""What a run has for itself until it has ended, such as the folder of an Aegis session."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_HELD = "holds IS NOT NULL AND completed_at IS NULL"


def upgrade() -> None:
    """Add the column. Runs from before hold nothing."""
    op.add_column(
        "autopilot_run",
        sa.Column(
            "holds",
            sa.String(length=64),
            nullable=True,
            comment="SHA-256 of what no other run may use before it has ended",
        ),
    )
    op.create_index(
        "uq_run_holds",
        "autopilot_run",
        ["holds"],
        unique=True,
        sqlite_where=sa.text(_HELD),
        postgresql_where=sa.text(_HELD),
    )

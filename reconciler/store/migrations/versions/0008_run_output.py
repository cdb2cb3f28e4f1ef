"""What an agent wrote while it worked, and which run another one repeats."""

import sqlalchemy as sa
from alembic import op

from reconciler.store.tables import Words

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table and the column; of runs before, nothing is known."""
    op.create_table(
        "run_output",
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("text", Words(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["autopilot_run.id"],
            name=op.f("fk_run_output_run_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_run_output")),
        comment="What an agent wrote while it worked, where its result does not hold it already.",
    )
    op.add_column(
        "autopilot_run",
        sa.Column(
            "rerun_of",
            sa.String(length=36),
            nullable=True,
            comment="the run of which it is a repetition",
        ),
    )

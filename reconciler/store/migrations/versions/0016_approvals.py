"""What agents ask people for permission."""

import sqlalchemy as sa
from alembic import op

from reconciler.store.tables import Instant, Words

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "approval",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("question", Words(), nullable=False),
        sa.Column("answer_at", Words(), nullable=False, comment="empty: it can be answered here"),
        sa.Column(
            "reported", sa.Boolean(), nullable=False, comment="by the agent, not seen by polling"
        ),
        sa.Column("asked_at", Instant(), nullable=False),
        sa.Column("decision", sa.String(length=16), nullable=True),
        sa.Column("decided_by", Words(), nullable=True),
        sa.Column("decided_at", Instant(), nullable=True),
        sa.Column("settled_at", Instant(), nullable=True, comment="NULL: it is still asked"),
        sa.CheckConstraint(
            "(decision = 'approved' OR decision = 'rejected')", name=op.f("ck_approval_decision")
        ),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["autopilot_run.id"],
            name=op.f("fk_approval_run_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval")),
        comment="What agents asked people for permission, and who answered.",
    )
    op.create_index("ix_approval_run", "approval", ["run_id", "id"])
    op.create_index(
        "uq_approval_open",
        "approval",
        ["run_id"],
        unique=True,
        sqlite_where=sa.text("settled_at IS NULL"),
        postgresql_where=sa.text("settled_at IS NULL"),
    )

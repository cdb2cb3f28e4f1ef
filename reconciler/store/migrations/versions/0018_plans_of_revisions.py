"""What each revision changed, field by field."""

import sqlalchemy as sa
from alembic import op

from reconciler.store.tables import json_type

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table. Of revisions from before nobody knows their plans any more."""
    op.create_table(
        "revision_plan",
        sa.Column(
            "revision_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("plan", json_type(), nullable=False, comment="masked and bounded"),
        sa.ForeignKeyConstraint(
            ["revision_id"],
            ["revision.id"],
            name=op.f("fk_revision_plan_revision_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("revision_id", name=op.f("pk_revision_plan")),
        comment="What an applied revision changed, field by field; beside its row, which lists "
        "read.",
    )

"""Budgets: what runs may cost, and what was spent each day."""

import sqlalchemy as sa
from alembic import op

from reconciler.store.tables import Instant, json_type

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_BUDGETED = "allowance_micros IS NOT NULL AND admitted_at IS NOT NULL AND completed_at IS NULL"
_HAS_BUDGET = "budget IS NOT NULL AND archived_at IS NULL"


def upgrade() -> None:
    """Add the columns and tables. Runs that are active now are under no budget."""
    op.add_column("agent", sa.Column("budget", json_type(none_as_null=True), nullable=True))
    op.create_index(
        "ix_agent_budget",
        "agent",
        ["workspace_id"],
        sqlite_where=sa.text(_HAS_BUDGET),
        postgresql_where=sa.text(_HAS_BUDGET),
    )
    op.add_column(
        "autopilot_run",
        sa.Column(
            "allowance_micros",
            sa.BigInteger(),
            nullable=True,
            comment="what it may cost: the strictest perRun when it was admitted; 0: none was set; "
            "NULL: there was no budget",
        ),
    )
    op.create_index(
        "ix_run_budget",
        "autopilot_run",
        ["autopilot_id"],
        sqlite_where=sa.text(_BUDGETED),
        postgresql_where=sa.text(_BUDGETED),
    )
    op.create_table(
        "spending",
        sa.Column(
            "scope",
            sa.String(length=140),
            nullable=False,
            comment="server, workspace/NAME, agent/WORKSPACE/NAME or autopilot/ID",
        ),
        sa.Column("day", sa.String(length=10), nullable=False, comment="in the setting timezone"),
        sa.Column("cost_micros", sa.BigInteger(), nullable=False, comment="US dollars / 1,000,000"),
        sa.PrimaryKeyConstraint("scope", "day", name=op.f("pk_spending")),
        comment="What was spent each day: also by runs that are too old to be kept.",
    )
    op.create_index("ix_spending_day", "spending", ["day", "scope"])
    op.create_table(
        "shared_setting",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", json_type(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_shared_setting")),
        comment="What all processes of this database have to agree on; a server writes it as it "
        "starts.",
    )

"""The queue that a run waits in, and the turns of workspaces."""

import sqlalchemy as sa
from alembic import op

from reconciler.store.tables import Instant

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ACTIVE = "admitted_at IS NOT NULL AND completed_at IS NULL"
_QUEUED = (
    f"{_ACTIVE} AND status <> 'session_created' AND status <> 'running' "
    "AND lease_owner IS NULL AND cancel_requested_at IS NULL "
    "AND (waiting_for IS NULL OR waiting_for <> 'claim')"
)


def upgrade() -> None:
    """Add the queue, and say of every run that has not ended in which one it waits."""
    op.add_column(
        "autopilot_run",
        sa.Column(
            "queue",
            sa.String(length=140),
            server_default="",
            nullable=False,
            comment="workspace/agent/name or workspace/squad/name: whose room it waits for",
        ),
    )
    op.execute(
        "UPDATE autopilot_run SET queue = workspace_id || '/' || "
        "(SELECT assignee_type || '/' || assignee_id FROM autopilot"
        " WHERE autopilot.id = autopilot_run.autopilot_id) "
        "WHERE completed_at IS NULL"
    )
    op.execute(
        "UPDATE autopilot_run SET waiting_for = 'agent' "  # noqa: S608 - constants
        f"WHERE {_ACTIVE} AND status = 'pending' AND waiting_for IS NULL AND lease_owner IS NULL"
    )
    op.create_index(
        "ix_run_queue",
        "autopilot_run",
        ["queue", "admitted_at", "id", "next_attempt_at"],
        sqlite_where=sa.text(_QUEUED),
        postgresql_where=sa.text(_QUEUED),
    )
    op.create_index(
        "ix_run_claim",
        "autopilot_run",
        ["agent", "workspace_id", "admitted_at", "id"],
        sqlite_where=sa.text("waiting_for = 'claim'"),
        postgresql_where=sa.text("waiting_for = 'claim'"),
    )
    op.create_table(
        "workspace_turn",
        sa.Column("workspace_id", sa.String(length=63), nullable=False),
        sa.Column(
            "served",
            sa.BigInteger(),
            nullable=False,
            comment="the higher, the later it was served",
        ),
        sa.Column(
            "held_since",
            Instant(),
            nullable=True,
            comment="since when work with an agent waits only for room of the server",
        ),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("pk_workspace_turn")),
        comment="Whose turn it is where the server has less room than there is work.",
    )

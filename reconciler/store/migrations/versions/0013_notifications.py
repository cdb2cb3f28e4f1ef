"""The outbox of notifications, its log, and since when an autopilot fails."""

import sqlalchemy as sa
from alembic import op

from reconciler.store.tables import Instant, Words, json_type

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_KINDS = "failed recovered completed skipped breaker late approval over_budget revision_failed"
_PENDING = "status = 'pending'"


def _check(column: str, words: str, table: str) -> sa.CheckConstraint:
    text = " OR ".join(f"{column} = '{word}'" for word in words.split())
    return sa.CheckConstraint(f"({text})", name=op.f(f"ck_{table}_{column}"))


def upgrade() -> None:
    """Add two tables and a column. Nobody is told of what was before."""
    op.add_column(
        "autopilot",
        sa.Column(
            "failing_since",
            Instant(),
            nullable=True,
            comment="the first failure since the last completed run",
        ),
    )
    op.create_table(
        "notification",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("channel", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column(
            "topic",
            sa.String(length=210),
            nullable=False,
            comment="what is told of once in a while: the autopilot's id, or source: and a "
            "source's name",
        ),
        sa.Column(
            "occasion",
            sa.String(length=128),
            nullable=False,
            comment="what is told of once at all",
        ),
        sa.Column("workspace_id", sa.String(length=63), nullable=True),
        sa.Column("autopilot_id", sa.String(length=36), nullable=True),
        sa.Column("run_id", sa.String(length=36), nullable=True),
        sa.Column("detail", json_type(), nullable=False, comment="what no run says"),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("held_back", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "sent_with",
            sa.String(length=36),
            nullable=True,
            comment="the one that was sent in its place",
        ),
        sa.Column("due_at", Instant(), nullable=False),
        sa.Column("lease_owner", sa.String(length=64), nullable=True),
        sa.Column("lease_until", Instant(), nullable=True),
        sa.Column("last_error", Words(500), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        _check("kind", _KINDS, "notification"),
        _check("status", "pending sent held_back dead", "notification"),
        sa.ForeignKeyConstraint(
            ["autopilot_id"],
            ["autopilot.id"],
            name=op.f("fk_notification_autopilot_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification")),
        sa.UniqueConstraint("occasion", "kind", "channel", name="uq_notification_occasion"),
        comment="The outbox: what people are told of, written with what it tells.",
    )
    op.create_index("ix_notification_workspace", "notification", ["workspace_id", "id"])
    op.create_index(
        "ix_notification_topic", "notification", ["topic", "kind", "channel", "ended_at"]
    )
    op.create_index("ix_notification_run", "notification", ["run_id"])
    op.create_index(
        "ix_notification_pending",
        "notification",
        ["channel", "due_at", "id"],
        sqlite_where=sa.text(_PENDING),
        postgresql_where=sa.text(_PENDING),
    )
    op.create_table(
        "notification_attempt",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("notification_id", sa.String(length=36), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("result", sa.String(length=16), nullable=False),
        sa.Column("detail", Words(500), server_default="", nullable=False),
        sa.Column("server", Words(64), server_default="", nullable=False),
        _check("result", "sent failed unknown", "notification_attempt"),
        sa.ForeignKeyConstraint(
            ["notification_id"],
            ["notification.id"],
            name=op.f("fk_notification_attempt_notification_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification_attempt")),
    )
    op.create_index(
        "ix_notification_attempt_notification", "notification_attempt", ["notification_id", "id"]
    )

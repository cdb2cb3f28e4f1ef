"""The first tables."""

import sqlalchemy as sa
from alembic import op

from reconciler.store.tables import Instant, json_type, one_of

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table, the ones that others refer to first."""
    _idempotency_key()
    _manifest()
    _revision()
    _server()
    _source_file()
    _agent()
    _autopilot()
    _squad()
    _autopilot_trigger()
    _autopilot_run()
    _delivery()
    _missed_interval()


def _idempotency_key() -> None:
    op.create_table(
        "idempotency_key",
        sa.Column(
            "scope", sa.String(length=80), nullable=False, comment="the trigger's or autopilot's id"
        ),
        sa.Column("key", sa.String(length=300), nullable=False),
        sa.Column("body_sha256", sa.String(length=64), nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("delivery_id", sa.String(length=36), nullable=True),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "key", name=op.f("pk_idempotency_key")),
    )
    op.create_index(
        "ix_idempotency_key_expires_at", "idempotency_key", ["expires_at"], unique=False
    )


def _manifest() -> None:
    op.create_table(
        "manifest",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("document", json_type(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_manifest")),
        comment="Every manifest that was ever applied, by the digest of its canonical "
        "JSON: what a row is compared with to find drift, and the spec that a "
        "run keeps.",
    )


def _revision() -> None:
    op.create_table(
        "revision",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("source_id", sa.String(length=200), nullable=False),
        sa.Column("revision", sa.String(length=200), nullable=False),
        sa.Column("author", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("committed_at", Instant(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("via", sa.String(length=16), nullable=False),
        sa.Column("result", sa.String(length=16), nullable=False),
        sa.Column("plan_digest", sa.String(length=80), nullable=True),
        sa.Column("counts", json_type(), nullable=False),
        sa.Column("problems", json_type(), nullable=False),
        sa.Column("workspaces", json_type(), nullable=False, comment="whose objects it touched"),
        sa.Column("created_at", Instant(), nullable=False),
        sa.CheckConstraint(
            one_of("result", "applied", "failed", "refused"), name=op.f("ck_revision_result")
        ),
        sa.CheckConstraint(one_of("via", "cli", "server", "api"), name=op.f("ck_revision_via")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_revision")),
    )
    op.create_index("ix_revision_source", "revision", ["source_id", "id"], unique=False)


def _server() -> None:
    op.create_table(
        "server",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("started_at", Instant(), nullable=False),
        sa.Column("seen_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_server")),
    )


def _source_file() -> None:
    op.create_table(
        "source_file",
        sa.Column("source_id", sa.String(length=200), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column(
            "digest",
            sa.String(length=80),
            nullable=False,
            comment="of the bytes and the model version",
        ),
        sa.Column(
            "keys",
            json_type(),
            nullable=False,
            comment="[[kind, workspace, name], ...] in file order",
        ),
        sa.PrimaryKeyConstraint("source_id", "path", name=op.f("pk_source_file")),
    )


def _agent() -> None:
    op.create_table(
        "agent",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("workspace_id", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("labels", json_type(), nullable=False),
        sa.Column("spec", json_type(), nullable=False),
        sa.Column("max_concurrency", sa.Integer(), nullable=False),
        sa.Column("former_names", json_type(), nullable=False),
        sa.Column("unavailable_until", Instant(), nullable=True),
        sa.Column("unavailable_reason", sa.Text(), nullable=True),
        sa.Column("source_id", sa.String(length=200), nullable=True),
        sa.Column("origin_path", sa.Text(), nullable=True),
        sa.Column("origin_line", sa.Integer(), nullable=True),
        sa.Column("origin_column", sa.Integer(), nullable=True),
        sa.Column("origin_revision", sa.String(length=200), nullable=True),
        sa.Column("applied_digest", sa.String(length=64), nullable=True),
        sa.Column("archived_at", Instant(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["applied_digest"], ["manifest.digest"], name=op.f("fk_agent_applied_digest")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent")),
    )
    op.create_index("ix_agent_source_id", "agent", ["source_id"], unique=False)
    op.create_index(
        "uq_agent_name",
        "agent",
        ["workspace_id", "name"],
        unique=True,
        sqlite_where=sa.text("archived_at IS NULL"),
        postgresql_where=sa.text("archived_at IS NULL"),
    )


def _autopilot() -> None:
    op.create_table(
        "autopilot",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("workspace_id", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("assignee_type", sa.String(length=16), nullable=False),
        sa.Column("assignee_id", sa.String(length=63), nullable=False),
        sa.Column("execution_mode", sa.String(length=16), nullable=False),
        sa.Column("concurrency_policy", sa.String(length=16), nullable=False),
        sa.Column("issue_title_template", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("labels", json_type(), nullable=False),
        sa.Column("former_names", json_type(), nullable=False),
        sa.Column("spec", json_type(), nullable=False, comment="the rest of the spec"),
        sa.Column("last_run_at", Instant(), nullable=True),
        sa.Column(
            "in_force_since", Instant(), nullable=True, comment="occurrences up to here never start"
        ),
        sa.Column(
            "paused_at", Instant(), nullable=True, comment="the runtime switch, beside status"
        ),
        sa.Column("paused_by", sa.Text(), nullable=True),
        sa.Column("pause_reason", sa.Text(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("breaker_opened_at", Instant(), nullable=True),
        sa.Column("breaker_probe", sa.String(length=36), nullable=True),
        sa.Column("source_id", sa.String(length=200), nullable=True),
        sa.Column("origin_path", sa.Text(), nullable=True),
        sa.Column("origin_line", sa.Integer(), nullable=True),
        sa.Column("origin_column", sa.Integer(), nullable=True),
        sa.Column("origin_revision", sa.String(length=200), nullable=True),
        sa.Column("applied_digest", sa.String(length=64), nullable=True),
        sa.Column("archived_at", Instant(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.CheckConstraint(
            one_of("assignee_type", "agent", "squad"), name=op.f("ck_autopilot_assignee_type")
        ),
        sa.CheckConstraint(
            one_of("concurrency_policy", "skip", "queue", "replace"),
            name=op.f("ck_autopilot_concurrency_policy"),
        ),
        sa.CheckConstraint(
            one_of("execution_mode", "create_session", "run_only"),
            name=op.f("ck_autopilot_execution_mode"),
        ),
        sa.CheckConstraint(
            one_of("status", "active", "paused", "archived"), name=op.f("ck_autopilot_status")
        ),
        sa.ForeignKeyConstraint(
            ["applied_digest"], ["manifest.digest"], name=op.f("fk_autopilot_applied_digest")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_autopilot")),
    )
    op.create_index(
        "ix_autopilot_broken",
        "autopilot",
        ["name", "id"],
        unique=False,
        sqlite_where=sa.text("breaker_opened_at IS NOT NULL"),
        postgresql_where=sa.text("breaker_opened_at IS NOT NULL"),
    )
    op.create_index("ix_autopilot_name", "autopilot", ["name", "id"], unique=False)
    op.create_index("ix_autopilot_source_id", "autopilot", ["source_id"], unique=False)
    op.create_index(
        "uq_autopilot_name",
        "autopilot",
        ["workspace_id", "name"],
        unique=True,
        sqlite_where=sa.text("archived_at IS NULL"),
        postgresql_where=sa.text("archived_at IS NULL"),
    )


def _squad() -> None:
    op.create_table(
        "squad",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("workspace_id", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("labels", json_type(), nullable=False),
        sa.Column("spec", json_type(), nullable=False),
        sa.Column("former_names", json_type(), nullable=False),
        sa.Column("turn", sa.Integer(), server_default="0", nullable=False),
        sa.Column("source_id", sa.String(length=200), nullable=True),
        sa.Column("origin_path", sa.Text(), nullable=True),
        sa.Column("origin_line", sa.Integer(), nullable=True),
        sa.Column("origin_column", sa.Integer(), nullable=True),
        sa.Column("origin_revision", sa.String(length=200), nullable=True),
        sa.Column("applied_digest", sa.String(length=64), nullable=True),
        sa.Column("archived_at", Instant(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["applied_digest"], ["manifest.digest"], name=op.f("fk_squad_applied_digest")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_squad")),
    )
    op.create_index("ix_squad_source_id", "squad", ["source_id"], unique=False)
    op.create_index(
        "uq_squad_name",
        "squad",
        ["workspace_id", "name"],
        unique=True,
        sqlite_where=sa.text("archived_at IS NULL"),
        postgresql_where=sa.text("archived_at IS NULL"),
    )


def _autopilot_trigger() -> None:
    op.create_table(
        "autopilot_trigger",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("autopilot_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("label", sa.String(length=100), nullable=True),
        sa.Column("cron_expression", sa.Text(), nullable=True),
        sa.Column("timezone", sa.String(length=100), nullable=True),
        sa.Column("webhook_token", sa.String(length=64), nullable=True, comment="its SHA-256"),
        sa.Column(
            "webhook_secret",
            json_type(none_as_null=True),
            nullable=True,
            comment="references to secrets, never secrets",
        ),
        sa.Column("spec", json_type(), nullable=False, comment="the rest of the trigger"),
        sa.Column(
            "next_run_at",
            Instant(),
            nullable=True,
            comment="nominal moment plus jitter; NULL: nothing is due",
        ),
        sa.Column(
            "next_scheduled_for",
            Instant(),
            nullable=True,
            comment="the nominal moment of next_run_at",
        ),
        sa.Column(
            "cursor",
            Instant(),
            nullable=True,
            comment="occurrences up to here, inclusive, are decided",
        ),
        sa.Column("last_fired_at", Instant(), nullable=True),
        sa.Column("stalled_at", Instant(), nullable=True),
        sa.Column("stalled_reason", sa.Text(), nullable=True),
        sa.Column("token_generation", sa.Integer(), nullable=True),
        sa.Column("previous_token", sa.String(length=64), nullable=True),
        sa.Column("previous_token_until", Instant(), nullable=True),
        sa.Column("removed_at", Instant(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.CheckConstraint(
            one_of("kind", "schedule", "webhook", "api"), name=op.f("ck_autopilot_trigger_kind")
        ),
        sa.ForeignKeyConstraint(
            ["autopilot_id"],
            ["autopilot.id"],
            name=op.f("fk_autopilot_trigger_autopilot_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_autopilot_trigger")),
        sa.UniqueConstraint("autopilot_id", "name", name="uq_trigger_name"),
        sa.UniqueConstraint("webhook_token", name="uq_trigger_webhook_token"),
    )
    op.create_index(
        "ix_trigger_due",
        "autopilot_trigger",
        ["next_run_at"],
        unique=False,
        sqlite_where=sa.text("next_run_at IS NOT NULL"),
        postgresql_where=sa.text("next_run_at IS NOT NULL"),
    )
    op.create_index(
        "ix_trigger_previous_token",
        "autopilot_trigger",
        ["previous_token"],
        unique=False,
        sqlite_where=sa.text("previous_token IS NOT NULL"),
        postgresql_where=sa.text("previous_token IS NOT NULL"),
    )


def _autopilot_run() -> None:
    op.create_table(
        "autopilot_run",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("autopilot_id", sa.String(length=36), nullable=False),
        sa.Column("trigger_id", sa.String(length=36), nullable=True),
        sa.Column("workspace_id", sa.String(length=63), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("failure_reason", sa.Text(), nullable=True),
        sa.Column(
            "note",
            sa.Text(),
            nullable=True,
            comment="what people should know of it: who was passed over, approvals",
        ),
        sa.Column("waiting_for", sa.String(length=16), nullable=True),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("concurrency_key", sa.String(length=256), server_default="", nullable=False),
        sa.Column("spec_digest", sa.String(length=64), nullable=False),
        sa.Column("scheduled_for", Instant(), nullable=True),
        sa.Column("triggered_at", Instant(), nullable=False),
        sa.Column("admitted_at", Instant(), nullable=True),
        sa.Column("started_at", Instant(), nullable=True),
        sa.Column("completed_at", Instant(), nullable=True),
        sa.Column("deadline_at", Instant(), nullable=True),
        sa.Column("expires_at", Instant(), nullable=True),
        sa.Column("next_attempt_at", Instant(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("session_id", sa.Text(), nullable=True),
        sa.Column("handle", json_type(none_as_null=True), nullable=True),
        sa.Column("agent", sa.String(length=63), nullable=True),
        sa.Column("trigger_payload", json_type(none_as_null=True), nullable=True),
        sa.Column("result", json_type(none_as_null=True), nullable=True),
        sa.Column("revision", sa.String(length=200), nullable=True),
        sa.Column("commit_sha", sa.String(length=64), nullable=True),
        sa.Column("actor", sa.Text(), nullable=True),
        sa.Column("forced", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("blocked_by", sa.String(length=36), nullable=True),
        sa.Column("replaced_by", sa.String(length=36), nullable=True),
        sa.Column("delivery_id", sa.String(length=36), nullable=True),
        sa.Column("nonce", sa.String(length=64), server_default="", nullable=False),
        sa.Column("lease_owner", sa.String(length=64), nullable=True),
        sa.Column("lease_until", Instant(), nullable=True),
        sa.Column("lease_token", sa.String(length=64), nullable=True, comment="its SHA-256"),
        sa.Column(
            "run_token",
            sa.String(length=64),
            nullable=True,
            comment="its SHA-256; lives as long as the run",
        ),
        sa.Column("cancel_requested_at", Instant(), nullable=True),
        sa.Column("cancel_reason", sa.String(length=32), nullable=True),
        sa.Column("cancel_note", sa.Text(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.CheckConstraint(
            f"{one_of('status', 'skipped', 'completed', 'failed')} = (completed_at IS NOT NULL)",
            name=op.f("ck_autopilot_run_ended"),
        ),
        sa.CheckConstraint(
            f"{one_of('status', 'skipped', 'failed')} = (reason IS NOT NULL)",
            name=op.f("ck_autopilot_run_reason_given"),
        ),
        sa.CheckConstraint(
            one_of(
                "reason",
                "overlap",
                "queue_full",
                "coalesced",
                "rate_limited",
                "expired",
                "cancelled",
                "replaced",
                "timed_out",
                "dispatch_failed",
                "session_failed",
                "agent_failed",
                "target_unavailable",
                "lost",
            ),
            name=op.f("ck_autopilot_run_reason"),
        ),
        sa.CheckConstraint(
            one_of("source", "schedule", "manual", "webhook", "api"),
            name=op.f("ck_autopilot_run_source"),
        ),
        sa.CheckConstraint(
            one_of(
                "status", "pending", "session_created", "running", "skipped", "completed", "failed"
            ),
            name=op.f("ck_autopilot_run_status"),
        ),
        sa.CheckConstraint(
            f"NOT {one_of('status', 'session_created', 'running', 'completed')} "
            "OR admitted_at IS NOT NULL",
            name=op.f("ck_autopilot_run_admitted_first"),
        ),
        sa.CheckConstraint(
            one_of("waiting_for", "queue", "replace", "agent", "claim", "retry"),
            name=op.f("ck_autopilot_run_waiting_for"),
        ),
        sa.ForeignKeyConstraint(
            ["autopilot_id"],
            ["autopilot.id"],
            name=op.f("fk_autopilot_run_autopilot_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["spec_digest"], ["manifest.digest"], name=op.f("fk_autopilot_run_spec_digest")
        ),
        sa.ForeignKeyConstraint(
            ["trigger_id"],
            ["autopilot_trigger.id"],
            name=op.f("fk_autopilot_run_trigger_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_autopilot_run")),
        sa.UniqueConstraint("trigger_id", "scheduled_for", name="uq_run_occurrence"),
    )
    op.create_index(
        "ix_run_agent",
        "autopilot_run",
        ["agent", "workspace_id"],
        unique=False,
        sqlite_where=sa.text("agent IS NOT NULL AND completed_at IS NULL"),
        postgresql_where=sa.text("agent IS NOT NULL AND completed_at IS NULL"),
    )
    op.create_index("ix_run_autopilot", "autopilot_run", ["autopilot_id", "id"], unique=False)
    op.create_index(
        "ix_run_deadline",
        "autopilot_run",
        ["deadline_at"],
        unique=False,
        sqlite_where=sa.text("admitted_at IS NOT NULL AND completed_at IS NULL"),
        postgresql_where=sa.text("admitted_at IS NOT NULL AND completed_at IS NULL"),
    )
    op.create_index(
        "ix_run_cancel",
        "autopilot_run",
        ["cancel_requested_at"],
        unique=False,
        sqlite_where=sa.text("cancel_requested_at IS NOT NULL AND completed_at IS NULL"),
        postgresql_where=sa.text("cancel_requested_at IS NOT NULL AND completed_at IS NULL"),
    )
    op.create_index(
        "ix_run_expires",
        "autopilot_run",
        ["expires_at", "autopilot_id"],
        unique=False,
        sqlite_where=sa.text("admitted_at IS NULL AND completed_at IS NULL"),
        postgresql_where=sa.text("admitted_at IS NULL AND completed_at IS NULL"),
    )
    op.create_index(
        "ix_run_owner",
        "autopilot_run",
        ["lease_owner"],
        unique=False,
        sqlite_where=sa.text("lease_owner IS NOT NULL"),
        postgresql_where=sa.text("lease_owner IS NOT NULL"),
    )
    op.create_index(
        "ix_run_worker",
        "autopilot_run",
        ["lease_token"],
        unique=False,
        sqlite_where=sa.text("lease_token IS NOT NULL"),
        postgresql_where=sa.text("lease_token IS NOT NULL"),
    )
    op.create_index(
        "ix_run_limits",
        "autopilot_run",
        ["autopilot_id", "admitted_at"],
        unique=False,
        sqlite_where=sa.text("admitted_at IS NOT NULL"),
        postgresql_where=sa.text("admitted_at IS NOT NULL"),
    )
    op.create_index(
        "ix_run_open",
        "autopilot_run",
        ["autopilot_id", "id"],
        unique=False,
        sqlite_where=sa.text("completed_at IS NULL"),
        postgresql_where=sa.text("completed_at IS NULL"),
    )
    op.create_index(
        "ix_run_reason",
        "autopilot_run",
        ["reason", "id"],
        unique=False,
        sqlite_where=sa.text("reason IS NOT NULL"),
        postgresql_where=sa.text("reason IS NOT NULL"),
    )
    op.create_index("ix_run_source", "autopilot_run", ["source", "id"], unique=False)
    op.create_index("ix_run_status", "autopilot_run", ["status", "id"], unique=False)
    op.create_index("ix_run_workspace", "autopilot_run", ["workspace_id", "id"], unique=False)


def _delivery() -> None:
    op.create_table(
        "delivery",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("trigger_id", sa.String(length=36), nullable=True),
        sa.Column("autopilot_id", sa.String(length=36), nullable=True),
        sa.Column("workspace_id", sa.String(length=63), nullable=True),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("status_code", sa.Integer(), nullable=False),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.Column("scheme", sa.String(length=16), nullable=True),
        sa.Column("event", sa.String(length=200), nullable=True),
        sa.Column("provider_id", sa.String(length=255), nullable=True),
        sa.Column("headers", json_type(), nullable=False),
        sa.Column("content_type", sa.String(length=200), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("body_size", sa.Integer(), nullable=False),
        sa.Column("body_sha256", sa.String(length=64), nullable=True),
        sa.Column("run_id", sa.String(length=36), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="1", nullable=False),
        sa.Column("replay_of", sa.String(length=36), nullable=True),
        sa.CheckConstraint(
            one_of("verdict", "accepted", "skipped", "duplicate", "ignored", "pong", "refused"),
            name=op.f("ck_delivery_verdict"),
        ),
        sa.ForeignKeyConstraint(
            ["autopilot_id"],
            ["autopilot.id"],
            name=op.f("fk_delivery_autopilot_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["trigger_id"],
            ["autopilot_trigger.id"],
            name=op.f("fk_delivery_trigger_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
    )
    op.create_index("ix_delivery_trigger", "delivery", ["trigger_id", "id"], unique=False)
    op.create_index(
        "ix_delivery_unusual",
        "delivery",
        ["verdict", "id"],
        unique=False,
        sqlite_where=sa.text("verdict <> 'accepted' AND verdict <> 'skipped'"),
        postgresql_where=sa.text("verdict <> 'accepted' AND verdict <> 'skipped'"),
    )
    op.create_index("ix_delivery_workspace", "delivery", ["workspace_id", "id"], unique=False)


def _missed_interval() -> None:
    op.create_table(
        "missed_interval",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("trigger_id", sa.String(length=36), nullable=False),
        sa.Column("autopilot_id", sa.String(length=36), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("first_at", Instant(), nullable=False),
        sa.Column("last_at", Instant(), nullable=True, comment="NULL: still open"),
        sa.Column("count", sa.Integer(), nullable=True),
        sa.Column("exact", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.CheckConstraint(
            one_of("reason", "missed", "paused", "stalled"), name=op.f("ck_missed_interval_reason")
        ),
        sa.ForeignKeyConstraint(
            ["autopilot_id"],
            ["autopilot.id"],
            name=op.f("fk_missed_interval_autopilot_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["trigger_id"],
            ["autopilot_trigger.id"],
            name=op.f("fk_missed_interval_trigger_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_missed_interval")),
        sa.UniqueConstraint("trigger_id", "first_at", name="uq_missed_interval_first"),
    )
    op.create_index(
        "ix_missed_interval_autopilot",
        "missed_interval",
        ["autopilot_id", "first_at"],
        unique=False,
    )
    op.create_index(
        "uq_missed_interval_open",
        "missed_interval",
        ["trigger_id"],
        unique=True,
        sqlite_where=sa.text("last_at IS NULL"),
        postgresql_where=sa.text("last_at IS NULL"),
    )

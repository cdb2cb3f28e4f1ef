"""Every table, constraint and index, once, for SQLite and PostgreSQL alike.

Times are kept in UTC: as fixed-width ISO 8601 text on SQLite (it sorts, and people can read it), as
`timestamptz` on PostgreSQL. Sets of words are CHECK constraints. What may happen only once has a
named unique constraint, which the store turns into a domain error.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.compiler import compiles

from reconciler.core.manifest.model import AutopilotStatus, ConcurrencyPolicy, ExecutionMode
from reconciler.core.manifest.trigger import TriggerKind
from reconciler.core.notify.entry import KINDS, AttemptResult, NotificationStatus
from reconciler.core.runs.approval import Decision
from reconciler.core.runs.run import MissedReason, Reason, Source, Status, WaitingFor

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


_LENGTH = len("2026-01-01T00:00:00.000000Z")


class Instant(TypeDecorator[datetime]):
    """An aware moment in UTC, to the microsecond. A naive datetime is refused, not guessed at.

    What somebody put in its place by hand is read as it is, as with JSON: an error here would be
    one of all rows that are read together. Text of another form is no moment either, for it does
    not sort among those.
    """

    impl = String(_LENGTH)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(DateTime(timezone=True))
        return dialect.type_descriptor(String(_LENGTH))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a naive datetime cannot be stored: {value!r}")
        if dialect.name == "postgresql":
            return value.astimezone(UTC)
        return _instant_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if type(value) is str and len(value) == _LENGTH and value[-1] == "Z" and value[10] == "T":
            try:
                return datetime.fromisoformat(value)
            except ValueError:
                return value  # type: ignore[return-value]
        return value.astimezone(UTC) if isinstance(value, datetime) else value


@lru_cache(maxsize=4096)
def _instant_text(moment: datetime) -> str:
    """Kept for a while: thousands of rows are written at the same moment."""
    naive = moment.astimezone(UTC).replace(tzinfo=None)
    return f"{naive.isoformat(timespec='microseconds')}Z"


_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class Words(TypeDecorator[str]):
    """Text that came from outside: agents, senders, commits. It is stored whatever it holds.

    U+0000 and lone surrogates, which a database refuses, become U+FFFD; what is longer than the
    column is cut. Text of manifests is not of this kind: it is checked when it is loaded.
    """

    impl = Text
    cache_ok = True

    def __init__(self, length: int | None = None) -> None:
        super().__init__()
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if self.length is None:
            return super().load_dialect_impl(dialect)
        return dialect.type_descriptor(String(self.length))

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return _UNSTORABLE.sub("\ufffd", value[: self.length])


class _JsonText(sqlite.JSON):
    """JSON in a column of type TEXT. In one of type JSON, which is numeric to SQLite, a document
    that is a large number would be rounded."""


@compiles(_JsonText, "sqlite")
def _as_text(_type: _JsonText, _compiler: object, **_options: object) -> str:
    return "TEXT"


def json_type(*, none_as_null: bool = False) -> JSON:
    """The type of a JSON column; with `none_as_null` None is SQL's NULL and not JSON's."""
    text_type = _JsonText(none_as_null=none_as_null)
    return JSON(none_as_null=none_as_null).with_variant(text_type, "sqlite")


def one_of(column: str, *words: str) -> str:
    """SQL that is true where the column holds one of these words, unknown where it is NULL.

    Not `IN (…)`: in a CHECK constraint SQLite would build a table of the words for every row that
    is written, which takes longer than writing it.
    """
    return "(" + " OR ".join(f"{column} = '{word}'" for word in words) + ")"


def _in(column: str, words: Iterable[str], name: str) -> CheckConstraint:
    return CheckConstraint(one_of(column, *words), name=name)


def _id(name: str = "id") -> Column[str]:
    return Column(name, String(36), primary_key=True)


def _big_serial() -> Column[int]:
    return Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True)


def _ownership() -> list[Column[Any]]:
    """What every object that comes from a manifest carries beside its meaning."""
    return [
        Column("source_id", String(200)),
        Column("origin_path", Text),
        Column("origin_line", Integer),
        Column("origin_column", Integer),
        Column("origin_revision", String(200)),
        Column("applied_digest", String(64), ForeignKey("manifest.digest")),
        Column("archived_at", Instant),
        Column("created_by", Words()),
        Column("created_at", Instant, nullable=False),
        Column("updated_at", Instant, nullable=False),
    ]


def _unique_while_living(table: str) -> Index:
    return Index(
        f"uq_{table}_name",
        "workspace_id",
        "name",
        unique=True,
        sqlite_where=text("archived_at IS NULL"),
        postgresql_where=text("archived_at IS NULL"),
    )


def _partial(name: str, *columns: Any, where: str, unique: bool = False) -> Index:
    return Index(
        name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where)
    )


manifest = Table(
    "manifest",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("document", json_type(), nullable=False),
    comment="Every manifest that was ever applied, by the digest of its canonical JSON: what a row "
    "is compared with to find drift, and the spec that a run keeps.",
)

agent = Table(
    "agent",
    metadata,
    _id(),
    Column("workspace_id", String(63), nullable=False),
    Column("name", String(63), nullable=False),
    Column("labels", json_type(), nullable=False),
    Column("spec", json_type(), nullable=False),
    Column("max_concurrency", Integer, nullable=False),
    Column("budget", json_type(none_as_null=True)),
    Column("former_names", json_type(), nullable=False),
    Column("annotations", json_type(), nullable=False, server_default="{}"),
    Column("unavailable_until", Instant),
    Column("unavailable_reason", Words()),
    Column(
        "out_of_quota",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="unavailable since its plan or rate limit is used up",
    ),
    *_ownership(),
    _unique_while_living("agent"),
    Index("ix_agent_source_id", "source_id"),
    _partial("ix_agent_budget", "workspace_id", where="budget IS NOT NULL AND archived_at IS NULL"),
)

squad = Table(
    "squad",
    metadata,
    _id(),
    Column("workspace_id", String(63), nullable=False),
    Column("name", String(63), nullable=False),
    Column("labels", json_type(), nullable=False),
    Column("spec", json_type(), nullable=False),
    Column("former_names", json_type(), nullable=False),
    Column("annotations", json_type(), nullable=False, server_default="{}"),
    Column("turn", Integer, nullable=False, server_default="0"),
    *_ownership(),
    _unique_while_living("squad"),
    Index("ix_squad_source_id", "source_id"),
)

autopilot = Table(
    "autopilot",
    metadata,
    _id(),
    Column("workspace_id", String(63), nullable=False),
    Column("name", String(63), nullable=False),
    Column("title", String(200), nullable=False),
    Column("description", Text, nullable=False),
    Column("assignee_type", String(16), nullable=False),
    Column("assignee_id", String(63), nullable=False),
    Column("execution_mode", String(16), nullable=False),
    Column("concurrency_policy", String(16), nullable=False),
    Column("issue_title_template", Text),
    Column("status", String(16), nullable=False),
    Column("labels", json_type(), nullable=False),
    Column("former_names", json_type(), nullable=False),
    Column("annotations", json_type(), nullable=False, server_default="{}"),
    Column("spec", json_type(), nullable=False, comment="the rest of the spec"),
    Column("last_run_at", Instant),
    Column("in_force_since", Instant, comment="occurrences up to here never start"),
    Column("paused_at", Instant, comment="the runtime switch, beside status"),
    Column("paused_by", Words()),
    Column("pause_reason", Words()),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("breaker_opened_at", Instant),
    Column("breaker_probe", String(36)),
    Column("failing_since", Instant, comment="the first failure since the last completed run"),
    *_ownership(),
    _in("assignee_type", ("agent", "squad"), "assignee_type"),
    _in("execution_mode", ExecutionMode, "execution_mode"),
    _in("concurrency_policy", ConcurrencyPolicy, "concurrency_policy"),
    _in("status", AutopilotStatus, "status"),
    _unique_while_living("autopilot"),
    Index("ix_autopilot_source_id", "source_id"),
    Index("ix_autopilot_name", "name", "id"),
    _partial("ix_autopilot_broken", "name", "id", where="breaker_opened_at IS NOT NULL"),
)

autopilot_trigger = Table(
    "autopilot_trigger",
    metadata,
    _id(),
    Column(
        "autopilot_id", String(36), ForeignKey("autopilot.id", ondelete="CASCADE"), nullable=False
    ),
    Column("name", String(63), nullable=False),
    Column("position", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("label", String(100)),
    Column("cron_expression", Text),
    Column("timezone", String(100)),
    Column("webhook_token", String(64), comment="its SHA-256"),
    Column(
        "webhook_secret",
        json_type(none_as_null=True),
        comment="references to secrets, never secrets",
    ),
    Column("spec", json_type(), nullable=False, comment="the rest of the trigger"),
    Column("next_run_at", Instant, comment="nominal moment plus jitter; NULL: nothing is due"),
    Column("next_scheduled_for", Instant, comment="the nominal moment of next_run_at"),
    Column("cursor", Instant, comment="occurrences up to here, inclusive, are decided"),
    Column(
        "decides_after",
        Instant,
        comment="it is what it is now for occurrences after this; NULL: it decides none",
    ),
    Column("zone_rules", String(32), comment="the rules that next_run_at was worked out by"),
    Column("last_fired_at", Instant),
    Column("stalled_at", Instant),
    Column("stalled_reason", Words()),
    Column("token_generation", Integer),
    Column("previous_token", String(64)),
    Column("previous_token_until", Instant),
    Column("removed_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    _in("kind", TriggerKind, "kind"),
    UniqueConstraint("autopilot_id", "name", name="uq_trigger_name"),
    UniqueConstraint("webhook_token", name="uq_trigger_webhook_token"),
    _partial("ix_trigger_due", "next_run_at", where="next_run_at IS NOT NULL"),
    _partial("ix_trigger_stalled", "autopilot_id", where="stalled_at IS NOT NULL"),
    _partial("ix_trigger_previous_token", "previous_token", where="previous_token IS NOT NULL"),
)

_OPEN = "completed_at IS NULL"
_ACTIVE = f"admitted_at IS NOT NULL AND {_OPEN}"
_WAITING = f"admitted_at IS NULL AND {_OPEN}"
_ASKED_TO_STOP = f"cancel_requested_at IS NOT NULL AND {_OPEN}"
QUEUED = (
    f"{_ACTIVE} AND status <> 'session_created' AND status <> 'running' "
    "AND lease_owner IS NULL AND cancel_requested_at IS NULL "
    "AND (waiting_for IS NULL OR waiting_for <> 'claim')"
)
"""Admitted and waiting for an agent. Whoever asks for these runs writes just this text: a database
uses a partial index only where it recognises its condition. (Not `status = 'pending'`: SQLite would
rather use the index of that, and read all of them.)"""

CLAIMABLE = "waiting_for = 'claim'"
"""Admitted and waiting for a worker; for whoever asks, as `QUEUED`."""
WORKED_ON = "status = 'completed' OR status = 'failed'"
"""Neither under way nor skipped; for whoever asks, as `QUEUED`."""

WORKED = "completed_at IS NOT NULL AND started_at IS NOT NULL"
"""Ended after its work had begun: the runs of which usage can be asked; see `QUEUED`."""

BUDGETED = f"allowance_micros IS NOT NULL AND {_OPEN}"
"""Active, and admitted under a budget; see `QUEUED`. (Not `_ACTIVE`: SQLite would take
`admitted_at` for a range of the index of limits, and read every run of an autopilot.)"""

autopilot_run = Table(
    "autopilot_run",
    metadata,
    _id(),
    Column(
        "autopilot_id", String(36), ForeignKey("autopilot.id", ondelete="CASCADE"), nullable=False
    ),
    Column("trigger_id", String(36), ForeignKey("autopilot_trigger.id", ondelete="SET NULL")),
    Column("workspace_id", String(63), nullable=False),
    Column("source", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("reason", String(32)),
    Column("failure_reason", Words()),
    Column(
        "note", Words(), comment="what people should know of it: who was passed over, approvals"
    ),
    Column("waiting_for", String(16)),
    Column("title", Words(200), nullable=False),
    Column("concurrency_key", Words(256), nullable=False, server_default=""),
    Column("spec_digest", String(64), ForeignKey("manifest.digest"), nullable=False),
    Column("scheduled_for", Instant),
    Column("triggered_at", Instant, nullable=False),
    Column("admitted_at", Instant),
    Column("dispatched_at", Instant, comment="when the last attempt reached its agent"),
    Column("session_at", Instant, comment="since when it has the session that session_id names"),
    Column("started_at", Instant),
    Column("completed_at", Instant),
    Column("deadline_at", Instant),
    Column(
        "remaining_ms",
        BigInteger,
        comment="what is left of the timeout while its clock stands; NULL: it runs",
    ),
    Column("expires_at", Instant),
    Column("next_attempt_at", Instant),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("session_id", Words()),
    Column("handle", json_type(none_as_null=True)),
    Column("agent", String(63)),
    Column(
        "queue",
        String(140),
        nullable=False,
        server_default="",
        comment="workspace/agent/name or workspace/squad/name: whose room it waits for",
    ),
    Column("trigger_payload", json_type(none_as_null=True)),
    Column("result", json_type(none_as_null=True)),
    Column("usage", json_type(none_as_null=True), comment="what is known of it, as in the API"),
    Column("cost_micros", BigInteger, comment="US dollars / 1,000,000; NULL: not known"),
    Column(
        "allowance_micros",
        BigInteger,
        comment="what it may cost: the strictest perRun when it was admitted; 0: none was set; "
        "NULL: there was no budget",
    ),
    Column("input_tokens", BigInteger, comment="of usage, for sums"),
    Column("output_tokens", BigInteger),
    Column("cached_tokens", BigInteger),
    Column("revision", String(200)),
    Column("commit_sha", String(64)),
    Column("actor", Words()),
    Column("forced", Boolean, nullable=False, server_default=text("false")),
    Column("blocked_by", String(36)),
    Column("replaced_by", String(36)),
    Column("rerun_of", String(36), comment="the run of which it is a repetition"),
    Column("delivery_id", String(36)),
    Column("nonce", String(64), nullable=False, server_default=""),
    Column("lease_owner", String(64)),
    Column("lease_until", Instant),
    Column("lease_token", String(64), comment="its SHA-256"),
    Column("run_token", String(64), comment="its SHA-256; lives as long as the run"),
    Column("holds", String(64), comment="SHA-256 of what no other run may use before it has ended"),
    Column(
        "precheck_due",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="its precheck has yet to say that there is something to do",
    ),
    Column(
        "precheck_handle",
        json_type(none_as_null=True),
        comment="since when its precheck runs, and how it is found again",
    ),
    Column(
        "context",
        json_type(none_as_null=True),
        comment="what stands in its prompt beside the payload",
    ),
    Column(
        "unjudged_since",
        Instant,
        comment="since when its result waits to be judged; NULL: it does not",
    ),
    Column("cancel_requested_at", Instant),
    Column("cancel_reason", String(32)),
    Column("cancel_note", Words()),
    Column("created_at", Instant, nullable=False),
    _in("source", Source, "source"),
    _in("status", Status, "status"),
    _in("reason", Reason, "reason"),
    _in("waiting_for", WaitingFor, "waiting_for"),
    CheckConstraint(
        f"{one_of('status', 'skipped', 'completed', 'failed')} = (completed_at IS NOT NULL)",
        name="ended",
    ),
    CheckConstraint(
        f"{one_of('status', 'skipped', 'failed')} = (reason IS NOT NULL)", name="reason_given"
    ),
    CheckConstraint(
        f"NOT {one_of('status', 'session_created', 'running', 'completed')} "
        "OR admitted_at IS NOT NULL",
        name="admitted_first",
    ),
    UniqueConstraint("trigger_id", "scheduled_for", name="uq_run_occurrence"),
    Index("ix_run_autopilot", "autopilot_id", "id"),
    Index("ix_run_workspace", "workspace_id", "id"),
    Index("ix_run_status", "status", "id"),
    Index("ix_run_source", "source", "id"),
    _partial("ix_run_reason", "reason", "id", where="reason IS NOT NULL"),
    _partial("ix_run_open", "autopilot_id", "id", where=_OPEN),
    _partial("ix_run_deadline", "deadline_at", where=_ACTIVE),
    _partial("ix_run_expires", "expires_at", "autopilot_id", where=_WAITING),
    _partial("ix_run_queue", "queue", "admitted_at", "id", "next_attempt_at", where=QUEUED),
    _partial("ix_run_claim", "agent", "workspace_id", "admitted_at", "id", where=CLAIMABLE),
    # A new run is in none of these, so that they cost nothing when it is made.
    _partial("ix_run_of_agent", "agent", "id", where="agent IS NOT NULL"),
    _partial("ix_run_agent", "agent", "workspace_id", where=f"agent IS NOT NULL AND {_OPEN}"),
    _partial("ix_run_owner", "lease_owner", where="lease_owner IS NOT NULL"),
    _partial("ix_run_worker", "lease_token", where="lease_token IS NOT NULL"),
    _partial("uq_run_holds", "holds", where=f"holds IS NOT NULL AND {_OPEN}", unique=True),
    _partial("ix_run_cancel", "cancel_requested_at", where=_ASKED_TO_STOP),
    # All that a report of usage sums up: the rows, with their payloads, are not read.
    _partial(
        "ix_run_usage",
        "completed_at",
        "workspace_id",
        "autopilot_id",
        "agent",
        "cost_micros",
        "input_tokens",
        "output_tokens",
        "cached_tokens",
        "started_at",  # only so that SQLite need not read the row to know that it is not NULL
        where=WORKED,
    ),
    _partial("ix_run_budget", "workspace_id", "agent", "queue", where=BUDGETED),
    _partial("ix_run_limits", "autopilot_id", "admitted_at", where="admitted_at IS NOT NULL"),
    _partial("ix_run_worked_on", "autopilot_id", "completed_at", where=WORKED_ON),
)

run_output = Table(
    "run_output",
    metadata,
    Column(
        "run_id",
        String(36),
        ForeignKey("autopilot_run.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("text", Words(), nullable=False),
    comment="What an agent wrote while it worked, where its result does not hold it already.",
)

spending = Table(
    "spending",
    metadata,
    Column(
        "scope",
        String(140),
        primary_key=True,
        comment="server, workspace/NAME, agent/WORKSPACE/NAME or autopilot/ID",
    ),
    Column("day", String(10), primary_key=True, comment="in the setting timezone"),
    Column("cost_micros", BigInteger, nullable=False, comment="US dollars / 1,000,000"),
    Index("ix_spending_day", "day", "scope"),
    comment="What was spent each day: also by runs that are too old to be kept.",
)

shared_setting = Table(
    "shared_setting",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", json_type(), nullable=False),
    Column("updated_at", Instant, nullable=False),
    comment="What all processes of this database have to agree on; a server writes it as it "
    "starts.",
)

approval = Table(
    "approval",
    metadata,
    _big_serial(),
    Column(
        "run_id",
        String(36),
        ForeignKey("autopilot_run.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("question", Words(), nullable=False),
    Column("answer_at", Words(), nullable=False, comment="empty: it can be answered here"),
    Column("reported", Boolean, nullable=False, comment="by the agent, not seen by polling"),
    Column("asked_at", Instant, nullable=False),
    Column("decision", String(16)),
    Column("decided_by", Words()),
    Column("decided_at", Instant),
    Column("settled_at", Instant, comment="NULL: it is still asked"),
    _in("decision", Decision, "decision"),
    Index("ix_approval_run", "run_id", "id"),
    _partial("uq_approval_open", "run_id", where="settled_at IS NULL", unique=True),
    comment="What agents asked people for permission, and who answered.",
)

workspace_turn = Table(
    "workspace_turn",
    metadata,
    Column("workspace_id", String(63), primary_key=True),
    Column("served", BigInteger, nullable=False, comment="the higher, the later it was served"),
    Column(
        "held_since",
        Instant,
        comment="since when work with an agent waits only for room of the server",
    ),
    comment="Whose turn it is where the server has less room than there is work.",
)

missed_interval = Table(
    "missed_interval",
    metadata,
    _big_serial(),
    Column(
        "trigger_id",
        String(36),
        ForeignKey("autopilot_trigger.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column(
        "autopilot_id", String(36), ForeignKey("autopilot.id", ondelete="CASCADE"), nullable=False
    ),
    Column("reason", String(16), nullable=False),
    Column("first_at", Instant, nullable=False),
    Column("last_at", Instant, comment="NULL: still open"),
    Column("count", Integer),
    Column("exact", Boolean, nullable=False, server_default=text("true")),
    Column("detail", Words(), nullable=False, server_default=""),
    Column("created_at", Instant, nullable=False),
    _in("reason", MissedReason, "reason"),
    UniqueConstraint("trigger_id", "first_at", name="uq_missed_interval_first"),
    Index("ix_missed_interval_autopilot", "autopilot_id", "first_at"),
    _partial("uq_missed_interval_open", "trigger_id", where="last_at IS NULL", unique=True),
)

_MADE_NO_RUN = "verdict <> 'accepted' AND verdict <> 'skipped'"

delivery = Table(
    "delivery",
    metadata,
    _id(),
    Column("trigger_id", String(36), ForeignKey("autopilot_trigger.id", ondelete="CASCADE")),
    Column("autopilot_id", String(36), ForeignKey("autopilot.id", ondelete="CASCADE")),
    Column("workspace_id", String(63)),
    Column("received_at", Instant, nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("reason", Words()),
    Column("status_code", Integer, nullable=False),
    Column("verified", Boolean, nullable=False),
    Column("scheme", String(16)),
    Column("event", Words(200)),
    Column("provider_id", Words(255)),
    Column("headers", json_type(), nullable=False),
    Column("content_type", Words(200)),
    Column("body", LargeBinary),
    Column("body_size", Integer, nullable=False),
    Column("body_sha256", String(64)),
    Column("run_id", String(36)),
    Column("attempts", Integer, nullable=False, server_default="1"),
    Column("replay_of", String(36)),
    _in(
        "verdict",
        ("accepted", "skipped", "duplicate", "ignored", "pong", "refused"),
        "verdict",
    ),
    Index("ix_delivery_trigger", "trigger_id", "id"),
    Index("ix_delivery_workspace", "workspace_id", "id"),
    _partial("ix_delivery_unusual", "verdict", "id", where=_MADE_NO_RUN),
)

idempotency_key = Table(
    "idempotency_key",
    metadata,
    Column("scope", String(80), primary_key=True, comment="the trigger's or autopilot's id"),
    Column("key", String(300), primary_key=True),
    Column("body_sha256", String(64), nullable=False),
    Column("run_id", String(36), nullable=False),
    Column("delivery_id", String(36)),
    Column("expires_at", Instant, nullable=False),
    Index("ix_idempotency_key_expires_at", "expires_at"),
)

notification = Table(
    "notification",
    metadata,
    _id(),
    Column("channel", String(63), nullable=False),
    Column("kind", String(32), nullable=False),
    Column(
        "topic",
        String(210),
        nullable=False,
        comment="what is told of once in a while: the "
        "autopilot's id, or source: and a source's name",
    ),
    Column("occasion", String(128), nullable=False, comment="what is told of once at all"),
    Column("workspace_id", String(63)),
    Column("autopilot_id", String(36), ForeignKey("autopilot.id", ondelete="CASCADE")),
    Column("run_id", String(36)),
    Column("detail", json_type(), nullable=False, comment="what no run says"),
    Column("status", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("held_back", Integer, nullable=False, server_default="0"),
    Column("sent_with", String(36), comment="the one that was sent in its place"),
    Column("due_at", Instant, nullable=False),
    Column("lease_owner", String(64)),
    Column("lease_until", Instant),
    Column("last_error", Words(500)),
    Column("created_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("resent_at", Instant),
    _in("kind", KINDS, "kind"),
    _in("status", NotificationStatus, "status"),
    UniqueConstraint("occasion", "kind", "channel", name="uq_notification_occasion"),
    Index("ix_notification_workspace", "workspace_id", "id"),
    Index("ix_notification_topic", "topic", "kind", "channel", "ended_at"),
    Index("ix_notification_run", "run_id"),
    _partial("ix_notification_pending", "channel", "due_at", "id", where="status = 'pending'"),
    comment="The outbox: what people are told of, written with what it tells.",
)

notification_attempt = Table(
    "notification_attempt",
    metadata,
    _big_serial(),
    Column(
        "notification_id",
        String(36),
        ForeignKey("notification.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("at", Instant, nullable=False),
    Column("result", String(16), nullable=False),
    Column("detail", Words(500), nullable=False, server_default=""),
    Column("server", Words(64), nullable=False, server_default=""),
    _in("result", AttemptResult, "result"),
    Index("ix_notification_attempt_notification", "notification_id", "id"),
)

source_file = Table(
    "source_file",
    metadata,
    Column("source_id", String(200), primary_key=True),
    Column("path", Text, primary_key=True),
    Column("digest", String(80), nullable=False, comment="of the bytes and the model version"),
    Column(
        "keys", json_type(), nullable=False, comment="[[kind, workspace, name], ...] in file order"
    ),
)

revision = Table(
    "revision",
    metadata,
    _big_serial(),
    Column("source_id", String(200), nullable=False),
    Column("revision", String(200), nullable=False),
    Column("author", Words()),
    Column("subject", Words()),
    Column("committed_at", Instant),
    Column("actor", Words(), nullable=False),
    Column("via", String(16), nullable=False),
    Column("result", String(16), nullable=False),
    Column("plan_digest", String(80)),
    Column("counts", json_type(), nullable=False),
    Column("problems", json_type(), nullable=False),
    Column("workspaces", json_type(), nullable=False, comment="whose objects it touched"),
    Column("created_at", Instant, nullable=False),
    _in("via", ("cli", "server", "api"), "via"),
    _in("result", ("applied", "failed", "refused"), "result"),
    Index("ix_revision_source", "source_id", "id"),
)

revision_plan = Table(
    "revision_plan",
    metadata,
    Column(
        "revision_id",
        BigInteger().with_variant(Integer, "sqlite"),
        ForeignKey("revision.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("plan", json_type(), nullable=False, comment="masked and bounded"),
    comment="What an applied revision changed, field by field; beside its row, which lists read.",
)

ended_session = Table(
    "ended_session",
    metadata,
    Column("id", String(64), primary_key=True, comment="SHA-256 of the session's cookie"),
    Column("expires_at", Instant, nullable=False, comment="after which the cookie opens nothing"),
)

server = Table(
    "server",
    metadata,
    _id(),
    Column("host", Words(), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("url", Words(), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
)

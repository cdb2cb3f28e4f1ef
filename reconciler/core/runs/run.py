"""A run: one execution of an autopilot, its states, and their transitions (docs/runs.md#status)."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from reconciler.core.runs.usage import Usage

Json = Any
"""What `json.loads` gives."""


class Source(StrEnum):
    """What started the run. `api` named an api trigger; `manual` is a hand."""

    SCHEDULE = "schedule"
    MANUAL = "manual"
    WEBHOOK = "webhook"
    API = "api"


class Status(StrEnum):
    """Where a run is in its life."""

    PENDING = "pending"
    SESSION_CREATED = "session_created"
    RUNNING = "running"
    SKIPPED = "skipped"
    COMPLETED = "completed"
    FAILED = "failed"


TRANSITIONS: dict[Status | None, frozenset[Status]] = {
    None: frozenset({Status.PENDING, Status.SKIPPED}),
    Status.PENDING: frozenset(
        {Status.SESSION_CREATED, Status.RUNNING, Status.SKIPPED, Status.FAILED}
    ),
    Status.SESSION_CREATED: frozenset({Status.RUNNING, Status.FAILED}),
    Status.RUNNING: frozenset({Status.COMPLETED, Status.FAILED}),
    Status.SKIPPED: frozenset(),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset(),
}
"""Every allowed move; None is "does not exist yet". Nothing leaves an end."""

ENDED = frozenset({Status.SKIPPED, Status.COMPLETED, Status.FAILED})


def may_become(before: Status | None, after: Status) -> bool:
    """Whether the table allows the move."""
    return after in TRANSITIONS[before]


def sources_of(after: Status) -> frozenset[Status]:
    """The states of a stored run from which the table allows the move to `after`."""
    return frozenset(before for before in Status if may_become(before, after))


class Reason(StrEnum):
    """Why a run was skipped or failed; every such run has one, and a sentence beside it."""

    OVERLAP = "overlap"
    QUEUE_FULL = "queue_full"
    COALESCED = "coalesced"
    SUPERSEDED = "superseded"
    RATE_LIMITED = "rate_limited"
    OVER_BUDGET = "over_budget"
    NOTHING_TO_DO = "nothing_to_do"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    REPLACED = "replaced"
    TIMED_OUT = "timed_out"
    DISPATCH_FAILED = "dispatch_failed"
    SESSION_FAILED = "session_failed"
    AGENT_FAILED = "agent_failed"
    TARGET_UNAVAILABLE = "target_unavailable"
    LOST = "lost"
    PRECHECK_FAILED = "precheck_failed"
    EXPECTATION_UNMET = "expectation_unmet"
    APPROVAL_NEEDED = "approval_needed"


BREAKER_REASONS = frozenset(
    {
        Reason.TIMED_OUT,
        Reason.DISPATCH_FAILED,
        Reason.SESSION_FAILED,
        Reason.AGENT_FAILED,
        Reason.TARGET_UNAVAILABLE,
        Reason.LOST,
        Reason.PRECHECK_FAILED,
        Reason.EXPECTATION_UNMET,
    }
)
"""The failures that count towards opening the breaker."""


class MissedReason(StrEnum):
    """Why occurrences did not become runs; recorded in intervals."""

    MISSED = "missed"
    PAUSED = "paused"
    STALLED = "stalled"


class WaitingFor(StrEnum):
    """What a pending run waits for."""

    QUEUE = "queue"
    REPLACE = "replace"
    AGENT = "agent"
    CLAIM = "claim"
    QUOTA = "quota"
    RETRY = "retry"
    APPROVAL = "approval"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One row of `autopilot_run` as all other code sees it; all times aware, in UTC.

    `spec_digest` names the manifest under which the run was triggered. `key` is the concurrency
    key, empty where the autopilot has none. `queue` names whose room it waits for
    (`core.runs.queue`). `dispatched_at` is of the last attempt that reached its agent, `session_at`
    of the session that `session_id` names. `usage` holds what is known of it, by its names in JSON;
    `cost_micros` is its cost in micro-dollars, None where it is not known, and `allowance_micros`
    what it may cost: 0 where that is not limited, None where it is under no budget. `handle` is
    what the runtime returned to find the work again (session id, or pid with start time and host).
    `precheck_due`: its precheck has yet to say that there is something to do; `precheck_handle`
    finds that program again, and once it has let the run go on says when (`core.runs.precheck`).
    `context` is what stands in the prompt beside the payload (`core.runs.context`).
    `unjudged_since`: its agent is done, and `result` waits to be judged.
    """

    id: str
    autopilot_id: str
    workspace: str
    autopilot: str
    source: Source
    status: Status
    triggered_at: datetime
    created_at: datetime
    spec_digest: str
    trigger_id: str | None = None
    trigger: str | None = None
    reason: Reason | None = None
    failure_reason: str | None = None
    note: str | None = None
    waiting_for: WaitingFor | None = None
    title: str = ""
    key: str = ""
    scheduled_for: datetime | None = None
    admitted_at: datetime | None = None
    dispatched_at: datetime | None = None
    session_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    deadline_at: datetime | None = None
    remaining_ms: int | None = None
    expires_at: datetime | None = None
    next_attempt_at: datetime | None = None
    attempts: int = 0
    session_id: str | None = None
    handle: dict[str, Json] | None = None
    agent: str | None = None
    payload: Json = None
    result: Json = None
    usage: dict[str, Json] | None = None
    cost_micros: int | None = None
    allowance_micros: int | None = None
    revision: str | None = None
    commit: str | None = None
    actor: str | None = None
    forced: bool = False
    blocked_by: str | None = None
    replaced_by: str | None = None
    rerun_of: str | None = None
    delivery_id: str | None = None
    lease_owner: str | None = None
    lease_until: datetime | None = None
    cancel_requested_at: datetime | None = None
    cancel_reason: Reason | None = None
    cancel_note: str | None = None
    nonce: str = ""
    queue: str = ""
    precheck_due: bool = False
    precheck_handle: dict[str, Json] | None = None
    context: Json = None
    unjudged_since: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether the run has come to its end."""
        return self.status in ENDED

    @property
    def active(self) -> bool:
        """From its admission to its end, also while it waits to be dispatched."""
        return self.admitted_at is not None and not self.ended

    @property
    def waiting(self) -> bool:
        """Pending and not yet admitted."""
        return self.status is Status.PENDING and self.admitted_at is None


@dataclass(frozen=True, slots=True)
class Completed:
    """The work ended well. `result` is JSON, `note` what people should know beside it."""

    result: Json = None
    usage: Usage | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The work ended badly; `message` is the sentence that people read."""

    reason: Reason
    message: str
    result: Json = None
    usage: Usage | None = None
    note: str | None = None


Outcome = Completed | Failed
"""How a run that was dispatched ended."""


@dataclass(frozen=True, slots=True)
class MissedInterval:
    """Occurrences of one trigger that did not become runs.

    Covers every occurrence with `first <= scheduledFor <= last`; an interval that is still open
    has no `last`. `count` is None where nobody counted: while it is open, and of what a stalled
    trigger missed; `exact` says whether it was counted to the end.
    """

    trigger_id: str
    autopilot_id: str
    reason: MissedReason
    first: datetime
    last: datetime | None
    count: int | None
    exact: bool = True
    detail: str = ""
    id: int | None = field(default=None, compare=False)

"""Autopilots on the wire: the manifest plus `id`, `origin` and `status`."""

from datetime import datetime
from typing import Any, Literal

from reconciler.control.access.secrets import SecretStore
from reconciler.control.webhooks.secret_problems import dead_webhooks
from reconciler.core.manifest.fields import Instant
from reconciler.core.manifest.model import AutopilotSpec, Metadata
from reconciler.core.manifest.state import Origin
from reconciler.core.money.own import nearly_spent
from reconciler.core.runs.ahead import DECIDED_AHEAD, is_ahead
from reconciler.core.runs.condition import (
    Condition,
    Health,
    Signs,
    condition_of,
    last_worked,
    recent_occurrences,
)
from reconciler.core.runs.run import Status
from reconciler.core.runs.standing import InForce, NotInForce, Standing, Switches, standing_of
from reconciler.core.runs.streak import Streak
from reconciler.store.objects.overview import Overview, ShownTrigger
from reconciler.web.http.context import Context
from reconciler.web.http.operation import Wire
from reconciler.web.models.run import Id


class OriginView(Wire):
    """Where an object was written."""

    source_id: str
    """The source that applied it."""
    path: str
    """Relative to the source's root."""
    line: int
    """From 1."""
    column: int
    """From 1."""
    revision: str | None
    """A commit, or the digest of a directory's manifests."""

    @classmethod
    def of(cls, origin: Origin) -> "OriginView":
        """The view of an origin."""
        return cls(
            source_id=origin.source_id,
            path=origin.path,
            line=origin.line,
            column=origin.column,
            revision=origin.revision,
        )


class BreakerView(Wire):
    """What stops an autopilot after failures in a row."""

    state: Literal["closed", "open", "half-open"]
    """`half-open`: the next run is the probe."""
    failures: int
    """Failures in a row."""
    opened_at: Instant | None
    """Since when it is open."""
    probe: Id | None
    """The run that tries whether it works again."""


class PauseView(Wire):
    """The runtime switch, beside `spec.status`."""

    at: Instant
    """Since when."""
    by: str | None
    """Who paused it."""
    reason: str | None
    """Why."""


class TriggerStatus(Wire):
    """What the server knows of a trigger."""

    id: Id
    """Stays the same when the database is rebuilt from git."""
    name: str
    """The trigger's name in the manifest."""
    kind: Literal["schedule", "webhook", "api"]
    """What fires it."""
    next_run_at: Instant | None
    """When it is due next: the nominal moment plus jitter. Null while the autopilot takes no work:
    see `notInForceReason`."""
    last_fired_at: Instant | None
    """When it last started a run."""
    stalled_reason: str | None
    """Why it cannot be decided; null where it can."""


class FailingView(Wire):
    """Failures in a row, and where they began."""

    revision: str | None
    """The revision under which the first one was triggered."""
    commit: str | None
    """That revision where it is a commit."""
    author: str | None
    """Of the commit."""
    run_id: Id
    """The first run that failed."""
    at: Instant
    """When that was triggered."""
    failures: int
    """How many there are."""
    revert: str | None
    """The command that undoes the commit; null where there is none, or where the same manifest had
    worked before."""

    @classmethod
    def of(cls, streak: Streak) -> "FailingView":
        """The view of a streak whose beginning is known."""
        return cls(
            revision=streak.revision,
            commit=streak.commit,
            author=streak.author,
            run_id=streak.run_id,
            at=streak.began_at,
            failures=streak.failures,
            revert=streak.revert,
        )


class AutopilotStatusView(Wire):
    """What the server knows of an autopilot. Ignored on write."""

    health: Health
    """One word for its condition."""
    health_reason: str
    """The sentence behind it."""
    failing_since: FailingView | None
    """The failures that its runs end with; null where the last one completed, and where they began
    too long ago to be looked up."""
    in_force: bool
    """Whether it takes work."""
    not_in_force_reason: str | None
    """Why it takes none."""
    archived: bool
    """Whether it left its source."""
    next_run_at: Instant | None
    """The earliest of its triggers. Null while it takes no work: see `notInForceReason`."""
    last_run_at: Instant | None
    """When it was last triggered."""
    last_run_status: Status | None
    """What became of that run."""
    active_runs: int
    """Runs admitted and not ended."""
    waiting_runs: int
    """Runs not yet admitted."""
    breaker: BreakerView
    """The breaker."""
    paused: PauseView | None
    """The runtime pause; null where there is none."""
    triggers: list[TriggerStatus]
    """Each of its triggers."""
    created_at: Instant
    """When it was first applied."""
    updated_at: Instant
    """When its manifest last changed."""
    created_by: str | None
    """The commit's author, or who applied it."""


class AutopilotView(Wire):
    """A manifest with its state."""

    api_version: Literal["autopilots/v1"]
    """The version of the format."""
    kind: Literal["Autopilot"]
    """This is an autopilot."""
    metadata: Metadata
    """Who it is."""
    spec: AutopilotSpec
    """What is done, by whom, and when."""
    id: Id
    """UUIDv5 of workspace, kind and first name. Ignored on write."""
    origin: OriginView | None
    """Where it is written. Ignored on write."""
    status: AutopilotStatusView
    """What the server knows of it. Ignored on write."""


class AutopilotPage(Wire):
    """Autopilots by name."""

    items: list[AutopilotView]
    """This page."""
    next_cursor: str | None
    """For the next page; null on the last one."""


def autopilot_document(overview: Overview, context: Context, now: datetime) -> dict[str, Any]:
    """The JSON of `AutopilotView`.

    The manifest goes out as the row means it: a row that was edited by hand may not load as one.
    """
    stored = overview.stored
    return {
        **stored.document,
        "id": stored.id,
        "origin": OriginView.of(stored.origin) if stored.origin else None,
        "status": status_of(overview, context, now),
    }


def status_of(overview: Overview, context: Context, now: datetime) -> AutopilotStatusView:
    """The runtime part of an autopilot."""
    switches, condition = (
        overview.switches,
        condition_at(overview, now, context.secret_store),
    )
    standing = standing_of(switches, context.settings.breaker_cooldown, now)
    last = overview.runs[0] if overview.runs else None
    return AutopilotStatusView(
        health=condition.health,
        health_reason=condition.why,
        failing_since=_failing(overview.streak),
        in_force=isinstance(standing, InForce),
        not_in_force_reason=standing.why if isinstance(standing, NotInForce) else None,
        archived=overview.stored.archived,
        next_run_at=next_run_of(overview, standing),
        last_run_at=overview.last_run_at,
        last_run_status=last.status if last else None,
        active_runs=overview.active,
        waiting_runs=overview.waiting,
        breaker=_breaker(overview, half_open=isinstance(standing, InForce) and standing.probe),
        paused=_pause(switches),
        triggers=[_trigger(trigger, standing) for trigger in overview.triggers],
        created_at=overview.created_at,
        updated_at=overview.updated_at,
        created_by=overview.created_by,
    )


def _failing(streak: Streak | None) -> FailingView | None:
    return FailingView.of(streak) if streak is not None and streak.whole else None


def next_run_of(overview: Overview, standing: Standing) -> datetime | None:
    """The earliest moment at which a trigger is due; None while the autopilot takes no work."""
    return overview.next_run_at if isinstance(standing, InForce) else None


def no_next_run(overview: Overview, standing: Standing) -> str:
    """What is said where there is no next run."""
    if isinstance(standing, NotInForce) and overview.next_run_at is not None:
        return f"none: {standing.why}"
    return "not scheduled"


def condition_at(overview: Overview, now: datetime, secrets: SecretStore) -> Condition:
    """The health of an autopilot at this moment; webhooks are judged by this server's secrets."""
    documents = (trigger.document for trigger in overview.triggers)
    signs = Signs(
        switches=overview.switches,
        due=overview.next_run_at,
        last=last_worked(overview.runs),
        occurrences=recent_occurrences(overview.runs, overview.missed),
        stalled=next(filter(None, map(_stalled, overview.triggers)), None),
        stalled_at=next(filter(None, (t.stalled_at for t in overview.triggers)), None),
        ahead=next((_ahead(t) for t in overview.triggers if _is_ahead(t, now)), None),
        nearly_spent=nearly_spent(overview.spending, now),
        dead_webhook=dead_webhooks(documents, overview.stored.key.workspace, secrets, now),
    )
    return condition_of(signs, now)


def _stalled(trigger: ShownTrigger) -> str | None:
    if trigger.stalled_at is None:
        return None
    return f"trigger {trigger.name}, which is stalled: {trigger.stalled_reason}"


def _is_ahead(trigger: ShownTrigger, now: datetime) -> bool:
    return is_ahead(trigger.cursor, now, DECIDED_AHEAD)


def _ahead(trigger: ShownTrigger) -> str:
    return (
        f"trigger {trigger.name} is decided up to {trigger.cursor:%Y-%m-%d %H:%M:%SZ}, which a "
        "clock that was ahead left behind; a running server puts it right within ten minutes, "
        "`reconciler resume` at once"
    )


def _pause(switches: Switches) -> PauseView | None:
    if switches.paused_at is None:
        return None
    return PauseView(at=switches.paused_at, by=switches.paused_by, reason=switches.pause_reason)


def _breaker(overview: Overview, *, half_open: bool) -> BreakerView:
    switches = overview.switches
    state: Literal["closed", "open", "half-open"] = "closed"
    if switches.breaker_opened_at is not None:
        state = "half-open" if half_open or switches.breaker_probe else "open"
    return BreakerView(
        state=state,
        failures=switches.failures,
        opened_at=switches.breaker_opened_at,
        probe=switches.breaker_probe,
    )


def _trigger(trigger: ShownTrigger, standing: Standing) -> TriggerStatus:
    return TriggerStatus(
        id=trigger.id,
        name=trigger.name,
        kind=trigger.document["kind"],
        next_run_at=trigger.next_run_at if isinstance(standing, InForce) else None,
        last_fired_at=trigger.last_fired_at,
        stalled_reason=trigger.stalled_reason,
    )

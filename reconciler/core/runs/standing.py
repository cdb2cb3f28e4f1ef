"""Whether an autopilot is in force: the strictest of spec.status, runtime pause and breaker.

While not in force (docs/runs.md#in-force-or-not), schedules record one `paused` interval, webhooks
answer `ignored`, `run` answers 409 unless forced; `archived` always refuses.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.core.manifest.model import AutopilotStatus
from reconciler.core.runs.run import BREAKER_REASONS, Reason, Status


@dataclass(frozen=True, slots=True)
class InForce:
    """Takes work. Occurrences up to and including `since` never start (a resume fires no past).

    `probe` says that the breaker is half open: the next run that is admitted is the probe.
    """

    since: datetime | None = None
    probe: bool = False


@dataclass(frozen=True, slots=True)
class NotInForce:
    """Takes no work; `why` is the sentence that people read, `cause` the word for machines."""

    cause: str
    why: str

    @property
    def final(self) -> bool:
        """Archived: even `force` is refused."""
        return self.cause == "archived"


Standing = InForce | NotInForce


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """The switches of one autopilot as the database holds them."""

    status: AutopilotStatus
    archived: bool = False
    paused_at: datetime | None = None
    paused_by: str | None = None
    pause_reason: str | None = None
    in_force_since: datetime | None = None
    failures: int = 0
    breaker_opened_at: datetime | None = None
    breaker_probe: str | None = None


def standing_of(switches: Switches, cooldown: timedelta, now: datetime) -> Standing:
    """The strictest switch decides; the order here is the order of strictness."""
    if switches.archived or switches.status is AutopilotStatus.ARCHIVED:
        return NotInForce("archived", "the autopilot is archived")
    if switches.status is AutopilotStatus.PAUSED:
        return NotInForce("paused", "the manifest says spec.status: paused")
    if switches.paused_at is not None:
        return NotInForce("paused", _paused_sentence(switches))
    return _breaker(switches, cooldown, now)


def _paused_sentence(switches: Switches) -> str:
    by = f" by {switches.paused_by}" if switches.paused_by else ""
    why = f" ({switches.pause_reason})" if switches.pause_reason else ""
    return f"paused at {switches.paused_at:%Y-%m-%d %H:%M:%SZ}{by}{why}"


def _breaker(switches: Switches, cooldown: timedelta, now: datetime) -> Standing:
    if switches.breaker_opened_at is None:
        return InForce(switches.in_force_since)
    again = switches.breaker_opened_at + cooldown
    if now < again:
        return NotInForce(
            "breaker",
            f"the breaker opened after {switches.failures} failures in a row; "
            f"the next attempt is at {again:%Y-%m-%d %H:%M:%SZ}",
        )
    if switches.breaker_probe is not None:
        return NotInForce(
            "breaker", f"the breaker waits for its probe, run {switches.breaker_probe}"
        )
    return InForce(max(filter(None, (switches.in_force_since, again))), probe=True)


@dataclass(frozen=True, slots=True)
class Breaker:
    """The breaker's own state: consecutive failures, since when it is open, the run that probes."""

    failures: int = 0
    opened_at: datetime | None = None
    probe: str | None = None


def after_run(
    breaker: Breaker,
    run_id: str,
    status: Status,
    reason: Reason | None,
    limit: int,
    now: datetime,
) -> Breaker:
    """The breaker after a run ended. `limit` is `pauseAfterFailures`; 0 never opens it.

    `completed` resets the count; failures that say nothing about the agent (cancelled, replaced,
    expired) leave it, but free the place of the probe.
    """
    probe = None if breaker.probe == run_id else breaker.probe
    if status is Status.COMPLETED:
        return Breaker()
    if reason not in BREAKER_REASONS:
        return Breaker(breaker.failures, breaker.opened_at, probe)
    failures = breaker.failures + 1
    if limit == 0:
        return Breaker(failures, None, None)
    reopened = breaker.probe == run_id or (breaker.opened_at is None and failures >= limit)
    return Breaker(failures, now if reopened else breaker.opened_at, probe)

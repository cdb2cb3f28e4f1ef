"""admit: may a new run start now, does it wait, or is it refused?

One pure function for schedule, webhook, API and hand (docs/runs.md#policies). What it needs of the
database is an `Occupancy`, read in the transaction that inserts the run, with the autopilot's row
locked.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from reconciler.core.manifest.model import AutopilotSpec, ConcurrencyPolicy, QueueKeep
from reconciler.core.money.budget import Budget
from reconciler.core.runs.run import Reason, Status, WaitingFor


class Open(NamedTuple):
    """A run of the autopilot that has not ended: active (admitted) or waiting."""

    id: str
    key: str
    active: bool
    since: datetime
    trigger_id: str | None = None
    mergeable: bool = False
    blocked_by: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """The part of a spec that decides about admission."""

    policy: ConcurrencyPolicy = ConcurrencyPolicy.SKIP
    max_concurrency: int = 1
    max_active: int = 10
    queue_limit: int = 10
    per_hour: int | None = None
    per_day: int | None = None
    keep: QueueKeep = QueueKeep.ALL
    budget: Budget | None = None

    @classmethod
    def of(cls, spec: AutopilotSpec) -> "Policy":
        """Take the policy out of a spec."""
        return cls(
            spec.concurrency_policy,
            spec.max_concurrency,
            spec.max_active,
            spec.queue_limit,
            spec.limits.per_hour,
            spec.limits.per_day,
            spec.queue_keep,
            None if spec.budget is None else spec.budget.amounts,
        )

    @property
    def windows(self) -> tuple[tuple[int, timedelta, str], ...]:
        """The sliding windows that are limited: most runs, length, words."""
        if self.per_hour is None and self.per_day is None:
            return ()
        rows = (
            (self.per_hour, timedelta(hours=1), "perHour"),
            (self.per_day, timedelta(days=1), "perDay"),
        )
        return tuple((most, length, name) for most, length, name in rows if most is not None)


@dataclass(slots=True)
class Occupancy:
    """The runs of one autopilot that matter now, oldest first.

    `admitted` holds the moments of the admissions of the last 24 hours, for the limits; it is read
    only where the autopilot has limits. Changed in place as a batch of newcomers is admitted; what
    is `open` by these methods only, since a thousand that wait are not counted for each newcomer.
    """

    open: list[Open] = field(default_factory=list)
    admitted: list[datetime] = field(default_factory=list)
    _sorted: dict[tuple[bool, str | None], list[Open]] | None = None
    """`open` by (active, key) and by (active, None); None until it is asked for."""

    def active(self, key: str | None = None) -> Sequence[Open]:
        """Active runs, of one key or of all."""
        return self._sort().get((True, key), ())

    def waiting(self, key: str | None = None) -> Sequence[Open]:
        """Waiting runs, of one key or of all."""
        return self._sort().get((False, key), ())

    def enter(self, run: Open) -> None:
        """Add a run, the newest."""
        self.open.append(run)
        if self._sorted is not None:
            _file(self._sorted, run)

    def leave(self, ids: Collection[str]) -> None:
        """Remove runs that have ended."""
        if ids:
            self.open = [run for run in self.open if run.id not in ids]
            self._sorted = None

    def promote(self, run_id: str) -> None:
        """Make a waiting run active."""
        self.open = [r._replace(active=True) if r.id == run_id else r for r in self.open]
        self._sorted = None

    def _sort(self) -> Mapping[tuple[bool, str | None], Sequence[Open]]:
        if self._sorted is None:
            self._sorted = {}
            for run in self.open:
                _file(self._sorted, run)
        return self._sorted


def _file(index: dict[tuple[bool, str | None], list[Open]], run: Open) -> None:
    index.setdefault((run.active, None), []).append(run)
    index.setdefault((run.active, run.key), []).append(run)


@dataclass(frozen=True, slots=True)
class Newcomer:
    """The run that asks. `mergeable`: of a schedule, without payload, not part of a catch-up.

    `caught_up`: one of the occurrences of `catchUp: all`, which no `queueLimit` turns away.
    """

    id: str
    key: str = ""
    trigger_id: str | None = None
    mergeable: bool = False
    force: bool = False
    caught_up: bool = False


@dataclass(frozen=True, slots=True)
class Admit:
    """Active from now."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Inserted as pending, not yet active.

    `stop` is the active run that is asked to end, `overtaken` the waiters whose place it takes:
    they end as `overtaken_as` says.
    """

    waiting_for: WaitingFor
    blocked_by: str | None = None
    stop: str | None = None
    overtaken: tuple[str, ...] = ()

    @property
    def overtaken_as(self) -> tuple[Status, Reason]:
        """How overtaken waiters end: a queue that keeps the newest drops them, none failed."""
        if self.waiting_for is WaitingFor.QUEUE:
            return Status.SKIPPED, Reason.SUPERSEDED
        return Status.FAILED, Reason.REPLACED


@dataclass(frozen=True, slots=True)
class Skip:
    """Inserted as skipped: the occurrence or delivery is used up."""

    reason: Reason
    why: str
    blocked_by: str | None = None


Admission = Admit | Wait | Skip


def admit(policy: Policy, occupancy: Occupancy, newcomer: Newcomer, now: datetime) -> Admission:
    """Decide about one newcomer. Limits come first, then room, then the policy.

    `now` is the moment of the transaction, taken while the autopilot's row is held: a window that
    was judged by an earlier moment would miss those who were admitted in between.
    """
    if newcomer.force:
        return Admit()
    if limited := _over_limit(policy, occupancy, newcomer, now):
        return limited
    blocker = _blocker(policy, occupancy, newcomer.key)
    match policy.policy:
        case ConcurrencyPolicy.SKIP:
            return _skip(policy, blocker)
        case ConcurrencyPolicy.QUEUE:
            return _queue(policy, occupancy, newcomer, blocker)
        case ConcurrencyPolicy.REPLACE:
            return _replace(policy, occupancy, newcomer, blocker)


def promotable(policy: Policy, occupancy: Occupancy) -> str | None:
    """The waiting run that may be admitted now: the oldest whose key has room, or None."""
    for waiter in occupancy.waiting():
        if _blocker(policy, occupancy, waiter.key) is None:
            return waiter.id
    return None


def moved_blockers(policy: Policy, occupancy: Occupancy) -> dict[str, str]:
    """The run that is in the way now, by waiting run, of those that name another one."""
    waiting = occupancy.waiting()
    by_key = {run.key: _blocker(policy, occupancy, run.key) for run in waiting}
    return {
        run.id: blocker.id
        for run in waiting
        if (blocker := by_key[run.key]) is not None and blocker.id != run.blocked_by
    }


def _over_limit(
    policy: Policy, occupancy: Occupancy, newcomer: Newcomer, now: datetime
) -> Skip | None:
    """Runs that wait count as well: they are admitted without asking the limits again."""
    if not (windows := policy.windows):
        return None
    waiting = len(occupancy.waiting()) - len(_overtaken(policy, occupancy, newcomer))
    for most, length, name in windows:
        # To the other side as well: a clock that was set back a little forgets no admission, and
        # one that was far ahead for a while blocks nothing for years.
        count = sum(1 for at in occupancy.admitted if now - length < at < now + length)
        if count + waiting >= most:
            wait = f" and {waiting} wait" if waiting else ""
            why = (
                f"{count} runs were admitted in the last {_words(length)}{wait}; "
                f"limits.{name} is {most}"
            )
            return Skip(Reason.RATE_LIMITED, why)
    return None


def _overtaken(policy: Policy, occupancy: Occupancy, newcomer: Newcomer) -> tuple[str, ...]:
    """The waiters whose place a newcomer takes."""
    if policy.policy is not ConcurrencyPolicy.REPLACE and policy.keep is QueueKeep.ALL:
        return ()
    return tuple(waiter.id for waiter in occupancy.waiting(newcomer.key))


def _words(length: timedelta) -> str:
    return "hour" if length == timedelta(hours=1) else "24 hours"


def _blocker(policy: Policy, occupancy: Occupancy, key: str) -> Open | None:
    """The oldest active run that leaves no room, or None where there is room."""
    of_key = occupancy.active(key)
    if len(of_key) >= policy.max_concurrency:
        return of_key[0]
    of_all = occupancy.active()
    return of_all[0] if len(of_all) >= policy.max_active else None


def _skip(policy: Policy, blocker: Open | None) -> Admission:
    if blocker is None:
        return Admit()
    why = f"run {blocker.id} is still active and concurrencyPolicy is skip"
    if policy.max_concurrency > 1:
        why += f" with maxConcurrency {policy.max_concurrency}"
    return Skip(Reason.OVERLAP, why, blocker.id)


def _queue(
    policy: Policy, occupancy: Occupancy, newcomer: Newcomer, blocker: Open | None
) -> Admission:
    ahead = occupancy.waiting(newcomer.key)
    if blocker is None and not ahead:
        return Admit()
    if policy.keep is QueueKeep.NEWEST:
        overtaken = _overtaken(policy, occupancy, newcomer)
        return Wait(WaitingFor.QUEUE, blocker.id if blocker else None, None, overtaken)
    if twin := _twin(ahead, newcomer):
        return Skip(Reason.COALESCED, f"run {twin.id} of this trigger already waits", twin.id)
    in_the_way = blocker or ahead[0]
    if not newcomer.caught_up and (full := _full(policy, len(ahead), in_the_way)):
        return full
    return Wait(WaitingFor.QUEUE, in_the_way.id)


def _full(policy: Policy, waiting: int, in_the_way: Open) -> Skip | None:
    """`waiting` counts the runs of the newcomer's key."""
    if waiting < policy.queue_limit:
        return None
    why = f"{waiting} runs already wait; queueLimit is {policy.queue_limit}"
    return Skip(Reason.QUEUE_FULL, why, in_the_way.id)


def _twin(ahead: Sequence[Open], newcomer: Newcomer) -> Open | None:
    if not newcomer.mergeable:
        return None
    return next((r for r in ahead if r.mergeable and r.trigger_id == newcomer.trigger_id), None)


def _replace(
    policy: Policy, occupancy: Occupancy, newcomer: Newcomer, blocker: Open | None
) -> Admission:
    overtaken = _overtaken(policy, occupancy, newcomer)
    if blocker is None:
        return Wait(WaitingFor.REPLACE, None, None, overtaken) if overtaken else Admit()
    stop = blocker.id if blocker.key == newcomer.key else None
    return Wait(WaitingFor.REPLACE, blocker.id, stop, overtaken)

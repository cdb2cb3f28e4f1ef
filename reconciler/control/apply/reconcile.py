"""Reconcile: read Current, ask the core for a Plan, carry it out in one transaction."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from reconciler.clock import SystemClock
from reconciler.collector import collecting_rarely
from reconciler.control.apply.attempts import (
    ApplyRequest,
    Descends,
    attempt_of,
    record_failure,
    record_refusal,
)
from reconciler.control.apply.undecided import Undecided
from reconciler.control.apply.upcoming import Upcoming
from reconciler.core.base.errors import Refused, StalePlan
from reconciler.core.base.identity import Key, Revision
from reconciler.core.manifest.state import Current, Desired, FileDigest
from reconciler.core.plan.changes import Create
from reconciler.core.plan.footprint import check_digest, check_still_holds
from reconciler.core.plan.guards import REMOVAL_WINDOW, require_safe
from reconciler.core.plan.plan import Descent, Plan, make_plan
from reconciler.core.plan.recorded import RecordedPlan, recorded_plan
from reconciler.store.engine.database import Database, Schema, Tx
from reconciler.store.objects.apply import apply_changes
from reconciler.store.objects.apply_context import ApplyContext, TokenHash
from reconciler.store.objects.current import (
    fingerprint,
    fingerprint_of,
    have_moved,
    read_current,
)
from reconciler.store.revisions.files import save_files
from reconciler.store.revisions.plans import save_plan
from reconciler.store.revisions.revisions import (
    RevisionResult,
    Via,
    newest_id,
    record,
    removals_since,
)
from reconciler.store.runs.waiting import cancel_waiting

if TYPE_CHECKING:
    from reconciler.core.plan.planfile import SavedPlan

__all__ = [
    "LOCK",
    "Applied",
    "ApplyRequest",
    "Descends",
    "Mark",
    "Snapshot",
    "apply_once",
    "apply_saved",
    "mark_of",
    "plan_once",
    "record_failure",
    "record_refusal",
    "see",
]

LOCK = "apply"
"""Applies go one by one, so that a plan that was checked still holds when it is written."""
_MANY = 500
"""Objects of a plan from which on the mark of the whole database is not dearer than their own."""


class Mark(NamedTuple):
    """What tells that a database is as it was: its objects, and the newest revision tried."""

    objects: int
    attempts: int


def mark_of(tx: Tx) -> Mark:
    """The mark of the database as it is now."""
    return Mark(fingerprint(tx), newest_id(tx))


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply did. `attempt` is the id of its row among the revisions, None if none was due.

    `cancelled` are waiting runs that ended because their autopilot was archived. `left` is the mark
    of the database as it was left, where a server asked, and Current is what was desired.
    """

    plan: Plan
    attempt: int | None
    cancelled: tuple[str, ...] = ()
    left: Mark | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Current at a moment, and how many revisions had been tried by then."""

    current: Current = field(default_factory=Current)
    attempts: int = 0
    at: datetime | None = None

    @property
    def mark(self) -> Mark:
        """The mark of the database as it was then."""
        return Mark(self.current.fingerprint, self.attempts)


def see(database: Database, source_id: str) -> Snapshot:
    """Read Current; nothing is written, and a database that is missing is empty and not made."""
    if database.schema() is Schema.MISSING:
        return Snapshot(at=SystemClock().now())
    database.require_current_schema()
    return database.read(
        lambda tx: Snapshot(read_current(tx, source_id), newest_id(tx), database.now(tx))
    )


def plan_once(
    database: Database,
    desired: Desired,
    *,
    descends: Descends | None = None,
    self_heal: bool = True,
) -> Plan:
    """The plan for a source; nothing is written, and a database that is missing is not made."""
    current = see(database, desired.source_id).current
    return _plan(current, desired, _once(descends), self_heal=self_heal)


@collecting_rarely()
def apply_once(
    database: Database,
    desired: Desired,
    request: ApplyRequest,
    *,
    token_hash: TokenHash,
    seen: Snapshot | None = None,
) -> Applied:
    """Make Current equal to `desired`, or change nothing.

    `seen` spares reading Current again; what has changed since is found in the transaction. A plan
    that is expected beside it is taken to be made from it.

    1. Plan, hold it against the one that was seen, and ask the guards.
    2. Work out next fire times, and what is kept of the plan, so that the transaction is short.
    3. In one transaction: check that the plan still holds, write it, and its revision.

    Stalled triggers whose cause is gone are restarted, also where there is nothing to change.

    If another apply has done the same meanwhile, nothing is left to do and that is fine.

    Raises `Blocked`, `UnsafePlan`, `StalePlan` (each is recorded as a refused revision, but for a
    server's own stale plan, which nobody has seen), `Locked`.
    """
    work = _Work(database, desired, request, token_hash, _once(request.descends), seen)
    try:
        plan = work.check()
        if work.is_settled(plan, work.seen.current):
            # Plans need neither this nor the logging that it brings along.
            from reconciler.control.runs.restart import restart_once

            restart_once(database)
            work.note_files()
            return Applied(plan, None, left=work.seen.mark)
        now = database.read(database.now)
        work.upcoming.foresee(plan.changes, now)
        work.recorded = recorded_plan(plan, work.seen.current, desired, now)
        return database.write(lambda tx: work.carry_out(tx, plan))
    except (Refused, StalePlan) as error:
        if isinstance(error, Refused) or request.via is not Via.SERVER:
            record_refusal(database, desired, request, error)
        raise


def apply_saved(
    database: Database, saved: "SavedPlan", request: ApplyRequest, *, token_hash: TokenHash
) -> Applied:
    """Carry out a saved plan as it was saved; `StalePlan` if what it touches has moved."""
    carried = {name: getattr(request, name) for name in ("actor", "via", "confirmations", "limit")}
    request = ApplyRequest(
        **carried, self_heal=saved.self_heal, descends=request.descends, expected=saved
    )
    return apply_once(database, saved.desired, request, token_hash=token_hash)


@dataclass(slots=True)
class _Work:
    database: Database
    desired: Desired
    request: ApplyRequest
    token_hash: TokenHash
    descends: Descends
    earlier: Snapshot | None = None
    seen: Snapshot = field(default_factory=Snapshot)
    upcoming: Upcoming = field(default_factory=Upcoming)
    recorded: RecordedPlan = field(default_factory=RecordedPlan)

    def check(self) -> Plan:
        expected = self.request.expected
        if self.earlier is not None and isinstance(expected, Plan):
            plan = expected  # it was made from what was seen
        else:
            self.earlier = self.earlier or see(self.database, self.desired.source_id)
            plan = self.plan(self.earlier.current)
            if not self.is_done_by_another(plan, self.earlier.current):
                _require_expected(expected, plan)
        self.seen = self.earlier
        recent = self.database.read(self.recent_removals) if self.counts_recent(plan) else 0
        self.require_safe(plan, recent)
        return plan

    def counts_recent(self, plan: Plan) -> bool:
        limit = self.request.limit
        return limit.followed and not limit.whole and plan.summary.archive > 0

    def recent_removals(self, tx: Tx) -> int:
        since = self.database.now(tx) - REMOVAL_WINDOW
        return removals_since(tx, self.desired.source_id, since)

    def require_safe(self, plan: Plan, recent: int) -> None:
        limit = replace(self.request.limit, recent=recent)
        require_safe(plan, self.request.confirmations, limit)

    def plan(self, current: Current) -> Plan:
        return _plan(current, self.desired, self.descends, self_heal=self.request.self_heal)

    def is_settled(self, plan: Plan, current: Current) -> bool:
        """Whether all of it is in force already, each object by the file that declares it."""
        noted = plan.is_empty and not plan.refreshes
        same_files = _keys_of(self.desired.files) == _keys_of(current.files.values())
        applied = current.applied
        return (
            noted and same_files and applied is not None and applied.id == self.desired.revision.id
        )

    def note_files(self) -> None:
        """Note digests of files that were made under another policy: a file is read again then.

        It is no revision: servers whose settings differ would try one with every poll.
        """
        files, source_id = self.desired.files, self.desired.source_id
        if {file.path: file for file in files} == self.seen.current.files:
            return

        def note(tx: Tx) -> None:
            self.database.lock(tx, LOCK)
            if newest_id(tx) == self.seen.attempts:
                save_files(tx, source_id, files)

        self.database.write(note)

    def carry_out(self, tx: Tx, plan: Plan) -> Applied:
        self.database.lock(tx, LOCK)  # from here on nobody else applies: what holds now, stays
        fresh, recorded, current = plan, self.recorded, self.seen.current
        if not self.still_holds(tx, plan):
            current = read_current(tx, self.desired.source_id)
            fresh = self.plan(current)
            if self.is_done_by_another(fresh, current):
                return Applied(fresh, None)
            check_still_holds(plan, fresh)
            if self.request.via is Via.SERVER and fresh.facts.descends != plan.facts.descends:
                # A server beside this one applied a newer commit: plan again, nothing is rewritten.
                raise StalePlan("another revision was applied meanwhile; plan again")
            recent = self.recent_removals(tx) if self.counts_recent(fresh) else 0
            self.require_safe(fresh, recent)
            recorded = recorded_plan(fresh, current, self.desired, self.database.now(tx))
        now = self.database.now(tx)
        context = ApplyContext(
            now=now,
            actor=self.request.actor,
            token_hash=self.token_hash,
            schedule=self.upcoming,
            lapsed=Undecided(),
        )
        leaves = self.mark_left(tx, fresh, current)
        ended = apply_changes(tx, fresh, self.desired.files, context)
        from reconciler.control.runs.restart import restart_stalled

        restart_stalled(tx, now)
        cancelled = cancel_waiting(tx, ended, now, "its autopilot was archived")
        attempt = record(
            tx, attempt_of(self.desired, self.request, RevisionResult.APPLIED, now, fresh)
        )
        save_plan(tx, attempt, recorded)
        return Applied(fresh, attempt, cancelled, leaves())

    def mark_left(self, tx: Tx, plan: Plan, current: Current) -> Callable[[], Mark | None]:
        """What returns the mark of the database once the plan is written, where a server asks.

        It is called in the transaction: an edit by hand right after it is drift, and must be seen
        as such. So is one of what the plan does not touch, made since `current` was read: of few
        changes only their own objects are read again.
        """
        if self.request.via is not Via.SERVER:
            return lambda: None
        if len(plan.changes) + len(plan.refreshes) > _MANY:
            is_as_read = fingerprint(tx) == current.fingerprint
            return lambda: mark_of(tx) if is_as_read else None
        touched = [*(change.id for change in plan.changes), *(r.before.id for r in plan.refreshes)]
        others = current.fingerprint - fingerprint_of(tx, touched)
        return lambda: Mark(others + fingerprint_of(tx, touched), newest_id(tx))

    def still_holds(self, tx: Tx, plan: Plan) -> bool:
        """Whether nobody applied anything meanwhile, nor edited what the plan touches by hand."""
        touched = (change.before for change in plan.changes if not isinstance(change, Create))
        rows = [row for row in touched if row is not None]
        return newest_id(tx) == self.seen.attempts and not have_moved(tx, rows)

    def is_done_by_another(self, plan: Plan, current: Current) -> bool:
        """Whether an identical apply came first, which is as good.

        A plan that was approved (saved, or by its digest) is carried out once, and by nobody else.
        """
        approved = not isinstance(self.request.expected, Plan | None)
        return not approved and self.is_settled(plan, current)


def _keys_of(files: Iterable[FileDigest]) -> dict[str, tuple[Key, ...]]:
    return {file.path: file.keys for file in files}


def _require_expected(expected: "SavedPlan | Plan | str | None", plan: Plan) -> None:
    match expected:
        case None:
            pass
        case str(digest):
            check_digest(digest, plan)
        case seen:
            check_still_holds(seen, plan)


def _plan(current: Current, desired: Desired, descends: Descends, *, self_heal: bool) -> Plan:
    order = descends(current.precedent) if current.precedent else None
    return make_plan(current, desired, descends=order, self_heal=self_heal)


def _once(descends: Descends | None) -> Descends:
    """Ask git once for each revision, and not while the database is locked."""
    known: dict[str, Descent] = {}

    def ask(applied: Revision) -> Descent:
        if descends is not None and applied.id not in known:
            known[applied.id] = descends(applied)
        return known.get(applied.id)

    return ask

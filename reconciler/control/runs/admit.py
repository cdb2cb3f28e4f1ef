"""The one path by which a run comes into being: schedule, webhook, API and hand alike.

`admit_all` runs inside the caller's transaction. It holds the autopilots' rows, reads their open
runs, asks `core.runs.admission.admit` for each newcomer in turn, and inserts all runs at once.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from reconciler.control.evaluation.moments import Answer, Broken, Declined
from reconciler.control.runs.budgeting import within_budget
from reconciler.control.runs.ending import finish
from reconciler.core.base.identity import is_commit
from reconciler.core.runs.admission import (
    Admission,
    Admit,
    Newcomer,
    Occupancy,
    Open,
    Policy,
    Skip,
    Wait,
    admit,
)
from reconciler.core.runs.context import last_completed
from reconciler.core.runs.key import with_note
from reconciler.core.runs.live import LiveAutopilot
from reconciler.core.runs.queue import Queue
from reconciler.core.runs.run import Failed, Json, Reason, Run, Source, Status, WaitingFor
from reconciler.core.runs.standing import InForce, standing_of
from reconciler.store.engine.database import Tx
from reconciler.store.money.budgets import read_accounts
from reconciler.store.objects.fired import save_fired
from reconciler.store.runs.ends import end_run
from reconciler.store.runs.last import read_last_completed
from reconciler.store.runs.occupancy import (
    read_occupancy,
    save_breaker,
    save_last_run,
)
from reconciler.store.runs.runs import get_run, insert_runs, request_cancel


class Firing(NamedTuple):
    """A run that asks to be. `at` is the moment of the trigger; title and key are evaluated.

    `at` is a moment of the host that heard of it, and is only shown: whatever is compared with
    other moments is taken in the transaction. `declined` is the sentence where its trigger's `when`
    is false, `broken` where it could not be evaluated.
    """

    id: str
    autopilot_id: str
    source: Source
    at: datetime
    title: str
    key: str = ""
    trigger_id: str | None = None
    scheduled_for: datetime | None = None
    payload: Json = None
    mergeable: bool = False
    caught_up: bool = False
    note: str | None = None
    forced: bool = False
    actor: str | None = None
    delivery_id: str | None = None
    rerun_of: str | None = None
    declined: str | None = None
    broken: str | None = None

    def newcomer(self) -> Newcomer:
        """What the pure function sees of it."""
        return Newcomer(
            self.id, self.key, self.trigger_id, self.mergeable, self.forced, self.caught_up
        )


def answered(firing: Firing, answer: Answer) -> Firing:
    """The firing with what its trigger's `when` says of it."""
    match answer:
        case Declined(why):
            return firing._replace(declined=why)
        case Broken(why):
            return firing._replace(broken=why)
        case None:
            return firing


def admit_all(
    tx: Tx,
    firings: Sequence[Firing],
    now: datetime,
    cooldown: timedelta,
    autopilots: Mapping[str, LiveAutopilot],
) -> list[Run]:
    """Insert a run for every firing, as its policy says; return them in the same order.

    `cooldown` is the breaker's. Whether the autopilot is in force at all is the caller's question:
    schedules record an interval, webhooks are ignored, a call is refused. `autopilots` are those of
    the firings, whose rows the caller holds; `now` is taken after that, in this transaction, so
    that moments grow from one holder of a row to the next.

    1. Read the open runs of the autopilots, their budgets, and what runs are told of earlier ones.
    2. Decide each firing; what is admitted counts for the next one.
    3. Insert the runs, ask replaced ones to stop, end overtaken ones.
    4. Fail those whose condition could not be evaluated, and let the next ones in.
    """
    occupancies = read_occupancy(tx, list(autopilots.values()), now)
    accounts = read_accounts(tx, autopilots.values(), now)
    recalled = read_last_completed(tx, [live.id for live in autopilots.values() if live.recalls])
    probing = _Probing(autopilots, cooldown, now)
    decided: list[tuple[Run, Admission]] = []
    for firing, nonce in zip(firings, _nonces(len(firings)), strict=True):
        live, occupancy = autopilots[firing.autopilot_id], occupancies[firing.autopilot_id]
        admission = _decide(firing, probing.policy(live), occupancy, now)
        admission, money = within_budget(accounts, live, admission, forced=firing.forced)
        run = _run(firing, live, admission, now, nonce)
        if money:
            note = with_note(run, money.get("note"))
            run = replace(run, **{**money, "note": note})
        if live.recalls and isinstance(admission, Admit):
            # As of the admission: a run that waits is told when its turn comes.
            run = replace(run, context=last_completed(recalled[live.id]))
        decided.append((run, admission))
        _occupy(occupancy, firing, admission, now)
        probing.note(live, firing, admission)
    # The rows first: a run that is replaced names its successor, which has to be there.
    insert_runs(tx, [run for run, _ in decided])
    for run, admission in decided:
        if isinstance(admission, Wait):
            _make_way(tx, run, admission, now)
    probing.save(tx)
    save_last_run(tx, {run.autopilot_id: now for run, _ in decided})
    save_fired(tx, {id_: now for run, _ in decided if (id_ := _called(run))})
    broken = {firing.id: firing.broken for firing in firings if firing.broken is not None}
    return [_ended(tx, run, broken.get(run.id), now, cooldown) for run, _ in decided]


def _decide(firing: Firing, policy: Policy, occupancy: Occupancy, now: datetime) -> Admission:
    if firing.declined is not None:
        return Skip(Reason.NOTHING_TO_DO, firing.declined)
    return admit(policy, occupancy, firing.newcomer(), now)


def _ended(tx: Tx, run: Run, why: str | None, now: datetime, cooldown: timedelta) -> Run:
    """A run whose `when` is broken fails at once: a silent skip would be seen by nobody."""
    if why is None or run.ended:
        return run
    finish(tx, run, Failed(Reason.PRECHECK_FAILED, why), now, cooldown=cooldown)
    return get_run(tx, run.id) or run


def _called(run: Run) -> str | None:
    """The trigger that somebody called; a schedule's moment is noted with its cursor."""
    return None if run.source is Source.SCHEDULE else run.trigger_id


class _Probing:
    """While a breaker is half open, one run at a time passes: the first one is the probe."""

    def __init__(
        self, autopilots: Mapping[str, LiveAutopilot], cooldown: timedelta, now: datetime
    ) -> None:
        self._half_open = {
            live.id
            for live in autopilots.values()
            if live.switches.breaker_opened_at
            and isinstance(standing := standing_of(live.switches, cooldown, now), InForce)
            and standing.probe
        }
        self._probes: dict[str, tuple[LiveAutopilot, str]] = {}

    def policy(self, live: LiveAutopilot) -> Policy:
        return replace(live.policy, max_active=1) if live.id in self._half_open else live.policy

    def note(self, live: LiveAutopilot, firing: Firing, admission: Admission) -> None:
        if live.id in self._half_open and isinstance(admission, Admit) and not firing.forced:
            self._probes.setdefault(live.id, (live, firing.id))

    def save(self, tx: Tx) -> None:
        for live, run_id in self._probes.values():
            switches = live.switches
            save_breaker(tx, live.id, switches.failures, switches.breaker_opened_at, run_id)


def _nonces(count: int) -> Iterator[str]:
    """What nobody who sends a payload can guess: 128 random bits each."""
    random = secrets.token_hex(16 * count)
    return (f"n{random[start : start + 32]}" for start in range(0, len(random), 32))


def _run(
    firing: Firing, live: LiveAutopilot, admission: Admission, now: datetime, nonce: str
) -> Run:
    return Run(
        id=firing.id,
        autopilot_id=live.id,
        workspace=live.workspace,
        autopilot=live.name,
        source=firing.source,
        triggered_at=firing.at,
        created_at=now,
        spec_digest=live.digest,
        trigger_id=firing.trigger_id,
        title=firing.title,
        key=firing.key,
        note=firing.note,
        queue=str(Queue(live.workspace, *live.assignee)),
        scheduled_for=firing.scheduled_for,
        expires_at=now + live.queue_ttl,
        payload=firing.payload,
        revision=live.revision,
        commit=live.revision if is_commit(live.revision) else None,
        actor=firing.actor,
        forced=firing.forced,
        delivery_id=firing.delivery_id,
        rerun_of=firing.rerun_of,
        nonce=nonce,
        precheck_due=live.prechecked and not firing.forced,
        **_state(live, admission, now),
    )


def _state(live: LiveAutopilot, admission: Admission, now: datetime) -> dict[str, Any]:
    """What the admission says of the run, by the fields of `Run`."""
    match admission:
        case Admit():
            deadline = now + live.timeout
            return {
                "status": Status.PENDING,
                "waiting_for": WaitingFor.AGENT,
                "admitted_at": now,
                "deadline_at": deadline,
            }
        case Wait(waiting_for, blocked_by):
            return {
                "status": Status.PENDING,
                "waiting_for": waiting_for,
                "blocked_by": blocked_by,
            }
        case Skip(reason, why, blocked_by):
            return {
                "status": Status.SKIPPED,
                "reason": reason,
                "failure_reason": why,
                "blocked_by": blocked_by,
                "completed_at": now,
            }


def _occupy(occupancy: Occupancy, firing: Firing, admission: Admission, now: datetime) -> None:
    match admission:
        case Admit():
            occupancy.admitted.append(now)
        case Wait():
            occupancy.leave(admission.overtaken)
        case Skip():
            return
    active = isinstance(admission, Admit)
    occupancy.enter(Open(firing.id, firing.key, active, now, firing.trigger_id, firing.mergeable))


def _make_way(tx: Tx, run: Run, wait: Wait, now: datetime) -> None:
    """Two phases of replace: ask the old run to stop here; admit the new one on proof.

    Waiters whose place it takes end here: as `replaced`, or under `queueKeep` as `superseded`.
    """
    if wait.stop is not None:
        note = f"replaced by run {run.id}"
        request_cancel(tx, wait.stop, now, Reason.REPLACED, note, replaced_by=run.id)
    status, reason = wait.overtaken_as
    for waiter in wait.overtaken:
        ending = {
            "status": status,
            "reason": reason,
            "failure_reason": _overtaken(reason, run),
            "replaced_by": run.id,
            "completed_at": now,
        }
        end_run(tx, waiter, ending)


def _overtaken(reason: Reason, run: Run) -> str:
    if reason is Reason.SUPERSEDED:
        return f"run {run.id} is newer, and queueKeep is newest: only it waits for this key"
    return f"replaced by run {run.id} while it waited"

"""One round of the clock: due occurrences become runs, or are recorded as not started.

Read, decide, write: what is due is read by index; deciding (and evaluating titles) happens outside
any transaction; the write checks that nobody moved the trigger meanwhile. The run and the advanced
cursor are one transaction, so a crash at any point loses nothing and doubles nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

import structlog

from reconciler.clock import Ids
from reconciler.control.evaluation.titles import Facts, Titles
from reconciler.control.runs.admit import Firing, admit_all
from reconciler.control.runs.ending import expire, promote
from reconciler.core.manifest.trigger import CatchUp, ScheduleTrigger
from reconciler.core.runs.live import LiveAutopilot
from reconciler.core.runs.run import Json, Run, Source
from reconciler.core.runs.standing import standing_of
from reconciler.core.schedule.agenda import Agenda
from reconciler.core.schedule.decide import Decision, decide
from reconciler.store.engine.database import Database, Tx
from reconciler.store.objects.triggers import (
    Advance,
    Definition,
    DueTrigger,
    advance,
    due_triggers,
    hold_unmoved,
    next_due,
    stall,
)
from reconciler.store.runs.missed import Missed, open_stalled, record_missed
from reconciler.store.runs.occupancy import hold_unchanged, read_live
from reconciler.store.runs.runs import autopilots_with_waiters, expired_waiters

log = structlog.get_logger(__name__)

BATCH = 2000
"""Triggers decided in one transaction: long enough to be quick, short enough to let others in, who
wait for a quarter of a second."""


@dataclass(frozen=True, slots=True)
class Ticker:
    """What a round needs: the database, titles, ids, and the breaker's cool-down."""

    database: Database
    titles: Titles
    ids: Ids
    cooldown: timedelta
    batch: int = BATCH


@dataclass(slots=True)
class Ticked:
    """What a round did. `next_due` is when the next trigger is due, if any is; `lags` are the
    seconds from the moment at which each run was due."""

    runs: list[Run] = field(default_factory=list)
    stalled: list[str] = field(default_factory=list)
    promoted: list[str] = field(default_factory=list)
    expired: list[str] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    next_due: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Decided:
    due: DueTrigger
    live: LiveAutopilot
    decision: Decision
    firings: tuple[Firing, ...]
    agenda: Agenda


@dataclass(frozen=True, slots=True)
class _Stalled:
    due: DueTrigger
    why: str


def tick_once(ticker: Ticker) -> Ticked:
    """Carry out everything that is due now, batch by batch.

    1. Read what is due and decide it.
    2. Write each batch; a trigger that somebody else moved is left to them.
    3. Let waiting runs in where there is room, and fail those that waited too long.
    """
    ticked = Ticked()
    now = ticker.database.read(ticker.database.now)
    while due := ticker.database.read(lambda tx: due_triggers(tx, now, ticker.batch)):
        moved = _carry_out(ticker, due, now, ticked)
        if len(due) < ticker.batch or not moved:
            break
    admit_waiting(ticker, now, ticked)
    ticked.next_due = ticker.database.read(next_due)
    return ticked


def _carry_out(ticker: Ticker, due: Sequence[DueTrigger], now: datetime, ticked: Ticked) -> bool:
    """Decide and write one batch; False where nothing could be moved."""
    lives = ticker.database.read(
        lambda tx: read_live(tx, [trigger.autopilot_id for trigger in due])
    )
    results = [_decide(ticker, trigger, lives.get(trigger.autopilot_id), now) for trigger in due]
    decided = [result for result in results if isinstance(result, _Decided)]
    stalled = [result for result in results if isinstance(result, _Stalled)]
    runs, moved = ticker.database.write(lambda tx: _write(tx, ticker, decided, stalled, now))
    ticked.runs += runs
    ticked.lags += _lags(decided, runs)
    ticked.stalled += [broken.due.id for broken in stalled]
    for broken in stalled:
        log.error("trigger stalled", trigger=broken.due.id, reason=broken.why)
    return moved > 0


def _lags(decided: Sequence[_Decided], runs: Iterable[Run]) -> Iterable[float]:
    agendas = {firing.id: result.agenda for result in decided for firing in result.firings}
    for run in runs:
        due = agendas[run.id].due_at(run.scheduled_for or run.triggered_at)
        yield max(0.0, (run.created_at - due).total_seconds())


class _Read(NamedTuple):
    """The definition of a trigger, read."""

    document: dict[str, Json]
    trigger: ScheduleTrigger
    agenda: Agenda


@lru_cache(maxsize=4096)
def _read(definition: Definition) -> _Read:
    document = definition.document()
    trigger = ScheduleTrigger.model_validate(document)
    return _Read(document, trigger, Agenda.of("", trigger))


_decision = lru_cache(maxsize=4096)(decide)
"""Pure, and asked the same by every trigger that has the same schedule: often by thousands."""


def _decide(
    ticker: Ticker, due: DueTrigger, live: LiveAutopilot | None, now: datetime
) -> _Decided | _Stalled:
    """Decide one trigger. Whatever goes wrong with it stays with it: its neighbours go on."""
    if live is None:
        return _Stalled(due, "the row of its autopilot cannot be read: apply its manifest again")
    try:
        read = _read(due.definition)
        agenda = read.agenda.of_trigger(due.id)
        standing = standing_of(live.switches, ticker.cooldown, now)
        catch_up, window = read.trigger.catch_up, read.trigger.catch_up_window
        decision = _decision(
            agenda, due.cursor, now, standing=standing, catch_up=catch_up, window=window
        )
        firings = tuple(_firings(ticker, due, live, read, decision, now))
    except Exception as error:  # noqa: BLE001 - any failure of one trigger stalls that one only
        return _Stalled(due, f"{type(error).__name__}: {error}")
    return _Decided(due, live, decision, firings, agenda)


def _firings(
    ticker: Ticker,
    due: DueTrigger,
    live: LiveAutopilot,
    read: _Read,
    decision: Decision,
    now: datetime,
) -> Iterable[Firing]:
    for scheduled_for in decision.starts:
        run_id = ticker.ids.new(now)
        facts = Facts(
            run_id=run_id, source=Source.SCHEDULE, at=scheduled_for, trigger=read.document
        )
        prepared = ticker.titles.prepare(live, facts)
        yield Firing(
            id=run_id,
            autopilot_id=live.id,
            source=Source.SCHEDULE,
            at=now,
            title=prepared.title,
            key=prepared.key,
            trigger_id=due.id,
            scheduled_for=scheduled_for,
            mergeable=read.trigger.catch_up is not CatchUp.ALL,
        )


def _write(
    tx: Tx,
    ticker: Ticker,
    decided: Sequence[_Decided],
    stalled: Sequence[_Stalled],
    now: datetime,
) -> tuple[list[Run], int]:
    """Write what still holds: the runs, the missed intervals and the cursors, together."""
    held = hold_unmoved(tx, [*(one.due for one in decided), *(one.due for one in stalled)])
    lives = hold_unchanged(tx, {one.live.id: one.live for one in decided if one.due.id in held})
    holding = [one for one in decided if one.due.id in held and one.live.id in lives]
    firings = [firing for one in holding for firing in one.firings]
    runs = admit_all(tx, firings, now, ticker.cooldown, lives) if firings else []
    record_missed(tx, [missed for one in holding for missed in _missed(one)], now)
    advance(tx, {one.due.id: _advance(one, now) for one in holding})
    for broken in stalled:
        if broken.due.id in held:
            _stall(tx, broken, now)
    return runs, len(holding) + len(stalled)


def _missed(one: _Decided) -> Iterable[Missed]:
    after = one.due.cursor
    for span in one.decision.spans:
        yield Missed(one.due.id, one.live.id, span, after)
        after = span.last


def _advance(one: _Decided, now: datetime) -> Advance:
    fired = now if one.decision.starts else None
    return Advance(one.decision.cursor, one.decision.next, fired)


def _stall(tx: Tx, broken: _Stalled, now: datetime) -> None:
    due = broken.due
    stall(tx, due.id, now, broken.why)
    open_stalled(tx, due.id, due.autopilot_id, due.occurrence, now, broken.why)


def admit_waiting(ticker: Ticker, now: datetime, ticked: Ticked) -> None:
    """Admit waiting runs where there is room now; fail those whose queueTtl has passed."""
    expired = ticker.database.read(lambda tx: expired_waiters(tx, now))
    for run in expired:
        if ticker.database.write(lambda tx, run=run: expire(tx, run, now)):  # type: ignore[misc]
            ticked.expired.append(run.id)
    for autopilot_id in ticker.database.read(autopilots_with_waiters):
        ticked.promoted += ticker.database.write(
            lambda tx, id_=autopilot_id: promote(tx, id_, now, ticker.cooldown)  # type: ignore[misc]
        )

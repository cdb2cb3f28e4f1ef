"""One round of the clock: due occurrences become runs, or are recorded as not started.

Read, decide, write: what is due is read by index; deciding (and evaluating titles) happens outside
any transaction; the write checks that nobody moved the trigger meanwhile. The run and the advanced
cursor are one transaction, so a crash at any point loses nothing and doubles nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.control.runs.deciding import Decided, Stalled, Ticker, decide_trigger, has_when
from reconciler.control.runs.ending import expire, promote
from reconciler.control.runs.saving import save
from reconciler.core.runs.live import LiveAutopilot
from reconciler.core.runs.run import Run
from reconciler.store.engine.database import Tx
from reconciler.store.objects.triggers import DueTrigger, due_triggers, next_due
from reconciler.store.runs.last import read_last_worked_on
from reconciler.store.runs.occupancy import read_live
from reconciler.store.runs.rows import Which
from reconciler.store.runs.runs import autopilots_with_waiters, expired_waiters

__all__ = ["Seen", "Ticked", "Ticker", "read_seen", "tick_once"]


MOST_EXPIRED = 200
"""Waiting runs that one round ends."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Runs whose queueTtl has passed, autopilots with runs that wait, and when a trigger is due."""

    expired: list[Run]
    autopilots: list[str]
    next_due: datetime | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What a round begins with. Without `waiting` something is due, after which it is read.

    The triggers `left_out` are due as well, and failed lately.
    """

    now: datetime
    due: list[DueTrigger]
    left_out: frozenset[str]
    waiting: Waiting | None = None


@dataclass(slots=True)
class Ticked:
    """What a round did. `next_due` is when the next trigger is due, if any is but those that
    failed; `lags` are the seconds from the moment at which each run was due."""

    runs: list[Run] = field(default_factory=list)
    stalled: list[str] = field(default_factory=list)
    promoted: list[str] = field(default_factory=list)
    expired: list[str] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    next_due: datetime | None = None


def read_seen(ticker: Ticker, tx: Tx) -> Seen:
    """Read what is due now; where nothing is, as in most rounds, all that the round needs."""
    now = ticker.database.now(tx)
    left_out = ticker.unwritten.left_out()
    due = due_triggers(tx, now, ticker.batch, left_out)
    return Seen(now, due, left_out, None if due else _read_waiting(ticker, tx, now))


def tick_once(ticker: Ticker, seen: Seen | None = None) -> Ticked:
    """Carry out everything that is due now, batch by batch.

    1. Read what is due, unless it was just `seen`, and decide it.
    2. Write each batch; a trigger that somebody else moved is left to them.
    3. Let waiting runs in where there is room, and fail those that waited too long.
    """
    ticked = Ticked()
    seen = seen or ticker.database.read(lambda tx: read_seen(ticker, tx))
    now, due, tried = seen.now, seen.due, {*seen.left_out}
    while due:
        _carry_out(ticker, due, now, ticked)
        if len(due) < ticker.batch:
            break
        # What could not be moved is still due, in front of what nobody has come to yet.
        tried.update(trigger.id for trigger in due)
        due = ticker.database.read(lambda tx: due_triggers(tx, now, ticker.batch, tried))
    _admit_waiting(ticker, seen, ticked)
    return ticked


def _carry_out(ticker: Ticker, due: Sequence[DueTrigger], now: datetime, ticked: Ticked) -> None:
    """Decide and write one batch."""
    with_when = {trigger.autopilot_id for trigger in due if has_when(trigger.definition)}

    def read(tx: Tx) -> tuple[dict[str, LiveAutopilot], dict[str, Run | None]]:
        lives = read_live(tx, [trigger.autopilot_id for trigger in due])
        return lives, read_last_worked_on(tx, sorted(with_when))

    lives, lasts = ticker.database.read(read)
    results = [
        decide_trigger(ticker, trigger, lives.get(id_), now, lasts.get(id_))
        for trigger in due
        for id_ in [trigger.autopilot_id]
    ]
    decided = [result for result in results if isinstance(result, Decided)]
    stalled = [result for result in results if isinstance(result, Stalled)]
    saved = save(ticker, decided, stalled, now)
    ticked.runs += saved.runs
    ticked.lags += _lags(decided, saved.runs)
    ticked.stalled += saved.stalled


def _lags(decided: Sequence[Decided], runs: Iterable[Run]) -> Iterable[float]:
    agendas = {firing.id: result.agenda for result in decided for firing in result.firings}
    for run in runs:
        due = agendas[run.id].due_at(run.scheduled_for or run.triggered_at)
        yield max(0.0, (run.created_at - due).total_seconds())


def _read_waiting(ticker: Ticker, tx: Tx, now: datetime) -> Waiting:
    first = Which(min(ticker.batch, MOST_EXPIRED), ticker.unexpired.left_out())
    expired = expired_waiters(tx, now, first)
    return Waiting(expired, autopilots_with_waiters(tx), next_due(tx, ticker.unwritten.ids()))


def _admit_waiting(ticker: Ticker, seen: Seen, ticked: Ticked) -> None:
    """Admit waiting runs where there is room now; fail those whose queueTtl has passed."""
    now = seen.now
    waiting = seen.waiting or ticker.database.read(lambda tx: _read_waiting(ticker, tx, now))
    ticked.next_due = waiting.next_due
    for run in waiting.expired:
        with ticker.unexpired.apart(run.id, "a waiting run could not be ended"):
            if ticker.database.write(lambda tx, run=run: expire(tx, run, now)):  # type: ignore[misc]
                ticked.expired.append(run.id)
    left_out = ticker.unadmitted.left_out()
    for id_ in [id_ for id_ in waiting.autopilots if id_ not in left_out]:
        with ticker.unadmitted.apart(id_, "waiting runs of an autopilot could not be admitted"):
            ticked.promoted += ticker.database.write(
                lambda tx, id_=id_: promote(tx, id_, now, ticker.cooldown)  # type: ignore[misc]
            )

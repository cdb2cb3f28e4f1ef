"""Writing what was decided: runs, missed intervals and cursors of a batch in one transaction.

Where a batch fails its halves are written, down to the one trigger that is the cause: that one is
stalled with the reason, and its neighbours go on.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import structlog

from reconciler.control.runs.admit import admit_all
from reconciler.control.runs.deciding import Decided, Stalled, Ticker, has_when, sentence_of
from reconciler.core.base.errors import Locked, Unavailable
from reconciler.core.manifest.fields import format_instant
from reconciler.core.manifest.notify import Event
from reconciler.core.runs.condition import LATE
from reconciler.core.runs.live import LiveAutopilot
from reconciler.core.runs.run import MissedReason, Run
from reconciler.store.engine.database import Tx
from reconciler.store.notify.outbox import Occasion, note_occasions
from reconciler.store.objects.triggers import Advance, DueTrigger, advance, hold_unmoved, stall
from reconciler.store.runs.last import read_last_worked_on
from reconciler.store.runs.missed import Missed, drop_known, open_stalled, record_missed
from reconciler.store.runs.occupancy import hold_unchanged
from reconciler.store.runs.runs import used_occurrences

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Saved:
    """What was written: the runs, and which triggers are stalled."""

    runs: list[Run] = field(default_factory=list)
    stalled: list[str] = field(default_factory=list)

    def add(self, other: "Saved") -> None:
        """Count what another part of the batch wrote."""
        self.runs += other.runs
        self.stalled += other.stalled


def save(
    ticker: Ticker, decided: Sequence[Decided], stalled: Sequence[Stalled], now: datetime
) -> Saved:
    """Write a batch, or its halves. Raises `Locked` and `Unavailable`, which no trigger causes."""
    if not decided and not stalled:
        return Saved()
    try:
        runs = ticker.database.write(lambda tx: _write(tx, ticker, decided, stalled, now))
    except (Locked, Unavailable):
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to one trigger
        # Halved until what fails stands alone, so that its neighbours are written all the same.
        if len(decided) + len(stalled) == 1:
            return _save_alone(ticker, decided[0] if decided else stalled[0], now, error)
        saved = Saved()
        for part in _halves(decided, stalled):
            saved.add(save(ticker, *part, now))
        return saved
    ticker.unwritten.forget(decision.due.id for decision in decided)
    ticker.unwritten.forget(broken.due.id for broken in stalled)
    for broken in stalled:
        log.error("trigger stalled", trigger=broken.due.id, reason=broken.why)
    return Saved(runs, [broken.due.id for broken in stalled])


def _halves(
    decided: Sequence[Decided], stalled: Sequence[Stalled]
) -> Iterable[tuple[Sequence[Decided], Sequence[Stalled]]]:
    if decided and stalled:
        return (decided, ()), ((), stalled)
    if decided:
        middle = len(decided) // 2
        return (decided[:middle], ()), (decided[middle:], ())
    middle = len(stalled) // 2
    return ((), stalled[:middle]), ((), stalled[middle:])


def _save_alone(
    ticker: Ticker, result: Decided | Stalled, now: datetime, error: Exception
) -> Saved:
    """Write one trigger whose write failed; if it fails again, stall it with the reason.

    After the clock went back, occurrences come again that have a run or are recorded already:
    these are left out. A trigger that cannot even be stalled is passed over for a while.
    """
    if isinstance(result, Decided):
        try:
            runs = ticker.database.write(lambda tx: _write_unused(tx, ticker, result, now))
        except (Locked, Unavailable):
            raise
        except Exception as again:  # noqa: BLE001 - the reason is recorded with the trigger
            error = again
        else:
            ticker.unwritten.forget([result.due.id])
            return Saved(runs)
    why = result.why if isinstance(result, Stalled) else sentence_of(error)
    stalled = Stalled(result.due, why, result.live)
    with ticker.unwritten.apart(result.due.id, "trigger cannot be stalled"):
        ticker.database.write(lambda tx: _write(tx, ticker, (), (stalled,), now))
        log.error("trigger stalled", trigger=result.due.id, reason=why)
        return Saved(stalled=[result.due.id])
    return Saved()


def _write_unused(tx: Tx, ticker: Ticker, result: Decided, now: datetime) -> list[Run]:
    """Write one trigger without the occurrences that have become something already."""
    used = used_occurrences(tx, result.due.id, result.decision.starts)
    firings = tuple(firing for firing in result.firings if firing.scheduled_for not in used)
    missed = drop_known(tx, [*_missed(result)])
    spans = tuple(new.span for new in missed)
    unused = replace(result, firings=firings, decision=replace(result.decision, spans=spans))
    return _write(tx, ticker, [unused], (), now)


def _write(
    tx: Tx,
    ticker: Ticker,
    decided: Sequence[Decided],
    stalled: Sequence[Stalled],
    now: datetime,
) -> list[Run]:
    """Write what still holds: the runs, the missed intervals and the cursors, together."""
    held = hold_unmoved(
        tx, [*(decision.due for decision in decided), *(decision.due for decision in stalled)]
    )
    lives = hold_unchanged(
        tx, {decision.live.id: decision.live for decision in decided if decision.due.id in held}
    )
    holding = [
        decision
        for decision in decided
        if decision.due.id in held and decision.live.id in lives and _same_last(tx, decision)
    ]
    firings = [firing for decision in holding for firing in decision.firings]
    moment = ticker.database.now(tx)  # after the rows are held: see `admit_all`
    runs = admit_all(tx, firings, moment, ticker.cooldown, lives) if firings else []
    record_missed(tx, [missed for decision in holding for missed in _missed(decision)], now)
    note_occasions(tx, _lateness(holding, stalled, lives, held, now), moment)
    advance(tx, {decision.due.id: _advance(decision, now) for decision in holding})
    for broken in stalled:
        if broken.due.id in held:
            _stall(tx, broken, now)
    return runs


def _lateness(
    decided: Iterable[Decided],
    stalled: Iterable[Stalled],
    lives: Mapping[str, LiveAutopilot],
    held: Collection[str],
    now: datetime,
) -> Iterable[Occasion]:
    """What is told of as late: each time that a trigger is decided too late, and once it stalls.

    Nobody is late while an autopilot stands still on purpose.
    """
    for decision in decided:
        started, spans = decision.decision.starts, decision.decision.spans
        missed = any(span.reason is MissedReason.MISSED for span in spans)
        if not missed and all(now - decision.agenda.due_at(at) <= LATE for at in started):
            continue
        detail = {
            "trigger": decision.due.definition.name,
            "due": format_instant(decision.due.next_run_at),
            "started": len(started),
        }
        yield _late(decision.due, lives[decision.live.id], detail)
    for broken in stalled:
        if broken.due.id in held and broken.live is not None:
            detail = {"trigger": broken.due.definition.name, "stalled": broken.why}
            yield _late(broken.due, broken.live, detail)


def _late(due: DueTrigger, live: LiveAutopilot, detail: Mapping[str, Any]) -> Occasion:
    occasion = f"late:{due.id}@{format_instant(due.next_run_at)}"
    return Occasion(Event.LATE, occasion, live.id, live.workspace, live.digest, detail)


def _same_last(tx: Tx, decision: Decided) -> bool:
    """Whether the run that a `when` was asked with is still the last one.

    The autopilot's row is held, so that none can end from here on. One that ended meanwhile may
    have changed the answer: the trigger stays due, and is asked again.
    """
    if not decision.firings or not has_when(decision.due.definition):
        return True
    last = read_last_worked_on(tx, [decision.live.id])[decision.live.id]
    return (last.id if last else None) == (decision.last.id if decision.last else None)


def _missed(decision: Decided) -> Iterable[Missed]:
    after = decision.due.cursor
    for span in decision.decision.spans:
        yield Missed(decision.due.id, decision.live.id, span, after)
        after = span.last


def _advance(decision: Decided, now: datetime) -> Advance:
    fired = now if decision.decision.starts else None
    return Advance(decision.decision.cursor, decision.decision.next, fired)


def _stall(tx: Tx, broken: Stalled, now: datetime) -> None:
    due = broken.due
    stall(tx, due.id, now, broken.why)
    open_stalled(tx, due.id, due.autopilot_id, due.occurrence, now, broken.why)

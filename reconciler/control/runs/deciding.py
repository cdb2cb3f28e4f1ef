"""Deciding due triggers, outside any transaction: each becomes runs and spans, or is stalled."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from reconciler.clock import Ids
from reconciler.control.apart import Failures
from reconciler.control.evaluation.moments import Answer, Moment, ask_when
from reconciler.control.evaluation.titles import Facts, Titles
from reconciler.control.runs.admit import Firing, answered
from reconciler.core.base.errors import Unavailable
from reconciler.core.manifest.trigger import CatchUp, ScheduleTrigger
from reconciler.core.runs.live import LiveAutopilot
from reconciler.core.runs.run import Json, Run, Source
from reconciler.core.runs.standing import standing_of
from reconciler.core.schedule.agenda import Agenda
from reconciler.core.schedule.decide import Decision, decide
from reconciler.store.engine.database import Database
from reconciler.store.objects.triggers import Definition, DueTrigger

BATCH = 2000
"""Triggers decided in one transaction: long enough to be quick, short enough to let others in, who
wait for a quarter of a second."""


@dataclass(frozen=True, slots=True)
class Ticker:
    """What a round needs: the database, titles, ids, and the breaker's cool-down.

    `unwritten` are triggers that could not even be stalled, `unexpired` waiting runs that could not
    be ended, `unadmitted` autopilots whose waiting runs could not be admitted.
    """

    database: Database
    titles: Titles
    ids: Ids
    cooldown: timedelta
    batch: int = BATCH
    unwritten: Failures = field(default_factory=Failures)
    unexpired: Failures = field(default_factory=Failures)
    unadmitted: Failures = field(default_factory=Failures)


@dataclass(frozen=True, slots=True)
class Decided:
    """What becomes of a due trigger, and the runs that ask to be.

    `last` is the run that its `when` was asked with.
    """

    due: DueTrigger
    live: LiveAutopilot
    decision: Decision
    firings: tuple[Firing, ...]
    agenda: Agenda
    last: Run | None = None


@dataclass(frozen=True, slots=True)
class Stalled:
    """A due trigger that cannot be decided, and why; without its autopilot where that cannot be
    read."""

    due: DueTrigger
    why: str
    live: LiveAutopilot | None = None


@dataclass(frozen=True, slots=True)
class Deferred:
    """A due trigger whose `when` cannot be evaluated just now: it stays due."""

    why: str


class ReadTrigger(NamedTuple):
    """The definition of a trigger, read."""

    document: dict[str, Json]
    trigger: ScheduleTrigger
    agenda: Agenda


@lru_cache(maxsize=4096)
def read_definition(definition: Definition) -> ReadTrigger:
    """Read a trigger. Raises ValueError and ScheduleError."""
    document = definition.document()
    trigger = ScheduleTrigger.model_validate(document)
    return ReadTrigger(document, trigger, Agenda.of("", trigger))


_decision = lru_cache(maxsize=4096)(decide)
"""Pure, and asked the same by every trigger that has the same schedule: often by thousands."""


def decide_trigger(
    ticker: Ticker,
    due: DueTrigger,
    live: LiveAutopilot | None,
    now: datetime,
    last: Run | None = None,
) -> Decided | Stalled | Deferred:
    """Decide one trigger. Whatever goes wrong with it stays with it: its neighbours go on.

    `last` is the newest run of its autopilot that was worked on, for its `when`.
    """
    if due.unreadable is not None:
        why = "and cannot be read; put it right in the database, then resume the autopilot"
        return Stalled(due, f"its column {due.unreadable} was edited by hand {why}")
    if live is None:
        return Stalled(due, "the row of its autopilot cannot be read: apply its manifest again")
    try:
        read = read_definition(due.definition)
        agenda = read.agenda.of_trigger(due.id)
        standing = standing_of(live.switches, ticker.cooldown, now)
        catch_up, window = read.trigger.catch_up, read.trigger.catch_up_window
        decision = _decision(
            agenda, due.cursor, now, standing=standing, catch_up=catch_up, window=window
        )
        answer = _ask(ticker, live, read, decision, now, last)
        firings = tuple(
            answered(firing, answer) for firing in _firings(ticker, due, live, read, decision, now)
        )
    except Unavailable as error:
        return Deferred(str(error))
    except Exception as error:  # noqa: BLE001 - any failure of one trigger stalls that one only
        return Stalled(due, sentence_of(error), live)
    return Decided(due, live, decision, firings, agenda, last)


def has_when(definition: Definition) -> bool:
    """Whether a trigger may have a `when`; told by its text, for it is asked of thousands."""
    return '"when"' in definition.spec


def _ask(
    ticker: Ticker,
    live: LiveAutopilot,
    read: ReadTrigger,
    decision: Decision,
    now: datetime,
    last: Run | None,
) -> Answer:
    """What `when` says, once for all that starts now: it is judged at the admission's moment."""
    if read.trigger.when is None or not decision.starts:
        return None
    moment = Moment(trigger=read.document, now=now, last=last)
    return ask_when(ticker.titles.evaluator, live.document(), moment)


def _firings(
    ticker: Ticker,
    due: DueTrigger,
    live: LiveAutopilot,
    read: ReadTrigger,
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
            note=prepared.note,
            trigger_id=due.id,
            scheduled_for=scheduled_for,
            mergeable=read.trigger.catch_up is not CatchUp.ALL,
            caught_up=read.trigger.catch_up is CatchUp.ALL,
        )


def sentence_of(error: Exception) -> str:
    """The reason that is recorded with a stalled trigger."""
    return f"{type(error).__name__}: {error}"

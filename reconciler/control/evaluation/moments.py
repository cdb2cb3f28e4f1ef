"""Asking the `when` of schedules and api triggers, right before a run is made (docs/runs.md)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from reconciler.control.evaluation.evaluator import Evaluator, Failed, Kind
from reconciler.core.base.errors import Unavailable
from reconciler.core.base.invisible import one_line
from reconciler.core.cel import moment_scope
from reconciler.core.runs.expectation import SHOWN, parsed
from reconciler.core.runs.run import Json, Run
from reconciler.core.runs.view import run_document


@dataclass(frozen=True, slots=True)
class Declined:
    """There is nothing to do now: the run is skipped. `why` is the sentence."""

    why: str


@dataclass(frozen=True, slots=True)
class Broken:
    """The condition cannot be evaluated: the run fails, so that somebody sees it."""

    why: str


Answer = Declined | Broken | None
"""What a `when` says of a run that asks to be; None: go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What a `when` may read. `trigger` is canonical JSON, `last` the newest run that ended.

    One that was skipped is no `last`. `payload` is that of a call; a schedule has none.
    """

    trigger: Mapping[str, Json]
    now: datetime
    last: Run | None
    payload: Json = None


def ask_when(evaluator: Evaluator, autopilot: Mapping[str, Json], moment: Moment) -> Answer:
    """The answer of the trigger's `when`, if it has one; blocks for a bounded time.

    `autopilot` is a canonical document, or the part of it that expressions may read. Raises
    Unavailable where nothing could be evaluated just now: the same again may succeed.
    """
    when = moment.trigger.get("when")
    if when is None:
        return None
    kind = Kind.CALL if moment.trigger["kind"] == "api" else Kind.MOMENT
    scope = moment_scope(
        autopilot,
        moment.trigger,
        now=moment.now,
        last_run=_last_run(moment.last),
        payload=moment.payload,
    )
    (result,) = evaluator.evaluate_many([(when, kind)], scope)
    if not isinstance(result, Failed):
        return None if result.value is True else Declined(f"when is false: {_shown(when)}")
    if result.transient:
        raise Unavailable(f"the condition 'when' could not be evaluated now: {result.message}")
    return Broken(f"when could not be evaluated: {_shown(when)}: {result.message}")


def _last_run(last: Run | None) -> dict[str, Json] | None:
    return None if last is None else {**run_document(last), "result": parsed(last.result)}


def _shown(expression: str) -> str:
    return one_line(expression, SHOWN)

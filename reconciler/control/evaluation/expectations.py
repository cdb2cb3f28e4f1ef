"""Judging what an agent calls done, before the end of its run is recorded (docs/runs.md#expect)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

from reconciler.control.evaluation.evaluator import EvaluationResult, Evaluator, Failed, Kind, Ok
from reconciler.core.base.errors import NotFound, Unavailable
from reconciler.core.cel import expect_scope
from reconciler.core.runs.expectation import parsed, unfit, unmet
from reconciler.core.runs.run import Completed, Json, Outcome, Run
from reconciler.core.runs.view import run_document
from reconciler.store.engine.database import Tx
from reconciler.store.objects.manifests import get_document
from reconciler.store.runs.runs import get_run

AT_ONCE = 8
"""Expectations that are judged at the same time; more wait for their turn."""


class NotJudged(Unavailable):
    """Nothing can be evaluated just now, which says nothing about the result."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A run, and the `expect` and the schema of the manifest that it keeps, if it has them."""

    run: Run
    expression: str | None
    schema: str | None = None

    @property
    def anything(self) -> bool:
        """Whether there is something to judge by."""
        return self.expression is not None or self.schema is not None


def read_expected(tx: Tx, run_id: str) -> Expected:
    """Read what is expected of a run. Raises NotFound."""
    run = get_run(tx, run_id)
    if run is None:
        raise NotFound(f"there is no run {run_id}")
    spec = get_document(tx, run.spec_digest)["spec"]
    # A result that is kept there already is no part of the run that expressions read.
    return Expected(replace(run, result=None), spec.get("expect"), spec.get("resultSchema"))


@dataclass(frozen=True, slots=True)
class Expectations:
    """Judges results off the event loop, within the bounds of all expressions."""

    evaluator: Evaluator = field(default_factory=Evaluator)
    _turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def judge(self, expected: Expected, outcome: Outcome) -> Outcome:
        """The outcome as it is recorded: `completed` only where `expect` is true.

        `outcome` holds the result as it will be stored: what people see is what was judged. Raises
        NotJudged where the same again may have an answer: a want of processes is no verdict.
        """
        if not expected.anything or not isinstance(outcome, Completed):
            return outcome
        if expected.schema is not None:
            match await self._fit(expected.schema, parsed(outcome.result)):
                case Failed(mismatch):
                    return unfit(outcome, mismatch)
        if expected.expression is None:
            return outcome
        scope = expect_scope(run_document(expected.run), parsed(outcome.result))
        match await self._evaluate(expected.expression, scope):
            case Failed(message):
                return unmet(expected.expression, outcome, message)
            case Ok(value):
                return outcome if value is True else unmet(expected.expression, outcome)

    async def _fit(self, schema: str, result: Json) -> EvaluationResult:
        return await self._asked(lambda: self.evaluator.fits(schema, result))

    async def _evaluate(self, expression: str, scope: Mapping[str, Json]) -> EvaluationResult:
        async def ask() -> EvaluationResult:
            (answer,) = await self.evaluator.soon([(expression, Kind.EXPECTATION)], scope)
            return answer

        return await self._asked(ask)

    async def _asked(self, ask: Callable[[], Awaitable[EvaluationResult]]) -> EvaluationResult:
        """Ask, and once more at once where a process was lost; raises NotJudged after that."""
        async with self._turn:
            answer = await ask()
            if isinstance(answer, Failed) and answer.transient:
                answer = await ask()
        if isinstance(answer, Failed) and answer.transient:
            raise NotJudged(f"the result could not be judged: {answer.message}")
        return answer

"""Judging what an agent calls done, before the end of its run is recorded (docs/runs.md#expect)."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.control.evaluation.evaluator import EvaluationResult, Evaluator, Failed, Kind, Ok
from reconciler.core.base.errors import NotFound
from reconciler.core.cel import expect_scope
from reconciler.core.runs.expectation import parsed, unfit, unmet
from reconciler.core.runs.run import Completed, Json, Outcome, Run
from reconciler.core.runs.view import run_document
from reconciler.store.engine.database import Tx
from reconciler.store.objects.manifests import get_document
from reconciler.store.runs.runs import get_run

AT_ONCE = 8
"""Expectations that are judged at the same time; more wait for their turn."""
ATTEMPTS = 3
"""How often one is asked that failed for want of a process, not by its own fault."""


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
    return Expected(run, spec.get("expect"), spec.get("resultSchema"))


@dataclass(frozen=True, slots=True)
class Expectations:
    """Judges results off the event loop, within the bounds of all expressions."""

    evaluator: Evaluator = field(default_factory=Evaluator)
    _turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def judge(self, expected: Expected, outcome: Outcome) -> Outcome:
        """The outcome as it is recorded: `completed` only where `expect` is true.

        `outcome` holds the result as it will be stored: what people see is what was judged.
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
        async with self._turn:
            for _ in range(ATTEMPTS - 1):
                answer = await self.evaluator.fits(schema, result)
                if not isinstance(answer, Failed) or not answer.transient:
                    return answer
            return await self.evaluator.fits(schema, result)

    async def _evaluate(self, expression: str, scope: Mapping[str, Json]) -> EvaluationResult:
        request = [(expression, Kind.EXPECTATION)]
        async with self._turn:
            for _ in range(ATTEMPTS - 1):
                (answer,) = await self.evaluator.soon(request, scope)
                if not isinstance(answer, Failed) or not answer.transient:
                    return answer
            (answer,) = await self.evaluator.soon(request, scope)
            return answer

"""Evaluate expressions so that none of them can stall anyone.

The library holds the GIL while it works, so no thread could interrupt it. What
provably takes a fraction of a millisecond is evaluated in place; all else in a child process that
the kernel ends when it uses up its CPU time or its memory.
"""

import asyncio
import contextlib
import functools
import json
import queue
import weakref
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

from reconciler.control.evaluation.process import EvaluationProcess, ProcessLost
from reconciler.control.evaluation.worker import KINDS, SCHEMA
from reconciler.core.cel import (
    ANSWER_VARIABLES,
    EvaluationBusy,
    EvaluationError,
    Expression,
    ExpressionError,
    compile_expression,
    execute,
    is_quick,
    look_up,
    require_affordable,
)
from reconciler.core.manifest.template import parse_template, render

Json = Any
TIMEOUT = 0.25
"""Seconds of CPU time for one expression."""
PATIENCE = 5.0
"""Seconds to wait for a free process, and for a machine that is too busy to give it time."""

MAX_WAITING = 32
"""Batches from event loops that may wait at once."""


class Kind(StrEnum):
    """What an expression is for."""

    CONDITION = "condition"
    MOMENT = "moment"
    CALL = "call"
    EXPECTATION = "expectation"
    KEY = "key"
    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Ok:
    """The value: a boolean for a condition, text for a key, a title or a part of one, JSON text
    for what an agent is sent or has answered."""

    value: bool | str


@dataclass(frozen=True, slots=True)
class Failed:
    """No value. `transient`: not the expression's fault, the same again may succeed."""

    message: str
    transient: bool = False


EvaluationResult = Ok | Failed
Request = tuple[str, Kind]
"""The text of an expression, and what it is for."""


class Evaluator:
    """Evaluates from any thread; at most `workers` expressions at a time that are not cheap.

    `timeout`: seconds of CPU time per expression. No process is started before one is
    needed. Close it, or use it as a context manager.
    """

    def __init__(self, *, timeout: float = TIMEOUT, workers: int = 2) -> None:
        self._timeout = timeout
        self._processes = [EvaluationProcess(timeout) for _ in range(workers)]
        # Last in, first out: a quiet server keeps to one process.
        self._idle: queue.LifoQueue[EvaluationProcess] = queue.LifoQueue()
        for process in self._processes:
            self._idle.put(process)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="evaluate")
        self._waiting = 0
        self._closed = False
        self._finalizer = weakref.finalize(self, _stop_all, self._processes)

    def condition(self, text: str, variables: Mapping[str, Json]) -> EvaluationResult:
        """The value of a `when`: Ok(True), Ok(False) or Failed."""
        return self.evaluate_many([(text, Kind.CONDITION)], variables)[0]

    def key(self, text: str, variables: Mapping[str, Json]) -> EvaluationResult:
        """The value of a `concurrencyKey`: Ok with 1..256 characters, or Failed."""
        return self.evaluate_many([(text, Kind.KEY)], variables)[0]

    def title(self, template: str, variables: Mapping[str, Json]) -> EvaluationResult:
        """The rendered `issueTitleTemplate`: Ok with 1..200 characters on one line.

        Failed where one placeholder fails or nothing is left: the autopilot's own title is the
        one to show then.
        """
        try:
            parsed = parse_template(template)
        except ExpressionError as error:
            return Failed(error.message)
        asked = [(expression.text, Kind.TEXT) for expression in parsed.expressions]
        shown: dict[str, str] = {}
        for (text, _), result in zip(asked, self.evaluate_many(asked, variables), strict=True):
            if isinstance(result, Failed):
                return Failed(f"{{{{ {text.strip()} }}}}: {result.message}", result.transient)
            shown[text] = str(result.value)
        title = render(parsed, lambda expression: shown[expression.text])
        return Ok(title) if title else Failed("the title is empty")

    async def fits(self, schema: str, result: Json) -> EvaluationResult:
        """Whether a result fits a JSON Schema: Ok(True), or Failed with the first mismatch.

        From an event loop; always in a process, since a pattern of a schema may take any time.
        """
        if self._closed or self._waiting >= MAX_WAITING:
            return Failed("too many results wait to be checked", transient=True)
        frame = _frame(schema, SCHEMA, {"result": result})
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._in_process, frame)
        finally:
            self._waiting -= 1

    def evaluate_many(
        self, requests: Sequence[Request], variables: Mapping[str, Json]
    ) -> list[EvaluationResult]:
        """One result per request, in order. Blocks: call it from a thread, or `await soon(…)`."""
        return [self._evaluate(text, kind, variables) for text, kind in requests]

    async def values(self, texts: Sequence[str], variables: Mapping[str, Json]) -> dict[str, Json]:
        """Return the value of each expression by its text, over the variables of an answer.

        Raises EvaluationError for the first that has none; EvaluationBusy where the same again may
        succeed. What only names a value, such as `prompt`, is never copied or weighed.
        """
        values: dict[str, Json] = {}
        computed: list[Request] = []
        for text in dict.fromkeys(texts):
            path = _path_of(text)
            if path is None:
                computed.append((text, Kind.JSON))
            else:
                values[text] = look_up(path, variables)
        for (text, _), result in zip(computed, await self.soon(computed, variables), strict=True):
            if isinstance(result, Failed):
                raise (EvaluationBusy if result.transient else EvaluationError)(result.message)
            values[text] = json.loads(str(result.value))
        return values

    async def soon(
        self, requests: Sequence[Request], variables: Mapping[str, Json]
    ) -> list[EvaluationResult]:
        """As `evaluate_many`, from an event loop: in place where all are cheap.

        Otherwise in threads of its own: the loop's shared ones must not fill up with evaluations
        that wait for a process. Beyond `MAX_WAITING` of them, each fails as transient.
        """
        quick = [_quick(text, kind, variables) for text, kind in requests]
        results = [result for result in quick if result is not None]
        if len(results) == len(requests):
            return results
        if self._closed or self._waiting >= MAX_WAITING:
            return [Failed("too many expressions wait to be evaluated", transient=True)] * len(
                quick
            )
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            work = functools.partial(self.evaluate_many, requests, variables)
            return await loop.run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """End the processes. What is asked for afterwards fails as transient."""
        if self._closed:
            return
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        with contextlib.suppress(queue.Empty):
            for _ in self._processes:
                self._idle.get(timeout=PATIENCE).stop()
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _evaluate(self, text: str, kind: Kind, variables: Mapping[str, Json]) -> EvaluationResult:
        try:
            expression, needed = _prepared(text, kind, variables)
            if is_quick(expression, needed):
                return _in_place(expression, kind, needed)
            require_affordable(expression, needed)
        except (ExpressionError, EvaluationError) as error:
            return Failed(error.message)
        return self._in_process(_frame(text, kind, needed))

    def _in_process(self, frame: bytes) -> EvaluationResult:
        if self._closed:
            return Failed("the evaluator is closed", transient=True)
        try:
            process = self._idle.get(timeout=PATIENCE)
        except queue.Empty:
            return Failed("no process is free to evaluate it", transient=True)
        try:
            answer = process.ask(frame, wall=self._timeout + PATIENCE)
        except ProcessLost as lost:
            return self._lost(lost)
        except OSError as error:
            return Failed(f"no process could be started to evaluate it: {error}", transient=True)
        finally:
            if self._closed:
                process.stop()
            else:
                self._idle.put(process)
        return Ok(answer["value"]) if "value" in answer else Failed(answer["failed"])

    def _lost(self, lost: ProcessLost) -> EvaluationResult:
        if lost.out_of_time:
            milliseconds = round(self._timeout * 1000)
            return Failed(f"it took more than {milliseconds} ms of CPU time")
        if lost.from_outside:
            return Failed("the process that evaluates it was lost", transient=True)
        return Failed("it needs too much memory, or the CEL library crashed on it")


def _path_of(text: str) -> tuple[str, ...] | None:
    try:
        return compile_expression(text, variables=ANSWER_VARIABLES).path
    except ExpressionError as error:
        raise EvaluationError(error.message) from None


def _quick(text: str, kind: Kind, variables: Mapping[str, Json]) -> EvaluationResult | None:
    """The result where it can be had in place, else None."""
    try:
        expression, needed = _prepared(text, kind, variables)
        return _in_place(expression, kind, needed) if is_quick(expression, needed) else None
    except (ExpressionError, EvaluationError) as error:
        return Failed(error.message)


def _prepared(
    text: str, kind: Kind, variables: Mapping[str, Json]
) -> tuple[Expression, dict[str, Json]]:
    allowed, _ = KINDS[kind]
    expression = compile_expression(text, variables=allowed)
    return expression, expression.needed(variables)


def _in_place(expression: Expression, kind: Kind, needed: Mapping[str, Json]) -> EvaluationResult:
    _, take = KINDS[kind]
    try:
        return Ok(take(execute(expression, needed)))
    except EvaluationError as error:
        return Failed(error.message)


def _frame(text: str, kind: str, needed: Mapping[str, Json]) -> bytes:
    asked = {"text": text, "kind": kind, "variables": needed}
    # A lone surrogate becomes a question mark: no CEL text can hold it.
    return json.dumps(asked, ensure_ascii=False).encode("utf-8", "replace")


def _stop_all(processes: Iterable[EvaluationProcess]) -> None:
    for process in processes:
        process.stop()

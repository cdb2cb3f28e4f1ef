"""The requests that a manifest's templates make of a run, each admitted after it was filled in.

Whatever cannot be filled in is a ValueError with a sentence, or an EvaluationError.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reconciler.clock import Clock
from reconciler.core.base.invisible import one_line
from reconciler.core.cel import EvaluationError
from reconciler.core.manifest import placeholders
from reconciler.core.manifest.headers import can_be_sent
from reconciler.core.manifest.http_api import Request
from reconciler.core.manifest.runtime import HttpRuntime
from reconciler.dispatch.base import Job
from reconciler.dispatch.http.request import run_of, signed
from reconciler.dispatch.reach import Reach
from reconciler.dispatch.wire import QUOTED, Call

Json = Any
Evaluate = Callable[[Sequence[str], Mapping[str, Json]], Awaitable[Mapping[str, Json]]]
"""Gives the value of each CEL expression by its text. Raises EvaluationError."""


async def no_expressions(_texts: Sequence[str], _variables: Mapping[str, Json]) -> dict[str, Json]:
    """Evaluate nothing: for a caller that has no evaluator."""
    raise EvaluationError("nothing evaluates expressions here")


ANSWER_LIMIT = 8 * 1024 * 1024
"""Bytes of an answer that are read: a session often brings all that was said in it."""
MAX_HANDLE = 2000
"""Characters of one value of a handle."""


@dataclass(frozen=True, slots=True)
class Calls:
    """The requests of one run; `handle` is what `request.handle` took out of the first answer."""

    job: Job
    runtime: HttpRuntime
    request: Request
    evaluate: Evaluate
    reach: Reach
    clock: Clock
    handle: Mapping[str, Json]
    within: float
    """Seconds that a request may take."""

    async def creation(self) -> Call:
        """The request that begins the work, with the run's id as idempotency key."""
        texts = [self.runtime.url, self.request.body, *self._own_texts().values()]
        values = await self._values(texts)
        body = b"" if self.request.method == "GET" else self._body(values)
        own = {name: placeholders.header(text, values) for name, text in self._own_texts().items()}
        headers = {
            **signed(self.job, self.job.run_id, self.clock.now(), body),
            **{name.lower(): value for name, value in {**self.job.own_headers, **own}.items()},
            "idempotency-key": self.job.run_id,
        }
        if body:
            headers["content-type"] = "application/json"
        for name, value in headers.items():
            if not can_be_sent(value):
                raise ValueError(f"the value of the header {name} cannot be sent")
        url = self._admitted(placeholders.address(self.runtime.url, values))
        return Call(
            method=self.request.method,
            url=url,
            headers=headers,
            body=body or None,
            within=self.within,
        )

    async def follow(self) -> Call:
        """The request that asks what became of the work."""
        if self.runtime.follow is None:
            raise ValueError("spec.runtime.follow is not there")
        return await self._get(self.runtime.follow.url)

    async def find(self) -> Call:
        """The request that searches for the work."""
        if self.runtime.find is None:
            raise ValueError("spec.runtime.find is not there")
        return await self._get(self.runtime.find.url)

    async def cancel(self) -> Call:
        """The request that asks to stop it."""
        if self.runtime.cancel is None:
            raise ValueError("this API cannot be asked to stop a run: spec.runtime has no cancel")
        call = await self._get(self.runtime.cancel.url)
        headers = signed(self.job, f"cancel-{self.job.run_id}", self.clock.now(), b"")
        return replace(call, method=self.runtime.cancel.method, headers=headers)

    async def read(self, expressions: Sequence[str], answer: Json) -> Mapping[str, Json]:
        """What expressions say of an answer. Raises EvaluationError."""
        return await self.evaluate(expressions, {**self._variables(), "answer": answer})

    async def handles(self, wanted: Mapping[str, str], answer: Json) -> dict[str, Json]:
        """What is kept of an answer. Raises EvaluationError, and ValueError for what is no handle.

        Each is a text or a number: it stands in addresses later on.
        """
        values = await self.read([*wanted.values()], answer)
        handle = {name: values[expression] for name, expression in wanted.items()}
        for name, value in handle.items():
            scalar = isinstance(value, str | int | float) and not isinstance(value, bool)
            if not scalar or not 0 < len(str(value)) <= MAX_HANDLE:
                raise ValueError(
                    f"handle.{name} is a text of 1 to {MAX_HANDLE} characters or a number, and "
                    f"{one_line(wanted[name], QUOTED)} gave something else"
                )
        return handle

    def _body(self, values: Mapping[str, Json]) -> bytes:
        if self.request.body is None:
            return json.dumps(run_of(self.job)).encode("ascii")
        return placeholders.body(self.request.body, values).encode("utf-8", "replace")

    def _own_texts(self) -> dict[str, str]:
        """Headers as the manifest writes them: a secret is never a template."""
        return {
            name: value for name, value in self.request.headers.items() if isinstance(value, str)
        }

    async def _get(self, text: str) -> Call:
        values = await self._values([text])
        url = self._admitted(placeholders.address(text, values))
        headers = {name.lower(): value for name, value in self.job.headers.items()}
        return Call(method="GET", url=url, headers=headers, within=self.within, limit=ANSWER_LIMIT)

    async def _values(self, texts: Sequence[Json]) -> Mapping[str, Json]:
        expressions = [text for each in texts for text in placeholders.expressions_in(each)]
        return await self.evaluate(expressions, self._variables())

    def _variables(self) -> dict[str, Json]:
        return {"run": run_of(self.job), "prompt": self.job.prompt, "handle": {**self.handle}}

    def _admitted(self, url: str) -> str:
        """The rule of the operator holds for the address as it is called."""
        if (refusal := self.reach.refusal(url)) is not None:
            raise ValueError(refusal)
        return url

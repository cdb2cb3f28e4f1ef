"""The webhook receiver: every check in a fixed order, each one final (docs/webhooks.md).

What is accepted is committed before it is answered. A refusal says nothing that helps a guesser:
one body for all unknown tokens, one for all bad signatures.
"""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

import structlog

from reconciler.clock import Clock, Ids
from reconciler.control.access.secrets import SecretStore
from reconciler.control.evaluation.evaluator import Evaluator
from reconciler.control.evaluation.titles import Titles
from reconciler.control.webhooks.accept import (
    Accepted,
    AcceptResult,
    Declined,
    Duplicate,
    KeyReused,
    Stale,
    Verified,
)
from reconciler.control.webhooks.answers import (
    BUSY,
    CHANGED,
    CLOSING,
    OTHER_BODY,
    OUTCOME_UNKNOWN,
    UNKNOWN,
    UNREADABLE,
    answer_of,
    answer_to,
    too_many,
)
from reconciler.control.webhooks.authenticate import Authenticated, Authenticator
from reconciler.control.webhooks.body import Body
from reconciler.control.webhooks.group import Full, GroupWriter, OutcomeUnknown
from reconciler.control.webhooks.inbound import Answer, InboundRequest, RequestRefused, problem
from reconciler.control.webhooks.limiter import BadCredentials
from reconciler.control.webhooks.prepare import Preparer
from reconciler.control.webhooks.recorder import Recorder
from reconciler.control.webhooks.refusals import Refusals
from reconciler.control.webhooks.token_cache import Opened, TokenCache
from reconciler.control.webhooks.writer_process import WriterProcess
from reconciler.core.base.errors import Conflict
from reconciler.core.webhooks.errors import BodyError
from reconciler.core.webhooks.token import is_token_shaped
from reconciler.store.engine.database import Database
from reconciler.store.webhooks.deliveries import Delivery, insert_deliveries

log = structlog.get_logger(__name__)

T = TypeVar("T")
Recorded = Accepted | Duplicate | Declined | Stale

READ_DEADLINE = 10.0
"""Seconds that a body may take to arrive."""


class _Ignored(Exception):
    """A genuine delivery that makes no run, and why."""

    def __init__(self, authenticated: Authenticated, why: str) -> None:
        self.authenticated = authenticated
        self.why = why
        super().__init__(why)


@dataclass(slots=True)
class Intake:
    """Receives deliveries. `writer` groups what is accepted into durable transactions, `ignored`
    what is genuine and makes no run.
    """

    database: Database
    secret_store: SecretStore
    evaluator: Evaluator
    titles: Titles
    ids: Ids
    clock: Clock
    cooldown: timedelta
    token_cache: TokenCache = field(init=False)
    limiter: BadCredentials = field(default_factory=BadCredentials)
    read_deadline: float = READ_DEADLINE
    closing: bool = False
    refusals: Refusals = field(init=False)
    helper: WriterProcess | None = None
    recorder: Recorder = field(init=False)
    writer: GroupWriter[Verified, AcceptResult] = field(init=False)
    ignored: GroupWriter[Delivery, None] = field(init=False)
    authenticator: Authenticator = field(init=False)
    preparer: Preparer = field(init=False)

    def __post_init__(self) -> None:
        self.token_cache = TokenCache(self.database)
        self.refusals = Refusals(self.database, self.ids, self.clock)
        self.recorder = Recorder(self.database, self.cooldown, self.helper)
        self.writer = GroupWriter(self.recorder.record)
        self.ignored = GroupWriter(self._record_ignored)
        self.authenticator = Authenticator(self.secret_store, self.clock)
        self.preparer = Preparer(self.evaluator, self.titles, self.ids, self.cooldown)

    async def receive(self, request: InboundRequest) -> Answer:
        """Answer one request; never raises for what a sender can do."""
        try:
            return await self._receive(request)
        except BodyError as error:
            return answer_to(error)
        except RequestRefused as refused:
            if refused.log is not None:
                level, event, fields = refused.log
                getattr(log, level)(event, **fields)
            return self._limited(request, refused)

    async def close(self) -> None:
        """Take nothing more, and write what was taken."""
        self.closing = True
        await self.writer.close()
        await self.ignored.close()
        await self.recorder.close()

    async def _receive(self, request: InboundRequest) -> Answer:
        """Take or refuse a request; first with what is remembered of the token.

        1. Method and shape of the token.
        2. The token is looked up, by index.
        3. Encoding, type and length; the body, within a deadline; its signature.
        4. Only what failed one of 2 and 3 is limited: a genuine delivery is never turned away
           because of what else came from its sender's address.
        5. The body is parsed and the run is made.
        """
        self._require_open(request)
        body, moment = Body(request.body, self.read_deadline), self.clock.monotonic()
        known = self.token_cache.remembered(request.token, moment)
        if known is not None:
            quick = self._quickly(request, known, body)
            if (answer := await self._noting(quick, request, known, body)) is not None:
                return answer
        # What was remembered may be stale: before anything is refused, the database is asked.
        opened = await self._look_up(request.token, moment)
        attempt = self._attempt(request, opened, body)
        try:
            result = await self._noting(attempt, request, opened, body)
        except _Ignored as ignored:
            return await self._ignore(ignored.authenticated, ignored.why)
        if isinstance(result, Stale):
            raise RequestRefused(CHANGED)
        return answer_of(result)

    async def _look_up(self, token: str, moment: float) -> Opened:
        try:
            opened = await self.token_cache.look_up(token, moment)
        except Conflict as error:  # no fault of the sender: it should keep trying
            entry = ("error", "webhook cannot be taken", {"why": str(error)})
            raise RequestRefused(UNREADABLE, log=entry) from None
        if opened is None:
            raise RequestRefused(UNKNOWN, bad=True)
        return opened

    async def _noting(
        self, attempt: Awaitable[T], request: InboundRequest, opened: Opened, body: Body
    ) -> T:
        """The result of an attempt; what ends it otherwise is noted."""
        try:
            return await attempt
        except (RequestRefused, BodyError) as end:
            wait = self._wait(request) if isinstance(end, RequestRefused) and end.bad else None
            status = answer_to(end).status if wait is None else too_many(wait).status
            await self.refusals.note(request, opened, answer_to(end), status, body.size)
            raise

    async def _quickly(self, request: InboundRequest, known: Opened, body: Body) -> Answer | None:
        """The answer of a delivery that is taken; None where a fresh read must decide."""
        try:
            result = await self._attempt(request, known, body)
        except (BodyError, _Ignored):
            return None
        except RequestRefused as refused:
            if refused.final:
                raise
            return None
        return None if isinstance(result, Stale) else answer_of(result)

    async def _attempt(self, request: InboundRequest, opened: Opened, body: Body) -> Recorded:
        authenticated = await self.authenticator.authenticate(request, opened, body)
        if why := await self.preparer.why_ignored(authenticated):
            raise _Ignored(authenticated, why)
        return await self._take(await self.preparer.prepare(authenticated))

    def _require_open(self, request: InboundRequest) -> None:
        if request.method != "POST":
            raise RequestRefused(problem(405, "method-not-allowed", "send a POST", Allow="POST"))
        if not is_token_shaped(request.token):
            raise RequestRefused(UNKNOWN, bad=True)
        if self.closing:
            raise RequestRefused(CLOSING)

    def _limited(self, request: InboundRequest, refused: RequestRefused) -> Answer:
        """The answer to a refused request: 429 where it is one bad credential too many."""
        if not refused.bad:
            return refused.answer
        if (wait := self._wait(request)) is not None:
            return too_many(wait)
        self.limiter.failed(request.client, self.clock.monotonic())
        return refused.answer

    def _wait(self, request: InboundRequest) -> int | None:
        return self.limiter.retry_after(request.client, self.clock.monotonic())

    async def _ignore(self, authenticated: Authenticated, why: str) -> Answer:
        delivery = self.preparer.delivery(authenticated, None, verdict="ignored", reason=why)
        try:
            await self.ignored.submit(delivery)
        except Full:
            raise RequestRefused(BUSY, final=True) from None
        return Answer(200, {"status": "ignored", "reason": why})

    async def _record_ignored(self, group: Sequence[Delivery]) -> Sequence[None]:
        await self.database.awrite(lambda tx: insert_deliveries(tx, group))
        return [None] * len(group)

    async def _take(self, verified: Verified) -> Recorded:
        try:
            result = await self.writer.submit(verified)
        except Full:
            raise RequestRefused(BUSY, final=True) from None
        except OutcomeUnknown:
            raise RequestRefused(OUTCOME_UNKNOWN, final=True) from None
        if isinstance(result, KeyReused):
            raise RequestRefused(OTHER_BODY, final=True)
        return result

"""The webhook receiver: every check in the contract's order, each one final (contract 8.3).

What is accepted is committed before it is answered. A refusal says nothing that helps a guesser:
one body for all unknown tokens, one for all bad signatures.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

import structlog

from reconciler.clock import Clock, Ids
from reconciler.control.accept import (
    Duplicate,
    Moved,
    NotTaken,
    OtherBody,
    Result,
    Taken,
    Verified,
)
from reconciler.control.admit import Firing
from reconciler.control.body import Body, too_large
from reconciler.control.doors import Doors, Opened
from reconciler.control.evaluator import Evaluator, Failed, Kind
from reconciler.control.group import Full, GroupWriter, OutcomeUnknown
from reconciler.control.hook_answers import (
    BUSY,
    CHANGED,
    CLOSING,
    MISSING_SECRET,
    OTHER_BODY,
    OUTCOME_UNKNOWN,
    UNAUTHORIZED,
    UNKNOWN,
    UNREADABLE,
    answer_of,
    answer_to,
    greet,
    too_many,
)
from reconciler.control.inbound import Answer, InboundRequest, Refused, problem
from reconciler.control.limiter import BadCredentials
from reconciler.control.recorder import Recorder
from reconciler.control.refusals import Refusals
from reconciler.control.titles import Facts, Prepared, Titles, needs_evaluation, unevaluated
from reconciler.control.vault import Vault
from reconciler.control.writer_process import WriterProcess
from reconciler.core.body_error import BodyError
from reconciler.core.delivery_key import body_fingerprint, delivery_key, replay_fingerprint
from reconciler.core.errors import Conflict
from reconciler.core.expression import event_scope
from reconciler.core.force import NotInForce, force_of
from reconciler.core.handshake import event_name, handshake
from reconciler.core.ingress import verify
from reconciler.core.media_type import media_type, refuse_encoding
from reconciler.core.payload import JSONValue, parse_body
from reconciler.core.run import Source
from reconciler.core.trigger import Scheme, WebhookTrigger
from reconciler.core.webhook_headers import (
    expression_headers,
    refuse_ambiguous_headers,
    shown_headers,
)
from reconciler.core.webhook_token import is_token_shaped
from reconciler.store.database import Database
from reconciler.store.deliveries import Delivery, insert_deliveries

log = structlog.get_logger(__name__)

T = TypeVar("T")
Recorded = Taken | Duplicate | NotTaken | Moved

LARGE = 64 * 1024
"""Bytes from which a body is parsed beside the event loop."""
READ_DEADLINE = 10.0
"""Seconds that a body may take to arrive."""


class _Ignored(Exception):
    """A genuine delivery that makes no run, and why."""

    def __init__(self, read: "_Read", why: str) -> None:
        self.read = read
        self.why = why
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class _Read:
    """A delivery whose signature holds."""

    opened: Opened
    headers: Mapping[str, str]
    body: bytes
    payload: JSONValue
    secrets: Sequence[str]
    now: datetime


@dataclass(slots=True)
class Intake:
    """Receives deliveries. `writer` groups what is accepted into durable transactions."""

    database: Database
    vault: Vault
    evaluator: Evaluator
    titles: Titles
    ids: Ids
    clock: Clock
    cooldown: timedelta
    doors: Doors = field(init=False)
    limiter: BadCredentials = field(default_factory=BadCredentials)
    read_deadline: float = READ_DEADLINE
    closing: bool = False
    refusals: Refusals = field(init=False)
    helper: WriterProcess | None = None
    recorder: Recorder = field(init=False)
    writer: GroupWriter[Verified, Result] = field(init=False)

    def __post_init__(self) -> None:
        self.doors = Doors(self.database)
        self.refusals = Refusals(self.database, self.ids, self.clock)
        self.recorder = Recorder(self.database, self.cooldown, self.helper)
        self.writer = GroupWriter(self.recorder.record)

    async def receive(self, request: InboundRequest) -> Answer:
        """Answer one request; never raises for what a sender can do."""
        try:
            return await self._receive(request)
        except (Refused, BodyError) as end:
            if isinstance(end, Refused):
                self._note(request, end)
            return answer_to(end)
        except _Ignored as ignored:
            return await self._ignore(ignored.read, ignored.why)

    async def close(self) -> None:
        """Take nothing more, and write what was taken."""
        self.closing = True
        await self.writer.close()
        await self.recorder.close()

    async def _receive(self, request: InboundRequest) -> Answer:
        """The steps of contract 8.3, in order; first with what is remembered of the token."""
        self._require_open(request)
        body, moment = Body(request.body, self.read_deadline), self.clock.monotonic()
        known = self.doors.remembered(request.token, moment)
        if known is not None:
            quick = self._quickly(request, known, body)
            if (answer := await self._noting(quick, request, known, body)) is not None:
                return answer
        opened = await self._look_up(request.token, moment)
        attempt = self._attempt(request, opened, body)
        result = await self._noting(attempt, request, opened, body)
        if isinstance(result, Moved):
            raise Refused(CHANGED)
        return answer_of(result)

    async def _look_up(self, token: str, moment: float) -> Opened:
        try:
            opened = await self.doors.look_up(token, moment)
        except Conflict as error:  # no fault of the sender: it should keep trying
            said = ("error", "webhook cannot be taken", {"why": str(error)})
            raise Refused(UNREADABLE, log=said) from None
        if opened is None:
            raise Refused(UNKNOWN, counts=True)
        return opened

    async def _noting(
        self, attempt: Awaitable[T], request: InboundRequest, opened: Opened, body: Body
    ) -> T:
        """The result of an attempt; what ends it otherwise is noted (contract 8.3)."""
        try:
            return await attempt
        except (Refused, BodyError) as end:
            await self.refusals.note(request, opened, answer_to(end), body.size)
            raise

    async def _quickly(self, request: InboundRequest, known: Opened, body: Body) -> Answer | None:
        """The answer of a delivery that is taken; None where a fresh look must decide."""
        try:
            result = await self._attempt(request, known, body)
        except (BodyError, _Ignored):
            return None
        except Refused as refused:
            if refused.final:
                raise
            return None
        return None if isinstance(result, Moved) else answer_of(result)

    async def _attempt(self, request: InboundRequest, opened: Opened, body: Body) -> Recorded:
        headers = _require_readable(request, opened.trigger)
        whole = await body.read(opened.trigger.max_body)
        read = await self._verify(opened, headers, whole)
        if (greeting := _greeting(read)) is not None:
            raise Refused(greeting)
        return await self._take(await self._prepare(read))

    def _require_open(self, request: InboundRequest) -> None:
        if request.method != "POST":
            raise Refused(problem(405, "method-not-allowed", "send a POST", Allow="POST"))
        if not is_token_shaped(request.token):
            raise Refused(UNKNOWN, counts=True)
        if self.closing:
            raise Refused(CLOSING)
        wait = self.limiter.retry_after(request.remote, self.clock.monotonic())
        if wait is not None:
            raise Refused(too_many(wait))

    def _note(self, request: InboundRequest, refused: Refused) -> None:
        if refused.counts:
            self.limiter.failed(request.remote, self.clock.monotonic())
        if refused.log is not None:
            level, event, fields = refused.log
            getattr(log, level)(event, **fields)

    async def _verify(self, opened: Opened, headers: Mapping[str, str], body: bytes) -> _Read:
        signature, now = opened.trigger.signature, self.clock.now()
        trigger = opened.target.trigger_id
        active = self.vault.active(signature.secrets, opened.live.workspace, now)
        secrets = active.found
        if not secrets and signature.scheme is not Scheme.NONE:
            why = "; ".join(active.missing) or "no secret is active"
            raise _missing_secret(trigger, why)
        valid = verify(
            signature.scheme,
            secrets,
            headers,
            body,
            now,
            header=signature.header,
            encoding=signature.encoding,
            prefix=signature.prefix,
            tolerance=signature.tolerance,
        )
        if not valid and active.missing:
            # It may well be signed with the one that is missing: not the sender's fault.
            raise _missing_secret(trigger, "; ".join(active.missing))
        if not valid:
            said = ("info", "signature refused", {"trigger": trigger})
            raise Refused(UNAUTHORIZED, counts=True, log=said)
        if (greeting := handshake(signature.scheme, headers)) is not None:
            raise Refused(greet(greeting))
        content_type = headers.get("content-type")
        if len(body) < LARGE:
            parsed = parse_body(content_type, body)
        else:
            parsed = await asyncio.to_thread(parse_body, content_type, body)
        return _Read(opened, headers, body, parsed.payload, secrets, now)

    async def _prepare(self, read: _Read) -> Verified:
        """In force, enabled and `when`; then what the transaction needs, evaluated before it."""
        opened = read.opened
        if why := await self._why_ignored(read):
            raise _Ignored(read, why)
        key = delivery_key(opened.trigger.signature.scheme, read.headers, read.payload, read.body)
        run_id = self.ids.new(read.now)
        prepared = await self._title(read, run_id)
        delivery = self._delivery(read, key.value if key else None)
        firing = Firing(
            id=run_id,
            autopilot_id=opened.live.id,
            source=Source.WEBHOOK,
            at=read.now,
            title=prepared.title,
            key=prepared.key,
            trigger_id=opened.target.trigger_id,
            payload=read.payload,
            delivery_id=delivery.id,
        )
        signature = opened.trigger.signature
        window = opened.trigger.replay_window
        signed = (signature.scheme, read.secrets, read.headers, read.body)
        return Verified(
            autopilot_id=opened.live.id,
            trigger_id=opened.target.trigger_id,
            changed_at=opened.target.updated_at,
            digest=opened.live.digest,
            delivery=delivery,
            firing=firing,
            key=key.value if key else None,
            explicit=bool(key and key.explicit),
            replay=replay_fingerprint(*signed) if window else None,
            replay_window=window,
        )

    async def _title(self, read: _Read, run_id: str) -> Prepared:
        live = read.opened.live
        if not needs_evaluation(live):
            return unevaluated(live)
        facts = Facts(
            run_id=run_id,
            source=Source.WEBHOOK,
            at=read.now,
            trigger=read.opened.target.document,
            payload=read.payload,
            headers=self._expression_headers(read),
        )
        return await asyncio.to_thread(self.titles.prepare, live, facts)

    def _expression_headers(self, read: _Read) -> dict[str, str]:
        return expression_headers(read.headers, read.opened.trigger.signature.header)

    async def _why_ignored(self, read: _Read) -> str | None:
        opened = read.opened
        force = force_of(opened.live.switches, self.cooldown, read.now)
        if isinstance(force, NotInForce):
            return force.why
        if not opened.trigger.enabled:
            return "the trigger is disabled"
        if opened.trigger.when is None:
            return None
        scope = event_scope(
            opened.live.document(),
            opened.target.document,
            payload=read.payload,
            headers=self._expression_headers(read),
        )
        (result,) = await self.evaluator.soon([(opened.trigger.when, Kind.CONDITION)], scope)
        if isinstance(result, Failed):
            if result.transient:
                raise Refused(BUSY, final=True)
            return f"the condition 'when' could not be evaluated: {result.message}"
        return None if result.value else "the condition 'when' is false"

    async def _ignore(self, read: _Read, why: str) -> Answer:
        delivery = self._delivery(read, None, verdict="ignored", reason=why)
        await self.database.awrite(lambda tx: insert_deliveries(tx, [delivery]))
        return Answer(200, {"status": "ignored", "reason": why})

    def _delivery(
        self, read: _Read, key: str | None, *, verdict: str = "accepted", reason: str | None = None
    ) -> Delivery:
        opened, scheme = read.opened, read.opened.trigger.signature.scheme
        return Delivery(
            id=self.ids.new(read.now),
            received_at=read.now,
            verdict=verdict,
            status_code=202 if verdict == "accepted" else 200,
            verified=scheme is not Scheme.NONE,
            trigger_id=opened.target.trigger_id,
            autopilot_id=opened.live.id,
            workspace_id=opened.live.workspace,
            reason=reason,
            scheme=scheme,
            event=(event_name(scheme, read.headers, read.payload) or "")[:200] or None,
            provider_id=key,
            headers=shown_headers(scheme, read.headers),
            content_type=(read.headers.get("content-type") or "")[:200] or None,
            body=read.body,
            body_size=len(read.body),
            body_sha256=body_fingerprint(read.body),
        )

    async def _take(self, verified: Verified) -> Recorded:
        try:
            result = await self.writer.submit(verified)
        except Full:
            raise Refused(BUSY, final=True) from None
        except OutcomeUnknown:
            raise Refused(OUTCOME_UNKNOWN, final=True) from None
        if isinstance(result, OtherBody):
            raise Refused(OTHER_BODY, final=True)
        return result


def _require_readable(request: InboundRequest, trigger: WebhookTrigger) -> Mapping[str, str]:
    """Headers, encoding, type and declared length, before a byte of the body is read."""
    headers = request.named
    if request.repeats or "transfer-encoding" in headers:
        refuse_ambiguous_headers(request.headers, trigger.signature.header)
    refuse_encoding(headers.get("content-encoding"))
    media_type(headers.get("content-type"))
    declared = headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > trigger.max_body:
        raise Refused(too_large(trigger.max_body))
    return headers


def _missing_secret(trigger_id: str, why: str) -> Refused:
    said = ("error", "secret missing", {"trigger": trigger_id, "why": why})
    return Refused(MISSING_SECRET, log=said)


def _greeting(read: _Read) -> Answer | None:
    scheme = read.opened.trigger.signature.scheme
    greeting = handshake(scheme, read.headers, read.payload)
    return None if greeting is None else greet(greeting)

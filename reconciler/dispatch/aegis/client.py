"""The Aegis session API, call by call; each answers with a value that says what to do about it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from reconciler.clock import Clock
from reconciler.core.runs.run import Json
from reconciler.dispatch.aegis.reading import (
    Session,
    Transcript,
    read_session,
    read_transcript,
)
from reconciler.dispatch.wire import (
    Call,
    Exchange,
    Oversized,
    Reply,
    Unanswered,
    Unreached,
    Unsendable,
    exchange,
)

PAGE = 100
"""Sessions of one list call; the server allows no more."""
MOST_PAGES = 50
TRANSCRIPT_LIMIT = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds; tests make them short."""

    call: float = 15.0
    """For any call but the next one."""
    create: float = 60.0
    """For a creation without a prompt, which takes under a second on an idle host."""
    create_with_prompt: float = 300.0
    """A server may block for 270 s."""
    limited: float = 10.0
    """How long a key rests after a 429 that names no time."""
    longest_rest: float = 300.0
    """The most that a `Retry-After` is believed."""
    poll: float = 1.0
    """Between two looks for a prompt that may have arrived."""
    error_stays: float = 10.0
    """How long `error` must stay until the run has failed."""
    read_again: float = 15.0
    """How long a transcript is not read again while the list shows no activity."""


@dataclass(frozen=True, slots=True)
class Target:
    """One server as one key sees it; the limits of calls are per key."""

    url: str
    token: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Absent:
    """404: there is no such session."""


@dataclass(frozen=True, slots=True)
class Down:
    """Not reached: nothing happened."""

    message: str


@dataclass(frozen=True, slots=True)
class Busy:
    """The server said no for now (429, 503): nothing happened."""

    message: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Unsure:
    """No answer, or one that says nothing (5xx, nonsense): it may have happened."""

    message: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The server will never do this (400, 401, 403, 422): nothing happened."""

    message: str


Trouble = Down | Busy | Unsure | Rejected


@dataclass(frozen=True, slots=True)
class Created:
    """What a creation gave. `reused`: somebody's idle session instead of a new one."""

    session: Session
    reused: bool
    delivered: bool


@dataclass(slots=True)
class AegisClient:
    """The API of one target. After a 429 no call leaves before the time that it named."""

    http: httpx.AsyncClient
    target: Target
    waits: Waits
    clock: Clock
    _rest_until: float = 0.0

    async def sessions(self) -> tuple[Session, ...] | Trouble:
        """All sessions of the key: one call for each hundred."""
        sessions: dict[str, Session] = {}
        for page in range(1, MOST_PAGES + 1):
            answer = await self._call("GET", f"/v1/sessions?page={page}&limit={PAGE}")
            if not isinstance(answer, Reply):
                return answer if not isinstance(answer, Absent) else self._nonsense("404 to a list")
            body = answer.object()
            listed = body.get("sessions")
            if not isinstance(listed, list):
                return self._nonsense("a list without sessions")
            sessions |= {s.id: s for s in map(read_session, listed) if s is not None}
            if page >= _pages(body, len(listed), page):
                break
        return tuple(sessions.values())

    async def session(self, session_id: str) -> Session | Absent | Trouble:
        """One session by its id."""
        answer = await self._call("GET", f"/v1/sessions/{session_id}")
        if not isinstance(answer, Reply):
            return answer
        return read_session(answer.object()) or self._nonsense("a session without an id")

    async def transcript(self, session_id: str) -> Transcript | Absent | Trouble:
        """What was said in a session."""
        answer = await self._call("GET", f"/v1/sessions/{session_id}/read", limit=TRANSCRIPT_LIMIT)
        if not isinstance(answer, Reply):
            return answer
        return read_transcript(answer.object()) or self._nonsense("a transcript without messages")

    async def create(self, request: Mapping[str, Json]) -> Created | Trouble:
        """A session; with a `prompt` the call may block for minutes."""
        within = self.waits.create_with_prompt if "prompt" in request else self.waits.create
        answer = await self._call("POST", "/v1/sessions", request, within=within)
        if isinstance(answer, Absent):
            return Rejected(f"{self.target.url} has no session API: 404 to POST /v1/sessions")
        if not isinstance(answer, Reply):
            return answer
        body = answer.object()
        session = read_session(body)
        if session is None:
            return self._nonsense("a creation without the id of a session")
        delivery = body.get("promptDelivery")
        delivered = isinstance(delivery, dict) and delivery.get("delivered") is True
        reused = answer.status == 200 or body.get("reused") is True
        return Created(session, reused, delivered)

    async def send(self, session_id: str, text: str) -> bool | Absent | Trouble:
        """Type a text into a session: whether the server saw it arrive."""
        answer = await self._call("POST", f"/v1/sessions/{session_id}/send", {"text": text})
        return answer.object().get("delivered") is True if isinstance(answer, Reply) else answer

    async def interrupt(self, session_id: str) -> None:
        """Ask the agent to leave off; what comes of it is seen by `delete`."""
        await self._call("POST", f"/v1/sessions/{session_id}/interrupt", {})

    async def delete(self, session_id: str) -> Absent | Trouble | None:
        """End a session; None where the server says that it did."""
        answer = await self._call("DELETE", f"/v1/sessions/{session_id}")
        return None if isinstance(answer, Reply) else answer

    async def has_run_since(self, moment: Json) -> bool:
        """Whether the server is the same process as at `moment` (seconds since 1970).

        One that was started later knows no session from before, while its agent may live on. An
        answer without `uptime` says nothing.
        """
        answer = await self._call("GET", "/v1/health")
        if not isinstance(answer, Reply) or not isinstance(moment, int | float):
            return False
        uptime = answer.object().get("uptime")
        if not isinstance(uptime, int | float):
            return False
        return self.clock.now().timestamp() - uptime <= moment

    async def sse_token(self) -> str | Trouble:
        """A token for one stream of events."""
        answer = await self._call("POST", "/v1/auth/sse-token", {})
        if not isinstance(answer, Reply):
            return answer if not isinstance(answer, Absent) else self._nonsense("no event stream")
        token = answer.object().get("token")
        return token if isinstance(token, str) and token else self._nonsense("no token")

    async def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Json] | None = None,
        *,
        within: float | None = None,
        limit: int = 1024 * 1024,
    ) -> Reply | Absent | Trouble:
        pause = self._rest_until - self.clock.monotonic()
        if pause > 0:
            return Busy(f"{self.target.url} asked for a rest of {pause:.0f} s", pause)
        call = Call(
            method=method,
            url=self.target.url.rstrip("/") + path,
            headers=self._headers(body),
            # A JSON content type with an empty body is 400, hence `{}`; and none without a body.
            body=None if body is None else json.dumps(body).encode("ascii"),
            within=within or self.waits.call,
            limit=limit,
        )
        return self._judged(await exchange(self.http, call), method, path)

    def _headers(self, body: Mapping[str, Json] | None) -> dict[str, str]:
        token = (
            {} if self.target.token is None else {"authorization": f"Bearer {self.target.token}"}
        )
        return token if body is None else {**token, "content-type": "application/json"}

    def _judged(self, answer: Exchange, method: str, path: str) -> Reply | Absent | Trouble:
        match answer:
            case Reply(status) if 200 <= status < 300:
                return answer
            case Reply(404) if answer.object().get("code") == "NOT_FOUND":
                return Absent()  # a proxy that does not know the way is no proof of anything
            case Reply(429 | 503):
                return self._pause(answer)
            case Reply(status) if status >= 500 or status == 404:
                return Unsure(self._message_of(answer, method, path))
            case Reply():
                return Rejected(self._message_of(answer, method, path))
            case Unreached(message):
                return Down(message)
            case Unsendable(message):
                return Rejected(message)
            case Unanswered(message) | Oversized(message):
                return Unsure(message)

    def _pause(self, answer: Reply) -> Busy:
        asked = answer.retry_after()
        pause = self.waits.limited if asked is None else min(asked, self.waits.longest_rest)
        self._rest_until = self.clock.monotonic() + pause
        return Busy(f"{self.target.url} answered {answer.status}: {answer.summary()}", pause)

    def _message_of(self, answer: Reply, method: str, path: str) -> str:
        where = f"{method} {path.partition('?')[0]}"
        return f"{self.target.url} answered {answer.status} to {where}: {answer.summary()}"

    def _nonsense(self, what: str) -> Unsure:
        return Unsure(f"{self.target.url} answered {what}")


def _pages(body: Mapping[str, Json], listed: int, page: int) -> int:
    """How many pages there are; without a word about it, another one after each full one."""
    pagination = body.get("pagination")
    total = pagination.get("totalPages") if isinstance(pagination, dict) else None
    if isinstance(total, int):
        return total
    return page + 1 if listed >= PAGE else page

"""The Aegis session API, call by call; each answers with a value that says what to do about it."""

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from reconciler.clock import Clock
from reconciler.core.runs.run import Json
from reconciler.dispatch.aegis.answers import Absent, Busy, Down, Rejected, Trouble, Unsure
from reconciler.dispatch.aegis.reading import Created, Ready, Session, read_created, read_session
from reconciler.dispatch.aegis.waits import Waits
from reconciler.dispatch.aegis.words.transcript import Entry, read_entries
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
ENTRIES = 200
"""Entries of one page of a transcript, likewise."""
MOST_PAGES = 50
TRANSCRIPT_LIMIT = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Target:
    """One server as one key sees it; the limits of calls are per key."""

    url: str
    token: str | None = field(repr=False)


@dataclass(slots=True)
class AegisClient:
    """The API of one target. After a 429 no call leaves before the time that it named."""

    http: httpx.AsyncClient
    target: Target
    waits: Waits
    clock: Clock
    _rest_until: float = 0.0
    _left_at: deque[float] = field(default_factory=deque)
    _batch_at: float = float("-inf")

    def has_room(self, spare: int = 0) -> bool:
        """Whether a poll may leave: starts and stops need some of the calls of a minute, and
        `spare` of them what is more urgent."""
        now = self.clock.monotonic()
        while self._left_at and self._left_at[0] <= now - 60:
            self._left_at.popleft()
        return len(self._left_at) < self.waits.per_minute - self.waits.reserved - spare

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

    async def ready(self, session_id: str) -> Ready | Absent | Trouble:
        """What the terminal of a session says at this moment; the list is seconds late."""
        answer = await self._call("GET", f"/v1/sessions/{session_id}/health")
        if not isinstance(answer, Reply):
            return answer
        body = answer.object()
        status = body.get("status")
        return Ready(
            status if isinstance(status, str) else "unknown",
            body.get("claudeRunning") is not False,
        )

    async def transcript(self, session_id: str) -> tuple[Entry, ...] | Absent | Trouble:
        """What was said in a session, oldest first. Not by `/read`, which consumes."""
        entries: list[Entry] = []
        for page in range(1, MOST_PAGES + 1):
            path = f"/v1/sessions/{session_id}/transcript?page={page}&limit={ENTRIES}"
            answer = await self._call("GET", path, limit=TRANSCRIPT_LIMIT)
            if not isinstance(answer, Reply):
                return answer
            body = answer.object()
            read = read_entries(body)
            if read is None:
                return self._nonsense("a transcript without messages")
            entries += read
            if body.get("hasMore") is not True:
                break
        return tuple(sorted(entries, key=lambda entry: entry.at))

    async def pane(self, session_id: str) -> str | Absent | Trouble:
        """The terminal of a session."""
        answer = await self._call("GET", f"/v1/sessions/{session_id}/pane")
        if not isinstance(answer, Reply):
            return answer
        pane = answer.object().get("pane")
        return pane if isinstance(pane, str) else self._nonsense("a pane without text")

    async def create(self, request: Mapping[str, Json]) -> Created | Trouble:
        """A session without a prompt."""
        answer = await self._call("POST", "/v1/sessions", request, within=self.waits.create)
        if isinstance(answer, Absent):
            return Rejected(f"{self.target.url} has no session API: 404 to POST /v1/sessions")
        if not isinstance(answer, Reply):
            return answer
        created = read_created(answer.object(), reused=answer.status == 200)
        return created or self._nonsense("a creation without the id of a session")

    async def batch(self, request: Mapping[str, Json]) -> Created | Trouble:
        """A session with its prompt, and never somebody's idle one.

        A key is admitted one batch in five seconds: the call waits for its turn.
        """
        now = self.clock.monotonic()
        turn = max(now, self._batch_at + self.waits.between_batches)
        self._batch_at = turn
        await asyncio.sleep(turn - now)
        body: Mapping[str, Json] = {"sessions": [dict(request)]}
        answer = await self._call("POST", "/v1/sessions/batch", body, within=self.waits.batch)
        if isinstance(answer, Absent):
            return Rejected(f"{self.target.url} takes no prompt of this length: 404 to a batch")
        if not isinstance(answer, Reply):
            return answer
        made = answer.object().get("sessions")
        created = read_created(made[0], reused=False) if isinstance(made, list) and made else None
        return created or Unsure(f"{self.target.url} made no session: {answer.summary()}")

    async def send(self, session_id: str, text: str) -> Trouble | None:
        """Type a text into a session. Nothing in the answer proves that it arrived."""
        answer = await self._call("POST", f"/v1/sessions/{session_id}/send", {"text": text})
        # A line that tmux cannot type is a 404 as well: only a look at the session can tell.
        if isinstance(answer, Absent):
            return self._nonsense("404 to a text")
        return None if isinstance(answer, Reply) else answer

    async def interrupt(self, session_id: str) -> None:
        """Ask the agent to leave off; what comes of it is seen by `delete`."""
        await self._call("POST", f"/v1/sessions/{session_id}/interrupt", {})

    async def delete(self, session_id: str) -> Absent | Trouble | None:
        """End a session; None where the server says that it did."""
        answer = await self._call("DELETE", f"/v1/sessions/{session_id}")
        return None if isinstance(answer, Reply) else answer

    async def metrics(self, session_id: str) -> Mapping[str, Json] | Absent | Trouble:
        """What a session has used so far; empty where that is not known (yet)."""
        answer = await self._call("GET", f"/v1/sessions/{session_id}/metrics")
        if not isinstance(answer, Reply):
            return answer
        usage = answer.object().get("tokenUsage")
        return usage if isinstance(usage, dict) else {}

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
        now = self.clock.monotonic()
        if (pause := self._rest_until - now) > 0:
            return Busy(f"{self.target.url} asked for a rest of {pause:.0f} s", pause)
        self._left_at.append(now)
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

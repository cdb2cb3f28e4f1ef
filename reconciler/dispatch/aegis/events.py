"""Aegis events as hints to look sooner; polling stays the truth.

A hint says "look", never "what": lost, doubled or invented ones are harmless. A listener lives
while its server is looked at, and comes back by itself with `Last-Event-ID`.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field

import httpx

from reconciler.core.runs.run import Json
from reconciler.dispatch.aegis.client import AegisClient

LONGEST_LINE = 1024 * 1024
LONGEST_ID = 100
NEWS = frozenset({"Stop", "StopFailure", "PermissionRequest", "Notification"})
"""Hooks after which a list shows something new; those of each tool would use up the calls."""
ENDS = frozenset({"session_ended", "session_dead", "session_approval", "session_stall"})
"""Events likewise."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Seconds."""

    first_pause: float = 1.0
    """Before a stream that broke off is opened again; it doubles each time."""
    longest_pause: float = 60.0
    silence: float = 120.0
    """After which a stream counts as broken."""
    between_hints: float = 2.0
    """A busy server gives no more hints than this: each one is a list call."""
    unused: float = 120.0
    """A server that nobody looked at for this long is not listened to."""


@dataclass(slots=True)
class Frames:
    """Server-sent events out of bytes; only `id` and `data` matter here."""

    _unread: bytes = b""
    _id: str | None = None
    _data: list[str] = field(default_factory=list)

    def feed(self, chunk: bytes) -> list[tuple[str | None, str]]:
        """The events that are complete now. ValueError: a line without end."""
        *lines, self._unread = (self._unread + chunk).split(b"\n")
        if len(self._unread) > LONGEST_LINE:
            raise ValueError("a line without end")
        return [event for line in lines if (event := self._line(line.rstrip(b"\r"))) is not None]

    def _line(self, line: bytes) -> tuple[str | None, str] | None:
        if not line:
            event = (self._id, "\n".join(self._data)) if self._data else None
            self._id, self._data = None, []
            return event
        name, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "id":
            self._id = value
        return None


@dataclass(slots=True)
class Listener:
    """Listens to one server by one key.

    `hear` is called with a followed session and the hook that its agent called; `notify` when
    another poll would find news.
    """

    api: AegisClient
    hear: Callable[[str, str], None]
    notify: Callable[[], None]
    rhythm: Rhythm
    followed: frozenset[str] = frozenset()
    _last_id: str | None = None
    _looked_at: float = 0.0
    _woke_at: float = float("-inf")
    _task: "asyncio.Task[None] | None" = None

    def follow(self, sessions: frozenset[str]) -> None:
        """These sessions are of interest now; start to listen if nobody does."""
        self.followed = sessions
        self._looked_at = self.api.clock.monotonic()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(
                self._listen(), name=f"events of {self.api.target.url}"
            )

    async def close(self) -> None:
        """Listen no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _listen(self) -> None:
        pause = self.rhythm.first_pause
        while self.api.clock.monotonic() - self._looked_at < self.rhythm.unused:
            async with aclosing(self._events()) as events:
                async for event_id, data in events:
                    pause = self.rhythm.first_pause
                    self._take(event_id, data)
            await asyncio.sleep(pause)
            pause = min(2 * pause, self.rhythm.longest_pause)

    async def _events(self) -> AsyncGenerator[tuple[str | None, str]]:
        token = await self.api.sse_token()
        if not isinstance(token, str):
            return
        headers = {"accept": "text/event-stream", "accept-encoding": "identity"}
        if self._last_id is not None:
            headers["last-event-id"] = self._last_id
        url, frames = f"{self.api.target.url}/v1/events", Frames()
        timeout = httpx.Timeout(None, connect=5.0, read=self.rhythm.silence)
        with suppress(httpx.HTTPError, httpx.InvalidURL, ValueError):
            async with self.api.http.stream(
                "GET", url, params={"token": token}, headers=headers, timeout=timeout
            ) as answer:
                if answer.status_code != 200:
                    return
                async for chunk in answer.aiter_raw():
                    for event in frames.feed(chunk):
                        yield event

    def _take(self, event_id: str | None, data: str) -> None:
        if event_id and len(event_id) <= LONGEST_ID and event_id.isascii():
            self._last_id = event_id
        news, now = _news_of(data), self.api.clock.monotonic()
        if news is None or news[0] not in self.followed:
            return
        self.hear(*news)
        if now - self._woke_at >= self.rhythm.between_hints:
            self._woke_at = now
            self.notify()


def _news_of(data: str) -> tuple[str, str] | None:
    """The session of an event after which a list shows something new, and the hook or event."""
    with suppress(ValueError, RecursionError):
        event = json.loads(data)
        session_id = event.get("sessionId") if isinstance(event, dict) else None
        if isinstance(session_id, str) and (name := _name_of(event)) in NEWS | ENDS:
            return session_id, name
    return None


def _name_of(event: Mapping[str, Json]) -> str:
    detail = event.get("data")
    hook = detail.get("hookEvent") if isinstance(detail, dict) else None
    return f"{event.get('event') if hook is None else hook}"

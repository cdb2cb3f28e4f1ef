"""The state of the stand-in Aegis server: sessions that pass through their statuses by themselves.

What a real session does with Claude Code, a session here does by a script in time: it boots
(`unknown`, then `idle`), and once it has a prompt it is `working`, says something, asks for more
(`waiting_for_input`) and rests (`idle`). Tests change the script: hold it, end it, break it.
"""

import asyncio
import time
import uuid
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Json = Any
REPLAYED = 50


@dataclass
class Script:
    """What sessions do, in seconds; all of it can be set by a test."""

    boot: float = 0.01
    think: float = 0.01
    work: float = 0.03
    settle: float = 0.01
    hold: bool = False
    """A session stays at work until a test ends it."""
    silent: bool = False
    """A session comes to rest without an assistant message."""
    create_block: float = 0.0
    """How long a create with a prompt takes to answer; on a real server up to 270 s."""
    delivery: list[str] = field(default_factory=list)
    """For the next sends: `ok`, `ran` (says delivered: false, but it ran) or `lost`."""
    per_minute: int = 0
    """Calls of one key in a minute before 429; 0 = any number."""
    retry_after: int | None = 1
    """What a 429 says in Retry-After; None = nothing."""
    answer: str = "Labelled 3 issues."


@dataclass
class Session:
    """One session. `prompts` are the texts that really reached the agent."""

    id: str
    name: str | None
    work_dir: str
    key: str
    permission_mode: str
    status: str = "unknown"
    detail: str = ""
    created_at: int = field(default_factory=lambda: epoch_ms())
    last_activity: int = field(default_factory=lambda: epoch_ms())
    messages: list[dict[str, Json]] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)
    extra: dict[str, Json] = field(default_factory=dict)
    life: "asyncio.Task[None] | None" = None

    def view(self) -> dict[str, Json]:
        """As the API shows it."""
        return {
            "id": self.id,
            "windowName": self.name or f"cc-{self.id[:8]}",
            "workDir": self.work_dir,
            "status": self.status,
            "createdAt": self.created_at,
            "lastActivity": self.last_activity,
            "permissionMode": self.permission_mode,
        }

    def say(self, role: str, text: str, content_type: str = "text") -> None:
        """Add a message to the transcript."""
        at = datetime.now(UTC).isoformat()
        message = {"role": role, "contentType": content_type, "text": text, "timestamp": at}
        self.messages.append(message)
        self.last_activity = epoch_ms()


@dataclass
class Fault:
    """What goes wrong with the next `times` calls of an endpoint."""

    endpoint: str
    times: int = 1
    status: int | None = None
    """Answer this, and do nothing."""
    code: str = "INTERNAL_ERROR"
    retry_after: str | None = None
    html: bool = False
    """Answer as a proxy does that does not know the way."""
    lag: float = 0.0
    """Do what was asked, and answer this many seconds later."""


class World:
    """All sessions, events and counters of one server."""

    def __init__(self) -> None:
        self.reset()
        self.subscribers: set[asyncio.Queue[dict[str, Json] | None]] = set()

    def reset(self) -> None:
        """As after the very first start."""
        self.forget_sessions()
        self.script = Script()
        self.faults: list[Fault] = []
        self.calls: Counter[str] = Counter()
        self.made: Counter[str] = Counter()
        self.worked: Counter[str] = Counter()
        self.recent: dict[str, deque[float]] = {}
        self.sse_tokens: dict[str, tuple[str, float]] = {}
        self.events: deque[dict[str, Json]] = deque(maxlen=REPLAYED)
        self.last_event = 0

    def forget_sessions(self) -> None:
        """What a restart does: every session is gone."""
        for session in getattr(self, "sessions", {}).values():
            self._end_life(session)
        self.sessions: dict[str, Session] = {}
        self.started = time.time()

    def find(self, name_or_id: str) -> Session:
        """For tests: by id or by name."""
        for session in self.sessions.values():
            if name_or_id in (session.id, session.name):
                return session
        raise KeyError(name_or_id)

    def idle_in(self, work_dir: str) -> Session | None:
        """The session that a create would be given instead of a new one, whoever owns it."""
        there = (s for s in self.sessions.values() if s.work_dir == work_dir)
        return next((s for s in there if s.status == "idle"), None)

    def create(self, key: str, request: dict[str, Json]) -> Session:
        """A new session; it boots."""
        common = {"workDir", "name", "permissionMode", "prompt"}
        session = Session(
            id=str(uuid.uuid4()),
            name=request.get("name"),
            work_dir=request["workDir"],
            key=key,
            permission_mode=request.get("permissionMode", "default"),
            extra={name: value for name, value in request.items() if name not in common},
        )
        self.sessions[session.id] = session
        self.made[session.name or ""] += 1
        session.life = asyncio.create_task(self._boot(session, request.get("prompt")))
        return session

    def deliver(self, session: Session, text: str) -> bool:
        """Give the text to the agent; what is said about it may not be what happened."""
        said = self.script.delivery.pop(0) if self.script.delivery else "ok"
        if said != "lost":
            self._end_life(session)
            session.life = asyncio.create_task(self._work(session, text))
        return said == "ok"

    def finish(self, session: Session, text: str) -> None:
        """End the work of a session that is held."""
        self._end_life(session)
        session.life = asyncio.create_task(self._rest(session, text))

    def become(self, session: Session, status: str, detail: str = "") -> None:
        """Change the status, and tell."""
        session.status, session.detail = status, detail
        session.last_activity = epoch_ms()
        data = {"status": status, "detail": detail}
        self.emit("session_status_change", session.id, data)

    def override(self, session: Session, status: str, detail: str) -> None:
        """Stop the script of a session at a status."""
        self._end_life(session)
        self.become(session, status, detail)

    def remove(self, session: Session, event: str) -> None:
        """The session is gone: 404 from now on."""
        self._end_life(session)
        del self.sessions[session.id]
        self.emit(event, session.id, {})

    def emit(self, event: str, session_id: str, data: dict[str, Json]) -> None:
        """An event for all who listen, and for those who come back."""
        self.last_event += 1
        frame = {"event": event, "sessionId": session_id, "data": data, "id": self.last_event}
        self.events.append(frame)
        for queue in self.subscribers:
            queue.put_nowait(frame)

    def over_limit(self, key: str) -> bool:
        """Whether this call of a key is one too many."""
        now, recent = time.monotonic(), self.recent.setdefault(key, deque())
        while recent and recent[0] < now - 60:
            recent.popleft()
        recent.append(now)
        return 0 < self.script.per_minute < len(recent)

    def fault(self, endpoint: str) -> Fault | None:
        """The fault that this call meets."""
        for fault in self.faults:
            if fault.endpoint in (endpoint, "*") and fault.times > 0:
                fault.times -= 1
                return fault
        return None

    async def _boot(self, session: Session, text: str | None) -> None:
        await asyncio.sleep(self.script.boot)
        self.become(session, "idle")
        if text is not None:
            await self._work(session, text)

    async def _work(self, session: Session, text: str) -> None:
        self.worked[session.name or ""] += 1
        session.prompts.append(text)
        session.say("user", text)
        await asyncio.sleep(self.script.think)
        self.become(session, "working")
        if not self.script.hold:
            await asyncio.sleep(self.script.work)
            await self._rest(session, self.script.answer)

    async def _rest(self, session: Session, text: str) -> None:
        if not self.script.silent:
            session.say("assistant", "hmm", "thinking")
            session.say("assistant", text)
        self.become(session, "waiting_for_input")
        await asyncio.sleep(self.script.settle)
        self.become(session, "idle")

    def _end_life(self, session: Session) -> None:
        if session.life is not None:
            session.life.cancel()


def epoch_ms() -> int:
    """Now, as the API writes times."""
    return int(time.time() * 1000)

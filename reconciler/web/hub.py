"""Events: what changed from one poll of the database to the next, for whoever listens.

Nothing is kept on disk. A listener that was away comes back with the id of the last event it saw
and gets what it missed, as long as that is remembered; else it is told to read everything again.
"""

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from reconciler.clock import Clock
from reconciler.control.changes import watch_database
from reconciler.core.access.roles import LOCAL, Caller
from reconciler.core.runs.run import Run
from reconciler.store.engine.database import Database
from reconciler.store.feed import AutopilotMark, FeedState, Marks, read_feed
from reconciler.store.revisions.revisions import Attempt

log = structlog.get_logger(__name__)

REMEMBERED = 2000
MOST = 200
"""Listeners of one server."""
MOST_EACH = 20
"""Listeners of one token."""
LINGER = 60.0
"""Seconds that polling goes on after the last listener left: most come back."""
UNTOLD = 5.0
"""Seconds after which the database is polled although nobody said that it changed."""
PAUSE = 4
"""The pause between two polls as a multiple of a poll's duration, long with many autopilots."""
OVERLAP = timedelta(minutes=1)
"""Ids of runs follow clocks of several servers; a transaction may commit after a later one."""

_BEGINNING = "0"
"""The name of what lies before the first event."""

Subject = Run | AutopilotMark | Attempt
StillHolds = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Happened:
    """Something changed. `number` grows by one with each event.

    `name` is what listeners learn instead: from numbers with gaps they could count what they may
    not see.
    """

    number: int
    subject: Subject
    name: str = field(default_factory=lambda: secrets.token_hex(8))


@dataclass(frozen=True, slots=True)
class Reset:
    """Events may have been missed: read everything again. `name` is that of the last one."""

    name: str


@dataclass(slots=True)
class _Memory:
    """The world as it was at the last poll."""

    at: datetime
    runs: dict[str, tuple[object, ...]]
    autopilots: Marks
    revision: int


@dataclass(slots=True)
class Hub:
    """Polls the database while somebody listens, and tells all of them."""

    database: Database
    clock: Clock
    epoch: str = ""
    last: int = 0
    closed: bool = False
    rechecks: int = 0
    _events: deque[Happened] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _listeners: list[str] = field(default_factory=list)
    """The names of those who listen."""
    _task: asyncio.Task[None] | None = None
    _took: float = 0.0

    @property
    def listeners(self) -> int:
        """The number of listeners."""
        return len(self._listeners)

    def close(self) -> None:
        """End every stream, so that a server that stops does not wait for its listeners.

        From the event loop's thread.
        """
        self.closed = True
        if self._task is not None:
            self._task.cancel()
        self._tell()

    async def join(self, last_id: str | None) -> int | None:
        """Where a listener begins: now, or after the event `last_id`; None where it missed some.

        Whatever happens after this call is told by `listen`.
        """
        await self._started()
        return self._position(last_id)

    def has_room(self, caller: Caller) -> bool:
        """Whether one more may listen: no caller takes the place of all others."""
        each = MOST if caller == LOCAL else MOST_EACH
        return len(self._listeners) < MOST and self._listeners.count(caller.name) < each

    @contextlib.contextmanager
    def seat(self, caller: Caller) -> Iterator[None]:
        """Count one more who listens, to whatever stream, as long as it is open."""
        self._listeners.append(caller.name)
        try:
            yield
        finally:
            self._listeners.remove(caller.name)

    def recheck(self) -> None:
        """Credentials have changed: every listener must show again that it has one."""
        self.rechecks += 1
        self._tell()

    async def listen(
        self, caller: Caller, position: int | None, still_holds: StillHolds
    ) -> AsyncIterator[Happened | Reset]:
        """What happens after a position that `join` gave, as far as the caller sees it.

        The first thing that comes is a Reset where events were missed. `still_holds` is asked
        before anything is told, and at least every few seconds: the stream ends when it says no.
        """
        if not self.has_room(caller):
            return
        with self.seat(caller):
            await self._started()
            if position is None or position > self.last:
                position = self.last
                yield Reset(self._newest_name())
            while not self.closed and await still_holds():
                # Taken before the events are read: what happens in between sets this one.
                news = self._news
                oldest = self._events[0].number if self._events else self.last + 1
                if position + 1 < oldest:
                    position = self.last
                    yield Reset(self._newest_name())
                for event in [missed for missed in self._events if missed.number > position]:
                    position = event.number
                    if sees(caller, event.subject):
                        yield event
                if position == self.last and not self.closed:
                    await news.wait()

    def _position(self, last_id: str | None) -> int | None:
        """Where a listener goes on; None where nobody knows what it missed."""
        if last_id is None:
            return self.last
        epoch, _, name = last_id.partition("-")
        if epoch != self.epoch:
            return None
        if name == _BEGINNING:
            return 0
        return next((event.number for event in self._events if event.name == name), None)

    def _newest_name(self) -> str:
        return self._events[-1].name if self._events else _BEGINNING

    async def _started(self) -> None:
        if self._task is None or self._task.done():
            # What happened while nobody polled is not known: ids of before mean nothing now.
            self.epoch, self.last = secrets.token_hex(6), 0
            self._events.clear()
            memory = _remember(await self._poll(None), self.clock.now())
            self._task = asyncio.create_task(self._follow(memory))

    async def _follow(self, memory: _Memory) -> None:
        watching = asyncio.create_task(watch_database(self.database, self._changed.set))
        idle_since: float | None = None
        try:
            while idle_since is None or self.clock.monotonic() - idle_since < LINGER:
                await asyncio.sleep(min(self._took * PAUSE, UNTOLD))
                # A change in the moment before the watcher stands is told by nobody.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(UNTOLD):
                        await self._changed.wait()
                self._changed.clear()
                memory = await self._compare(memory)
                if self._listeners:
                    idle_since = None
                elif idle_since is None:
                    idle_since = self.clock.monotonic()
        finally:
            watching.cancel()

    async def _compare(self, memory: _Memory) -> _Memory:
        try:
            now = self.clock.now()
            state = await self._poll(memory)
        except Exception:
            log.exception("events: a poll of the database failed")
            self._changed.set()
            await asyncio.sleep(1)
            return memory
        for subject in _differences(memory, state):
            self.last += 1
            self._events.append(Happened(self.last, subject))
        self._tell()
        return _remember(state, now, memory)

    async def _poll(self, memory: _Memory | None) -> FeedState:
        since = (memory.at if memory else self.clock.now()) - OVERLAP
        known = list(memory.runs) if memory else []
        revision = memory.revision if memory else 0
        marks = memory.autopilots if memory else None
        began = self.clock.monotonic()
        state = await self.database.aread(lambda tx: read_feed(tx, since, known, revision, marks))
        self._took = self.clock.monotonic() - began
        return state

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def _state(run: Run) -> tuple[object, ...]:
    return (
        run.status, run.waiting_for, run.admitted_at, run.started_at, run.attempts, run.agent,
        run.session_id, run.cancel_requested_at, run.completed_at,
    )  # fmt: skip


def _differences(memory: _Memory, state: FeedState) -> list[Subject]:
    """Revisions first, since they explain what follows; runs in the order of their ids."""
    changed: list[Subject] = list(state.revisions)
    if state.autopilots is not memory.autopilots:
        before = memory.autopilots.by_id
        changed += [mark for id_, mark in state.autopilots.by_id.items() if before.get(id_) != mark]
    changed += [
        run for id_, run in sorted(state.runs.items()) if memory.runs.get(id_) != _state(run)
    ]
    return changed


def _remember(state: FeedState, at: datetime, before: _Memory | None = None) -> _Memory:
    """Ended runs are forgotten once no later poll could take them for new ones."""
    horizon = (before.at if before else at) - OVERLAP
    runs = {
        id_: _state(run)
        for id_, run in state.runs.items()
        if not run.ended or run.created_at >= horizon - OVERLAP
    }
    revision = max(
        (attempt.id for attempt in state.revisions), default=before.revision if before else 0
    )
    return _Memory(at, runs, state.autopilots, revision)


def sees(caller: Caller, subject: Subject) -> bool:
    """Whether the caller may know of it."""
    if isinstance(subject, Attempt):
        return caller.sees_any(subject.workspaces)
    return caller.sees(subject.workspace)

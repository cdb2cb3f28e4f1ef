"""Giving out room: which queued runs are leased now, and whose turn it is (docs/runs.md#room).

A queue whose agent has no room costs one look at its head, however many runs wait in it.
"""

from collections import Counter, deque
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from reconciler.control.dispatching.assign import AgentPool, Assigned, assign
from reconciler.control.dispatching.patience import timeout_of
from reconciler.control.dispatching.quota import mark_free, mark_held
from reconciler.core.runs.queue import Queue
from reconciler.core.runs.retry import HoldUntil
from reconciler.core.runs.run import Run, WaitingFor
from reconciler.core.runs.squad import NobodyAvailable
from reconciler.core.runs.turns import (
    Turn,
    deadline_after_waiting,
    held_back,
    next_workspace,
    served,
    with_in_flight,
)
from reconciler.store.engine.database import Database, Tx
from reconciler.store.objects.agents import save_turn
from reconciler.store.runs.in_flight import count_in_flight
from reconciler.store.runs.leases import Lease, take
from reconciler.store.runs.queues import heads, offer, offer_run, queued
from reconciler.store.runs.workspace_turns import read_turns, save_turns

CHUNK = 20
"""Runs of a queue that are read at once."""
MOST_OFFERED = 2000
"""Runs of a queue that one round lets workers claim."""


def hold_room(database: Database, tx: Tx) -> None:
    """Be the only one who gives out room: two that count at once would pass the caps."""
    database.lock(tx, "claim")


@dataclass(slots=True)
class _Line:
    """One queue in a round: the runs that it has not come to yet, the oldest first.

    `offered`: workers may claim all of it but the runs whose precheck has not passed.
    `drained`: the last reading came to its end.
    """

    queue: Queue
    runs: deque[Run]
    offered: bool = False
    drained: bool = False
    seen: set[str] = field(default_factory=set)

    def place(self) -> tuple[datetime, str]:
        head = self.runs[0]
        return head.admitted_at or head.created_at, head.id


@dataclass(slots=True, kw_only=True)
class Allocation:
    """One round. `busy` are runs that this process is still at, from an attempt before."""

    tx: Tx
    now: datetime
    owner: str
    lease: timedelta
    busy: AbstractSet[str]
    turns: dict[str, Turn]
    room: int
    pool: AgentPool
    lines: list[_Line]
    leases: list[tuple[Run, Lease]] = field(default_factory=list)
    """Given out, and not written yet."""
    lost: set[str] = field(default_factory=set)
    left: bool = False
    """Whether `carry_out` left runs waiting for room."""

    @classmethod
    def begin(
        cls,
        tx: Tx,
        *,
        now: datetime,
        owner: str,
        lease: timedelta,
        max_active_runs: int,
        busy: AbstractSet[str],
    ) -> Self:
        """Read the heads of all queues, what is in flight, and who was served when."""
        lines = [_Line(Queue.parse(run.queue), deque([run])) for run in heads(tx, now)]
        # Nobody asks for room where nothing is queued.
        in_flight = count_in_flight(tx) if lines else Counter[tuple[str, str]]()
        return cls(
            tx=tx,
            now=now,
            owner=owner,
            lease=lease,
            busy=busy,
            turns=with_in_flight(read_turns(tx), in_flight),
            room=max_active_runs - in_flight.total(),
            pool=AgentPool(in_flight),
            lines=lines,
        )

    def would_write(self) -> bool:
        """Whether `carry_out` would change anything, as far as the heads tell."""
        held: set[str] = set()
        for line in self.lines:
            match assign(self.tx, line.queue, self.pool, self.now):
                case Assigned(by_worker=by_worker):
                    if self.room > 0 or (by_worker and not line.runs[0].precheck_due):
                        return True
                    held.add(line.queue.workspace)
                case NobodyAvailable(held=hold):
                    # Runs that are due and not marked as held, or marked and held no more.
                    if hold is not None or line.runs[0].waiting_for is WaitingFor.QUOTA:
                        return True
        return held != {space for space, turn in self.turns.items() if turn.held_since is not None}

    def carry_out(self) -> list[Run]:
        """Lease what there is room for, each time from the workspace whose turn it is.

        The caller holds the room. Return the runs as they are now, in the order of their turns.
        """
        taken: list[Run] = []
        held: set[str] = set()
        while self.lines:
            workspace = next_workspace(self.turns, {line.queue.workspace for line in self.lines})
            mine = [line for line in self.lines if line.queue.workspace == workspace]
            line = min(mine, key=_Line.place)
            assigned = assign(self.tx, line.queue, self.pool, self.now)
            if isinstance(assigned, NobodyAvailable):
                self._mark(line, assigned.held)
                self.lines.remove(line)
                self.left = True
            elif assigned.by_worker and not line.offered:
                taken += self._offer(line, assigned)
            elif self.room > 0:
                taken += self._take(line, assigned)
            else:
                # No place is left; what workers claim later takes none yet, so go on with that.
                held.add(workspace)
                self.lines = [each for each in self.lines if each not in mine]
                self.left = True
        self._write_leases()
        taken = [run for run in taken if run.id not in self.lost]
        self.turns |= (changed := held_back(self.turns, held, self.now))
        changed_too = {run.workspace for run in taken} | set(changed)
        save_turns(self.tx, {workspace: self.turns[workspace] for workspace in changed_too})
        return taken

    def _mark(self, line: _Line, hold: HoldUntil | None) -> None:
        """Say what the runs of a line wait for: the quota of their agent, or its room again."""
        if hold is not None:
            mark_held(self.tx, line.queue, hold, self.now)
        elif line.runs and line.runs[0].waiting_for is WaitingFor.QUOTA:
            mark_free(self.tx, line.queue, self.now)

    def _offer(self, line: _Line, assigned: Assigned) -> list[Run]:
        """Let a worker claim: all of an agent's queue at once, of a squad's one run a time.

        What has to pass its precheck first is leased here, and offered once it has. Return these.
        """
        workspace, agent = line.queue.workspace, assigned.agent
        if line.queue.kind == "agent":
            offer(self.tx, line.queue, agent, self.now, MOST_OFFERED)
            line.offered = True
            line.runs.clear()
            self._refill(line)
            return []
        run = self._next(line, lambda run: self._offer_run(run, assigned))
        if run is None:
            return []
        self._took_turn(line, assigned)
        if run.precheck_due:
            self.room -= 1
            return [run]
        self.pool.offered(self.tx)[workspace, agent] += 1
        return []

    def _offer_run(self, run: Run, assigned: Assigned) -> Run | None:
        if run.precheck_due:
            return self._lease(run, assigned) if self.room > 0 else None
        return run if offer_run(self.tx, run, assigned.agent, assigned.note or None) else None

    def _take(self, line: _Line, assigned: Assigned) -> list[Run]:
        """Lease the oldest run of a line that nobody else is at; none, and the line is done."""
        run = self._next(line, lambda run: self._lease(run, assigned))
        if run is None:
            return []
        workspace = line.queue.workspace
        self.turns[workspace] = served(self.turns, workspace)
        self.pool.in_flight[workspace, assigned.agent] += 1
        self.room -= 1
        self._took_turn(line, assigned)
        return [run]

    def _next(self, line: _Line, act: Callable[[Run], Run | None]) -> Run | None:
        """Do something with the oldest run of a line with which it succeeds."""
        if not line.seen:
            line.runs.clear()  # the head was read without holding its row
            self._refill(line)
        while line in self.lines:
            run = line.runs.popleft()
            if not line.runs:
                self._refill(line)
            done = None if run.id in self.busy else act(run)
            if done is not None:
                return done
        return None

    def _lease(self, run: Run, assigned: Assigned) -> Run:
        """Lease a run whose row is held; written together with others, or before rows are read."""
        until, note = self.now + self.lease, assigned.note or None
        lease = Lease(self.owner, until, assigned.agent, note, self._deadline(run))
        self.leases.append((run, lease))
        return lease.of(run)

    def _write_leases(self) -> None:
        unwritten, self.leases = self.leases, []
        for (run, _), taken in zip(unwritten, take(self.tx, unwritten), strict=True):
            if taken is None:  # somebody else was first; its room is given out by the next round
                self.lost.add(run.id)

    def _deadline(self, run: Run) -> datetime | None:
        if run.remaining_ms is not None:
            return self.now + timedelta(milliseconds=run.remaining_ms)  # its clock stood until now
        turn = self.turns.get(run.workspace, Turn())
        if turn.held_since is None or run.deadline_at is None or run.admitted_at is None:
            return run.deadline_at
        if (timeout := timeout_of(self.tx, run)) is None:
            return run.deadline_at
        return deadline_after_waiting(
            run.deadline_at, timeout, run.admitted_at, turn.held_since, self.now
        )

    def _refill(self, line: _Line) -> None:
        """Read on in a line; at its end it is done."""
        if not line.drained:
            self._write_leases()  # what is leased must not be read as queued
            most = CHUNK + len(line.seen & self.busy) if line.seen else CHUNK
            runs = queued(self.tx, str(line.queue), self.now, most)
            line.runs.extend(run for run in runs if run.id not in line.seen)
            line.seen.update(run.id for run in runs)
            line.drained = len(runs) < most
        if not line.runs:
            self.lines.remove(line)

    def _took_turn(self, line: _Line, assigned: Assigned) -> None:
        if assigned.squad is not None:
            save_turn(self.tx, line.queue.workspace, assigned.squad, assigned.turn)
            self.pool.took_turn(line.queue, assigned.turn)

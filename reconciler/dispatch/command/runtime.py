"""Commands: a run is a process of this host (docs/runtimes.md).

A manifest names a program; the operator bound that name to a path with `--allow-command`. The
process starts behind a gate (gate.py), leads a session of its own, and its exit status decides:
0 is completed, the tail of its output is the result.
"""

import asyncio
import errno
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from reconciler.core.manifest.model import ExecutionMode
from reconciler.core.manifest.runtime import CommandRuntime
from reconciler.core.runs.run import Completed, Failed, Outcome, Reason
from reconciler.dispatch.base import (
    Ended,
    Gone,
    Handle,
    Job,
    Observation,
    Record,
    Start,
    Started,
    Stop,
    Stopped,
    Stopping,
    TargetDown,
    Transient,
    Unseen,
    Working,
    no_hint,
)
from reconciler.dispatch.command.child import Child
from reconciler.dispatch.command.gate import Gate, exec_failure, open_gate
from reconciler.dispatch.command.input import environment, stdin
from reconciler.dispatch.command.processes import Presence, is_alive, locate, read_leader
from reconciler.dispatch.command.termination import Graces, terminate

_SCARCE = frozenset({errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""What the host may have again in a moment."""


class Commands:
    """The `command` runtime. `bound` are the programs that manifests may name.

    `notify` is called when a program has ended: a look would pay.
    """

    def __init__(
        self,
        bound: Mapping[str, Path],
        graces: Graces | None = None,
        notify: Callable[[], None] = no_hint,
    ) -> None:
        self._bound = dict(bound)
        self._notify = notify
        self._graces = graces or Graces()
        self._children: dict[str, Child] = {}

    async def start(self, job: Job, record: Record) -> Start:
        """Start the program once. A process of an attempt before is stopped and the run is lost."""
        if (child := self._children.get(job.run_id)) is not None:
            return Started(child.handle)
        if job.handle is not None:
            return await self._lost(job, job.handle)
        try:
            data = await asyncio.to_thread(stdin, job)
            gate = self._open(job)
        except (OSError, ValueError) as error:
            return _not_started(error)
        return await self._begin(job, gate, data, record)

    async def observe(self, jobs: Sequence[tuple[Job, Handle]]) -> Mapping[str, Observation]:
        """How each process is. One that another server process started is `Working` or `Gone`."""
        return {job.run_id: await self._look(job, handle) for job, handle in jobs}

    async def stop(self, job: Job, handle: Handle) -> Stop:
        """SIGTERM, after a grace SIGKILL; `Stopped` when nothing of the run is alive here."""
        stop = await terminate(handle, job.run_id, self._graces)
        child = self._children.get(job.run_id)
        if child is None or not isinstance(stop, Stopped):
            return stop
        over = await child.ended(self._graces.kill)
        return stop if over else Stopping("the process has ended, its output is still being read")

    async def release(self, job: Job, handle: Handle | None) -> Stop:
        """Forget an ended process; one that is still alive is stopped first."""
        if handle is None:  # the gate of an attempt without a record ended by itself
            return Stopped()
        child = self._children.get(job.run_id)
        over = child is not None and child.done and child.clear
        stop = Stopped() if over else await self.stop(job, handle)
        if isinstance(stop, Stopped):
            self._children.pop(job.run_id, None)
        return stop

    async def close(self) -> None:
        """Leave the processes as they are; the next server stops what is then still alive."""
        children = [*self._children.values()]
        self._children.clear()
        await asyncio.gather(*(child.abandon() for child in children))

    def _open(self, job: Job) -> Gate:
        runtime = job.runtime
        if not isinstance(runtime, CommandRuntime):
            raise TypeError(f"a command runtime was given a job of type {runtime.type}")
        program = _runnable(runtime.program, self._bound)
        return open_gate(program, runtime.args, environment(job), runtime.cwd)

    async def _begin(self, job: Job, gate: Gate, data: bytes, record: Record) -> Start:
        handle = _handle(job, gate)
        try:
            await record(handle)
        except BaseException:
            gate.shut()
            raise
        child = Child(job.run_id, handle, gate, data, self._graces.drain, self._notify)
        self._children[job.run_id] = child
        return Started(handle)

    async def _lost(self, job: Job, handle: Handle) -> Start:
        match await terminate(handle, job.run_id, self._graces):
            case Stopping(message):
                return TargetDown(f"the process of an earlier attempt may be alive: {message}")
            case Stopped():
                name = handle.session_id or "the process"
                message = f"the server that ran {name} has ended; nothing of it is alive"
                return Ended(Failed(Reason.LOST, message))

    async def _look(self, job: Job, handle: Handle) -> Observation:
        child = self._children.get(job.run_id)
        if child is not None:
            return Ended(await asyncio.to_thread(_outcome, job, child)) if child.done else Working()
        leader = read_leader(handle.detail)
        if leader is not None and locate(leader) is Presence.ELSEWHERE:
            return Unseen(f"process {leader.pid} runs on the host {leader.host!r}")
        if leader is not None and await asyncio.to_thread(is_alive, leader):
            return Working("runs without the server that started it")
        return Gone("the process is not there any more, and nobody saw how it ended")


def _runnable(name: str, bound: Mapping[str, Path]) -> Path:
    """The path of a bound program. Raises OSError or ValueError with a sentence for people."""
    if name not in bound:
        near = get_close_matches(name, bound, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"no program is bound to {name!r}; start the server with "
            f"--allow-command {name}=PATH, or name one that is bound{hint}"
        )
    path = bound[name].absolute()
    if not path.exists():
        raise FileNotFoundError(f"{path}, bound to {name!r}, does not exist")
    if not path.is_file() or not os.access(path, os.X_OK):
        raise PermissionError(f"{path}, bound to {name!r}, is not an executable file")
    return path


def _handle(job: Job, gate: Gate) -> Handle:
    leader = gate.leader
    shown = f"{leader.host}:{leader.pid}" if job.mode is ExecutionMode.CREATE_SESSION else None
    return Handle(shown, leader.detail())


def _outcome(job: Job, child: Child) -> Outcome:
    status, output = child.status, child.tail.text()
    name = getattr(job.runtime, "program", "the program")
    if status is None:
        return Failed(Reason.LOST, f"{name} has ended, and its exit status was lost", output)
    if status == 0:
        return Completed(output)
    if (cause := exec_failure(status, output)) is not None:
        return Failed(Reason.DISPATCH_FAILED, f"{name} could not be executed: {cause}", output)
    if status > 0:
        return Failed(Reason.AGENT_FAILED, f"{name} exited with status {status}", output)
    return Failed(Reason.AGENT_FAILED, f"{name} was killed by {_signal_name(-status)}", output)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # real-time signals have no names
        return f"signal {number}"


def _cause(error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        return f"the program could not be started: {error.strerror}{where}"
    return str(error)


def _not_started(error: OSError | ValueError) -> Start:
    message = _cause(error)
    if isinstance(error, OSError) and error.errno in _SCARCE:
        return Transient(message)
    return Ended(Failed(Reason.DISPATCH_FAILED, message))

"""Commands: a run is a process of this host (docs/runtimes.md#command).

A manifest names a program; the operator bound that name to a path, and says which variables and
folders manifests may choose for it. The program starts behind a gate (spawner.py), leads a session
of its own, and has a supervisor that outlives the server (supervisor.py). Its exit status decides:
0 is completed, the tail of its output is the result.
"""

import asyncio
import errno
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import psutil

from reconciler.core.manifest.model import ExecutionMode
from reconciler.core.manifest.reach import Grant
from reconciler.core.runs.run import Failed, Reason
from reconciler.core.runs.usage import Usage
from reconciler.dispatch.base import (
    Elsewhere,
    Ended,
    Gone,
    Handle,
    Job,
    NotRecorded,
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
    Written,
    no_hint,
)
from reconciler.dispatch.command.child import Child
from reconciler.dispatch.command.ending import (
    Ending,
    first_line,
    read_answer,
    read_ending,
    remove_folder,
    remove_forgotten,
)
from reconciler.dispatch.command.metering import Watched
from reconciler.dispatch.command.processes import (
    Presence,
    Tree,
    find,
    is_alive,
    is_executed,
    locate,
    read_tree,
)
from reconciler.dispatch.command.program import open_directory, program_path, refused_variables
from reconciler.dispatch.command.recipe import PlainCommand, Recipe
from reconciler.dispatch.command.spawner import Gate, Launch, Spawner
from reconciler.dispatch.command.supervisor import ENDING
from reconciler.dispatch.command.termination import Graces, terminate
from reconciler.dispatch.command.written import folder_of, read_written

_SCARCE = frozenset(
    {errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.ESRCH}
)
"""What the host may have again in a moment."""
HOUR, DAY = 3600.0, 86_400.0
BEGIN_POLLS = 500
"""Hundredths of a second that a program gets to begin, once its server was seen to be gone."""
SESSION_POLLS = 500
"""Fiftieths of a second that a session gets to name itself."""
NOT_BEGUN = "the server died before the program began; nothing was executed"
_LOST = "the program is not there any more, and nobody saw how it ended"


class Commands:
    """The `command` runtime.

    `programs` are the paths that the operator bound to names, `grants` what manifests may choose
    for them; nothing for a name without one. `folder` is where supervisors keep what they saw.
    `notify` is called when a program has ended. `recipe` makes another runtime of it.
    """

    def __init__(
        self,
        programs: Mapping[str, Path],
        grants: Mapping[str, Grant] | None = None,
        *,
        folder: Path = Path(".reconciler/runs"),
        graces: Graces | None = None,
        notify: Callable[[], None] = no_hint,
        recipe: Recipe | None = None,
    ) -> None:
        self._recipe = recipe or PlainCommand()
        self._programs = dict(programs)
        self._grants = dict(grants or {})
        self._folder = folder.absolute()
        self._notify = notify
        self._graces = graces or Graces()
        self._spawner = Spawner()
        self._children: dict[str, Child] = {}
        self._since = time.monotonic()
        self._tidied: float | None = None
        self._watched: dict[str, Watched] = {}

    async def start(self, job: Job, record: Record) -> Start:
        """Start the program once, or take over what an earlier attempt has started."""
        if (child := self._children.get(job.run_id)) is not None:
            return Started(child.handle)
        if job.handle is not None:
            return await self._take_over(job, job.handle, record)
        return await self._start(job, record)

    async def _start(self, job: Job, record: Record) -> Start:
        try:
            gate = await self._open(job)
        except (OSError, ValueError) as error:
            return _not_started(error)
        return await self._begin(job, gate, record)

    async def observe(self, jobs: Sequence[tuple[Job, Handle]]) -> Mapping[str, Observation]:
        """Poll each program; it does not matter which server of this host started it."""
        at_once: dict[str, Observation] = {}
        reads: dict[str, Callable[[], Observation]] = {}
        for job, handle in jobs:
            child = self._children.get(job.run_id)
            if child is not None and not child.done and not self._is_watched(job):
                at_once[job.run_id] = Working()
            else:
                reads[job.run_id] = self._reader(job, handle)
        if not reads:
            return at_once
        # One thread for all of them: most have just ended, and leave a small file each.
        read = await asyncio.to_thread(lambda: {id_: fn() for id_, fn in reads.items()})
        return {**at_once, **read}

    async def stop(self, job: Job, handle: Handle) -> Stop:
        """SIGTERM, after a grace SIGKILL; `Stopped` when nothing of the run is alive here."""
        stop = await terminate(handle, job.run_id, self._graces)
        if not isinstance(stop, Stopped):
            return stop
        if not await self._supervised_to_the_end(job, handle):
            return Stopping("the program has ended, its supervisor is not done yet")
        return await asyncio.to_thread(self._remains, job, handle)

    async def _supervised_to_the_end(self, job: Job, handle: Handle) -> bool:
        """Wait for the record of an end that is proven: it holds what the program has said."""
        if (child := self._children.get(job.run_id)) is not None:
            return await child.ended(self._graces.kill)
        until = time.monotonic() + self._graces.kill
        while _is_supervised(handle):
            if time.monotonic() > until:
                return False
            await asyncio.sleep(0.02)
        return True

    async def release(self, job: Job, handle: Handle | None) -> Stop:
        """Forget an ended program and remove its folder; one that is still alive is stopped."""
        if handle is None:  # the gate of an attempt without a record ended by itself
            return Stopped()
        child = self._children.get(job.run_id)
        ending = child.ending if child is not None else self._kept_ending(job, handle)
        clear = ending is not None and ending.clear
        stop = Stopped() if clear else await self.stop(job, handle)
        if isinstance(stop, Stopped):
            self._children.pop(job.run_id, None)
            self._watched.pop(job.run_id, None)
            if (folder := self._folder_of(job, handle)) is not None:
                remove_folder(folder)
        return stop

    async def output(
        self, job: Job, handle: Handle, after: str | None
    ) -> Written | Elsewhere | None:
        """See `TellsOutput.output`; it does not matter which server of this host started it."""
        shown = self._recipe.shown(job.runtime)
        return await asyncio.to_thread(read_written, self._folder, job.run_id, handle, after, shown)

    async def close(self) -> None:
        """Leave the programs as they are: the next server goes on with them."""
        children = [*self._children.values()]
        self._children.clear()
        for child in children:
            if not child.done:
                child.abandon()
        await self._spawner.close()

    async def _open(self, job: Job) -> Gate:
        """Raises OSError or ValueError with a sentence for people."""
        order = await asyncio.to_thread(self._recipe.order, job)
        program = program_path(order.program, self._programs)
        grant = self._grants.get(order.program, Grant())
        refused_variables(order.program, order.chosen, grant)
        self._prepare_folder()
        with ExitStack() as opened:
            # Opened now and entered by descriptor: a link swapped afterwards leads nowhere.
            directories = [
                open_directory(order.program, folder, grant, field)
                for field, folder in order.folders.items()
            ]
            for directory in directories:
                opened.callback(os.close, directory)
            return await self._spawner.spawn(
                Launch(
                    program=program,
                    arguments=order.arguments,
                    environment=order.environment,
                    stdin=order.stdin,
                    folder=self._folder / f"{job.run_id}.{secrets.token_hex(4)}",
                    drain=self._graces.drain,
                    directory=directories[0] if directories else None,
                    lines=order.lines,
                    ends=order.ends,
                    linger=self._graces.linger,
                    term=self._graces.term,
                )
            )

    async def _begin(self, job: Job, gate: Gate, record: Record) -> Start:
        handle = _handle(job, gate, self._recipe.session(job, gate.tree.leader))
        try:
            await record(handle)
        except NotRecorded:
            gate.forget()
            raise
        except BaseException:
            # The handle may be on the row: without a record of the supervisor, whoever follows it
            # would take a program that was never executed for lost.
            gate.close()
            raise
        child = self._children[job.run_id] = Child(handle, gate, self._notify)
        if (told := await self._told_session(job, child)) is not None:
            child.handle = told
            await record(told)
        return Started(child.handle)

    async def _told_session(self, job: Job, child: Child) -> Handle | None:
        """Wait a moment for a session that names itself; None where it does not, or need not.

        The program runs already and is recorded: if this server dies here, only the id is missing.
        """
        folder = self._folder_of(job, child.handle)
        if child.handle.session_id or job.mode is not ExecutionMode.CREATE_SESSION or not folder:
            return None
        for _ in range(SESSION_POLLS):
            if session := self._recipe.session_in(job, first_line(folder)):
                return replace(child.handle, session_id=session)
            if child.done:
                return None
            await asyncio.sleep(0.02)
        return None

    async def _take_over(self, job: Job, handle: Handle, record: Record) -> Start:
        """Go on with what an earlier server started, if its supervisor lives or saw its end."""
        if not await self._begun(handle):
            return TargetDown("the supervisor of an earlier attempt has not told if it began")
        match await self._poll(job, handle):
            case Ended() as ended:
                return ended
            case Gone(message) if message == NOT_BEGUN:  # the gate never opened: start it now
                return await self._start(job, record)
            case Working() if _is_supervised(handle):
                return Started(handle)
            case Unseen(message):
                return TargetDown(message)
        match await terminate(handle, job.run_id, self._graces):
            case Stopping(message):
                return TargetDown(f"the process of an earlier attempt may be alive: {message}")
            case Stopped():
                name = handle.session_id or "the program"
                message = f"the supervisor of {name} has ended; nothing of it is alive"
                used = await asyncio.to_thread(self._used, job, handle)
                return Ended(Failed(Reason.LOST, message, usage=used))

    async def _begun(self, handle: Handle) -> bool:
        """Wait a moment for a program whose server died just now: it begins, or never will.

        Neither its folder nor a leader that lives says that it began: both are there before. Return
        false where a living supervisor has not told after that moment.
        """
        tree = read_tree(handle.detail)
        for _ in range(BEGIN_POLLS):
            if tree is None or tree.supervisor is None or not is_alive(tree.supervisor):
                return True
            if is_executed(tree.leader, tree.supervisor):
                return True
            if (self._folder / tree.folder / ENDING).exists():
                return True
            await asyncio.sleep(0.01)
        return False

    async def _poll(self, job: Job, handle: Handle) -> Observation:
        return (await self.observe([(job, handle)]))[job.run_id]

    def _reader(self, job: Job, handle: Handle) -> Callable[[], Observation]:
        """What is called, in a thread, to see how a program stands."""
        child = self._children.get(job.run_id)
        if child is not None and not child.done:
            return lambda: self._working(job, handle)
        if child is not None and child.ending is not None:
            ending = child.ending
            return lambda: self._observed(job, handle, ending)
        return lambda: self._look_for(job, handle)

    def _look_for(self, job: Job, handle: Handle) -> Observation:
        tree = read_tree(handle.detail)
        if tree is None:
            return Unseen("the handle does not say which process it was")
        if locate(tree.leader) is Presence.ELSEWHERE:
            return Unseen(f"process {tree.leader.pid} runs on the host {tree.leader.host!r}")
        # The order matters: a supervisor that is gone now has written its record before.
        supervised = tree.supervisor is not None and is_alive(tree.supervisor)
        if (ending := self._kept_ending(job, handle)) is not None:
            return self._observed(job, handle, ending)
        if supervised:
            return self._working(job, handle)
        return _unsupervised(tree, job.run_id, self._used(job, handle))

    def _observed(self, job: Job, handle: Handle, ending: Ending) -> Observation:
        if not ending.begun:
            return Gone(NOT_BEGUN)
        return self._recipe.ended(job, ending, self._answer(job, handle))

    def _remains(self, job: Job, handle: Handle) -> Stopped:
        child = self._children.get(job.run_id)
        ending = child.ending if child is not None else None
        ending = ending or self._kept_ending(job, handle)
        if ending is None:
            return Stopped(usage=self._used(job, handle))
        return self._recipe.remains(job, ending, self._answer(job, handle))

    def _working(self, job: Job, handle: Handle) -> Working:
        limited = bool(job.allowance_micros)
        return self._watch(job).working(self._folder_of(job, handle), tells_usage=limited)

    def _used(self, job: Job, handle: Handle) -> Usage | None:
        return self._watch(job).used(self._folder_of(job, handle))

    def _watch(self, job: Job) -> Watched:
        if job.run_id not in self._watched:
            watched = Watched(self._recipe.meter(job), self._recipe.trouble(job))
            self._watched[job.run_id] = watched
        return self._watched[job.run_id]

    def _is_watched(self, job: Job) -> bool:
        """Whether anything has to be known of the work before its end: of most it has not."""
        return bool(job.allowance_micros) or self._recipe.trouble(job) is not None

    def _answer(self, job: Job, handle: Handle) -> bytes:
        folder = self._folder_of(job, handle)
        return read_answer(folder) if folder is not None else b""

    def _kept_ending(self, job: Job, handle: Handle) -> Ending | None:
        folder = self._folder_of(job, handle)
        return read_ending(folder) if folder is not None else None

    def _folder_of(self, job: Job, handle: Handle) -> Path | None:
        return folder_of(self._folder, read_tree(handle.detail), job.run_id)

    def _prepare_folder(self) -> None:
        """Make it, and now and then remove what was forgotten there.

        A server that has been up for a day has gone on with every run that it found; one that has
        just started has not, and an old record may be of a run that ended while none lived.
        """
        now = time.monotonic()
        if self._tidied is not None and now - self._tidied < HOUR:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        age = DAY if now - self._since > DAY else 30 * DAY
        remove_forgotten(self._folder, age, psutil.boot_time(), time.time())
        self._tidied = now


def _is_supervised(handle: Handle) -> bool:
    tree = read_tree(handle.detail)
    return tree is not None and tree.supervisor is not None and is_alive(tree.supervisor)


def _unsupervised(tree: Tree, run_id: str, used: Usage | None) -> Observation:
    """Gone is said only where nothing of the run is alive: it ends the run."""
    if locate(tree.leader) is Presence.REPLACED or not (living := find(tree, run_id)):
        return Gone(_LOST, usage=used)
    return Working(f"runs without its supervisor: process {living.pids()}")


def _handle(job: Job, gate: Gate, session: str | None) -> Handle:
    shown = session if job.mode is ExecutionMode.CREATE_SESSION else None
    return Handle(shown, gate.tree.detail())


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

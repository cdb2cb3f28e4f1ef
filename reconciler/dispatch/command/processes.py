"""Processes of this host: which one a pid is, what belongs to a run, and what of it is alive.

A pid alone names nobody, since it is used again. A process is known by its pid, its start time, the
boot (and pid namespace) that both belong to, and the host (`Leader`). To a run belongs everything
in the leader's session, everything that descends from the leader or from its supervisor, and every
process that carries the run's id in its environment.
"""

import os
import socket
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from enum import Enum
from pathlib import Path

import psutil

from reconciler.core.runs.run import Json

MARK = "RUN_ID"
"""The variable that names the run in the environment of all that it starts."""
_PARENT = 1
_START_TIME = 19
"""Fields 4 and 22 of /proc/PID/stat, counted after the name; the latter in ticks since the boot."""


@dataclass(frozen=True, slots=True)
class Leader:
    """The process that leads the session of a run; `started` is text that is only compared."""

    pid: int
    started: str
    boot: str
    host: str

    def detail(self) -> dict[str, Json]:
        """As JSON, for a handle."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Tree:
    """What is recorded of a run: the program, and the supervisor above it where there is one.

    `folder` is the plain name of the folder in which the supervisor keeps what it saw.
    """

    leader: Leader
    supervisor: Leader | None = None
    folder: str = ""

    def detail(self) -> dict[str, Json]:
        """As JSON, for a handle."""
        if self.supervisor is None:
            return self.leader.detail()
        above: Json = {"pid": self.supervisor.pid, "started": self.supervisor.started}
        return {**self.leader.detail(), "supervisor": above, "folder": self.folder}


class Presence(Enum):
    """Where a leader is, seen from this process."""

    PRESENT = "present"
    """It is here, alive or a zombie: its session is surely its own."""
    GONE = "gone"
    """No process has its pid; others of its session may still be alive."""
    REPLACED = "replaced"
    """Another process has its pid, or the machine was started anew: nothing of the session is left
    (a pid is not used again while it names a session)."""
    ELSEWHERE = "elsewhere"
    """It belongs to another host: nothing can be said."""


@dataclass(frozen=True, slots=True)
class LivingProcesses:
    """Living processes (zombies are not): `ours` surely, `doubtful` perhaps."""

    ours: tuple[psutil.Process, ...] = ()
    doubtful: tuple[psutil.Process, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.ours or self.doubtful)

    def pids(self) -> str:
        """For a message."""
        return ", ".join(str(process.pid) for process in (*self.ours, *self.doubtful))


def identify(pid: int) -> Leader:
    """The process that has `pid` now. Raises `ProcessLookupError`."""
    started = _started(pid)
    if started is None:
        raise ProcessLookupError(f"there is no process {pid}")
    return Leader(pid, started, _boot(), socket.gethostname())


def read_tree(detail: Mapping[str, Json]) -> Tree | None:
    """Read a handle's detail; None where it does not say which process it was."""
    pid = detail.get("pid")
    texts = [detail.get(name) for name in ("started", "boot", "host")]
    if (
        not isinstance(pid, int)
        or not _is_pid(pid)
        or not all(isinstance(text, str) for text in texts)
    ):
        return None
    leader = Leader(pid, *(str(text) for text in texts))
    above, folder = detail.get("supervisor"), detail.get("folder")
    if not isinstance(above, dict) or not _is_pid(above.get("pid")) or not isinstance(folder, str):
        return Tree(leader)
    supervisor = replace(leader, pid=above["pid"], started=str(above.get("started")))
    return Tree(leader, supervisor, folder)


def _is_pid(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 1


def locate(leader: Leader) -> Presence:
    """Where the leader is now."""
    if leader.host != socket.gethostname():
        return Presence.ELSEWHERE
    if leader.boot != _boot():
        return Presence.REPLACED
    match _started(leader.pid):
        case None:
            return Presence.GONE
        case leader.started:
            return Presence.PRESENT
        case _:
            return Presence.REPLACED


def is_alive(leader: Leader) -> bool:
    """Whether the leader itself is here and not a zombie."""
    if locate(leader) is not Presence.PRESENT:
        return False
    with suppress(psutil.Error):
        return _is_living(psutil.Process(leader.pid))
    return False


def is_executed(leader: Leader, supervisor: Leader) -> bool:
    """Whether the leader is alive as its program; until then it is a copy of its supervisor.

    The command line tells, which the kernel replaces with the program. It is empty in between.
    """
    if not is_alive(leader):
        return False
    with suppress(psutil.Error):
        line = psutil.Process(leader.pid).cmdline()
        return bool(line) and line != psutil.Process(supervisor.pid).cmdline()
    return False


def find(tree: Tree, run_id: str, known: Iterable[psutil.Process] = ()) -> LivingProcesses:
    """Return what is alive of a run on this host; nothing where the leader is from elsewhere.

    `known` are processes that belonged to the run before: one that has lost its parent since, and
    made a session of its own, is recognised by nothing else.
    """
    leader = tree.leader
    place = locate(leader)
    if place is Presence.ELSEWHERE:
        return LivingProcesses()
    pids = set(psutil.pids()) - {os.getpid()}
    session = (
        set() if place is Presence.REPLACED else {p for p in pids if _in_session(p, leader.pid)}
    )
    ours = {process.pid for process in known if process.is_running()}
    ours |= {pid for pid in pids if _carries(pid, run_id)}
    ours |= _descendants(pids, ours | _roots(tree, place))
    # Without its leader a session may be one that came after it; one member of ours settles that.
    if place is Presence.PRESENT or not ours.isdisjoint(session):
        return LivingProcesses(_living(session | ours))
    return LivingProcesses(_living(ours), _living(session))


def _roots(tree: Tree, place: Presence) -> set[int]:
    roots = {tree.leader.pid} if place is Presence.PRESENT else set()
    if tree.supervisor is not None and locate(tree.supervisor) is Presence.PRESENT:
        roots.add(tree.supervisor.pid)
    return roots


def _descendants(pids: Iterable[int], roots: set[int]) -> set[int]:
    """All below `roots`, without them."""
    children: dict[int, list[int]] = {}
    for pid in pids:
        children.setdefault(_parent(pid), []).append(pid)
    below: set[int] = set()
    unvisited = [*roots]
    while unvisited:
        for child in children.get(unvisited.pop(), ()):
            if child not in below:
                below.add(child)
                unvisited.append(child)
    return below


def send(remains: LivingProcesses, leader: Leader, number: int) -> None:
    """Signal what is surely ours: the group at once, so that no fork escapes, then the others."""
    if any(_in_group(process.pid, leader.pid) for process in remains.ours):
        with suppress(OSError):
            os.killpg(leader.pid, number)
    for process in remains.ours:
        if not _in_group(process.pid, leader.pid):
            with suppress(psutil.Error, OSError):
                process.send_signal(number)  # psutil refuses a pid that is used again


def _living(pids: set[int]) -> tuple[psutil.Process, ...]:
    living = []
    for pid in sorted(pids):
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            if _is_living(process):
                living.append(process)
    return tuple(living)


def _is_living(process: psutil.Process) -> bool:
    try:
        return bool(process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD))
    except (psutil.Error, OSError):
        return False


def _in_session(pid: int, session: int) -> bool:
    with suppress(OSError):
        return os.getsid(pid) == session
    return False


def _in_group(pid: int, group: int) -> bool:
    with suppress(OSError):
        return os.getpgid(pid) == group
    return False


def _carries(pid: int, run_id: str) -> bool:
    if sys.platform != "linux":
        with suppress(psutil.Error, OSError):
            return psutil.Process(pid).environ().get(MARK) == run_id
        return False
    try:
        environ = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # another user's, or gone
        return False
    return f"{MARK}={run_id}".encode() in environ.split(b"\0")


def _started(pid: int) -> str | None:
    """When the process started; on Linux in ticks since the boot, which no set clock moves."""
    if sys.platform != "linux":
        with suppress(psutil.Error):
            return repr(psutil.Process(pid).create_time())
        return None
    fields = _stat(pid)
    return fields[_START_TIME] if fields else None


def _parent(pid: int) -> int:
    if sys.platform != "linux":
        with suppress(psutil.Error):
            return psutil.Process(pid).ppid()
        return 0
    fields = _stat(pid)
    return int(fields[_PARENT]) if fields else 0


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name; none where there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return stat.rpartition(")")[2].split()


def _boot() -> str:
    """Changes when the machine or the container is started anew."""
    if sys.platform != "linux":
        return str(int(psutil.boot_time()))
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot} {Path('/proc/self/ns/pid').readlink()}"

"""Processes of this host: who a pid is, what belongs to a run, and the proof that nothing is left.

A pid alone names nobody, since it is used again. A process is known by its pid, its start time, the
boot (and pid namespace) that both belong to, and the host (`Leader`). What a run has started is
everything in the leader's session, and every process that carries the run's id in its
environment, so that a child which made a session of its own is found as well.
"""

import os
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

import psutil

from reconciler.core.runs.run import Json

MARK = "RUN_ID"
"""The variable that names the run in the environment of all that it starts."""
_START_TIME = 19
"""Field 22 of /proc/PID/stat, counted after the name: clock ticks since the boot."""


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


def read_leader(detail: Mapping[str, Json]) -> Leader | None:
    """The leader out of a handle's detail; None where it holds none."""
    pid = detail.get("pid")
    texts = [detail.get(name) for name in ("started", "boot", "host")]
    if not isinstance(pid, int) or pid <= 1 or not all(isinstance(text, str) for text in texts):
        return None
    return Leader(pid, *(str(text) for text in texts))


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


def find(leader: Leader, run_id: str) -> LivingProcesses:
    """What is alive of a run on this host; nothing where the leader is from elsewhere."""
    place = locate(leader)
    if place is Presence.ELSEWHERE:
        return LivingProcesses()
    session = [] if place is Presence.REPLACED else _members(leader.pid)
    strays = _carriers(run_id)
    # Without its leader a session may be one that came after it; one marked member settles that.
    if place is Presence.PRESENT or not strays.isdisjoint(session):
        return LivingProcesses(_living({*session, *strays}))
    return LivingProcesses(_living(strays), _living({*session}))


def send(found: LivingProcesses, leader: Leader, number: int) -> None:
    """Signal what is surely ours: the group at once, so that no fork escapes, then the others."""
    if any(_in_group(process.pid, leader.pid) for process in found.ours):
        with suppress(OSError):
            os.killpg(leader.pid, number)
    for process in found.ours:
        if not _in_group(process.pid, leader.pid):
            with suppress(psutil.Error, OSError):
                process.send_signal(number)  # psutil refuses a pid that is used again


def _members(session: int) -> list[int]:
    return [pid for pid in psutil.pids() if _in_session(pid, session)]


def _carriers(run_id: str) -> set[int]:
    others = set(psutil.pids()) - {os.getpid()}
    return {pid for pid in others if _carries(pid, run_id)}


def _living(pids: set[int]) -> tuple[psutil.Process, ...]:
    found = []
    for pid in sorted(pids):
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            if _is_living(process):
                found.append(process)
    return tuple(found)


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
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[_START_TIME]


def _boot() -> str:
    """Changes when the machine or the container is started anew."""
    if sys.platform != "linux":
        return str(int(psutil.boot_time()))
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot} {Path('/proc/self/ns/pid').readlink()}"

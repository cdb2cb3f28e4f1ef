"""The process that starts commands and outlives the server that asked for them (decision 0075).

Run as a script, on the standard library alone, with an environment that holds nothing. The server
sends one byte and some file descriptors for each run (spawner.py); each makes a fork:

    server ---- spawner ---- supervisor of a run ---- the program, in a session of its own

A supervisor reads the program's output, waits for its end, kills what it leaves behind, and keeps
what it saw in the run's folder, so that another server finds it there. On Linux it is the reaper of
all that descends from the program: whatever a tool does with its session, its group or its
environment, it stays below its supervisor.

The program executes nothing before the server sent its line: without a record there is no work.
"""

import ctypes
import errno
import gc
import json
import marshal
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:  # the module takes as long to import as all others together
    from typing import Any

GO = b"\n"
"""What the server sends once the handle of the run is recorded."""
FORGET = b"x"
"""What it sends where the handle could not be recorded."""
SHUT = b"shut"
"""What a program behind a gate that was never opened leaves, instead of the number of an error."""
FORGOTTEN = b"forgotten"
"""The same where the server said so itself: nobody will ask for the record."""
ENDING = "ending"
"""The file that holds the record of the end, written by rename: whole or not there."""
OUTPUT = "output"
"""The file that holds the tail of the output: the count of what was dropped before it, then it."""
ANSWER = "answer"
"""The same for the lines of stdout that were asked for; its first line is never dropped."""
COUNT = 17
"""Bytes of that count: 16 hexadecimal digits and a line break."""
TAIL_LIMIT = 64 * 1024
"""Bytes of output that are kept."""
ANSWER_LIMIT = 2 * 1024 * 1024
"""Bytes of an answer's lines that are kept, and of its longest line; a longer one is dropped."""
CHUNK = 64 * 1024
SWEEP_SECONDS = 5.0
"""How long what is left behind is killed over and over, before the server is told of it."""
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_FROM_OUTSIDE = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main() -> None:
    """Fork a supervisor for each request, until the server has closed its end."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    channel.set_inheritable(False)
    _name(b"reconciler-runs")
    for number in _FROM_OUTSIDE:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # supervisors are reaped by the kernel
    gc.disable()  # nothing here is circular, and a fork shares what nobody touches
    while True:
        byte, descriptors, _, _ = socket.recv_fds(channel, 1, 4)
        if not byte:
            return
        _serve(channel, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _serve(channel: socket.socket, descriptors: list[int]) -> None:
    try:
        if os.fork():
            return
    except OSError as error:
        with suppress(OSError):
            os.write(descriptors[2], json.dumps({"errno": error.errno}).encode())
        return
    try:  # from here on in the fork, which never returns
        channel.close()
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        _supervise(descriptors)
    finally:
        os._exit(1)


def _supervise(descriptors: list[int]) -> None:
    request, stdin, server, *folder = descriptors
    with os.fdopen(request, "rb") as file:
        run = marshal.load(file)  # noqa: S302 - written by our own server
    os.setsid()
    _name(b"reconciler-run")
    # Before the fork: descendants that leave their session are handed to us when their parent ends.
    reaper = _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    signals = _hear()
    output, into_output = os.pipe()
    answer, into_answer = os.pipe() if run["lines"] else (None, into_output)
    failure, into_failure = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _become(run, (stdin, into_answer, into_output), into_failure, server, folder)
        finally:
            os._exit(127)
    for descriptor in {stdin, into_answer, into_output, into_failure, *folder}:
        os.close(descriptor)
    Supervisor(run, pid, server, signals, output, answer, failure, reaper=reaper).follow()
    os._exit(0)


def _become(
    run: "dict[str, Any]",
    streams: tuple[int, int, int],
    failure: int,
    server: int,
    folder: list[int],
) -> None:
    """Wait at the gate, then be the program. Only what goes wrong returns."""
    os.setsid()  # before the server learns the pid: from then on the group can be signalled
    signal.set_wakeup_fd(-1)
    for number in (*_FROM_OUTSIDE, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    for standard, stream in enumerate(streams):
        os.dup2(stream, standard)
    os.write(server, json.dumps({"pid": os.getpid(), "supervisor": os.getppid()}).encode())
    line = os.read(server, 1)
    if line != GO:
        os.write(failure, FORGOTTEN if line == FORGET else SHUT)  # SHUT: the server is gone
        return
    try:
        if folder:
            os.fchdir(folder[0])
        os.execve(run["program"], run["arguments"], run["environment"])  # noqa: S606
    except OSError as error:
        os.write(failure, str(error.errno).encode())


class Tail:
    """The tail of a stream, in memory and in a file; with `pinned` its first line stays too."""

    def __init__(self, path: str, limit: int, pinned: bool = False) -> None:
        self.path = path
        self.limit = limit
        self.pinned = pinned
        self.first = b""
        self.dropped = 0
        self.data = bytearray()
        self.file: int | None = None

    def open(self) -> None:
        with suppress(OSError):
            self._write()

    def keep(self, data: bytes) -> None:
        if self.pinned and not self.first:
            self.first = data
        else:
            self.data += data
        if len(self.data) > 2 * self.limit:  # trimmed now and then, so that it stays linear
            self._trim()
            with suppress(OSError):
                self._write()
        elif self.file is not None and not _write_all(self.file, data):
            os.close(self.file)
            self.file = None  # what it holds is no tail any more; `settle` writes it anew

    def end(self) -> None:
        """The stream has ended: nothing is held back here."""

    def settle(self) -> None:
        """Let the file hold what is kept. Raises OSError."""
        if self._trim() or self.file is None:
            self._write()

    def _trim(self) -> bool:
        surplus = max(0, len(self.data) - self.limit)
        self.dropped += surplus
        del self.data[:surplus]
        return surplus > 0

    def _write(self) -> None:
        """Write a new file and put it in place of the old one: a reader sees one or the other."""
        old, self.file = self.file, None
        if old is not None:
            os.close(old)
        draft = f"{self.path}.new"
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        os.write(file, b"%016x\n" % self.dropped + self.first + self.data)
        os.rename(draft, self.path)
        self.file = file


class Linger:
    """A program that has told its end and lives on: asked to stop after a while, then killed.

    `ends` are records of an end: each is a table of dotted names of fields and the texts that they
    may hold. Whatever else matters of what it says afterwards means that it goes on. `seconds` is
    how long it may live on, `term` how long it is given to stop.
    """

    def __init__(self, ends: "list[dict[str, list[str]]]", seconds: float, term: float) -> None:
        self.ends = ends
        self.kinds = [f'"{kind}"'.encode() for end in ends for kind in end["type"]]
        self.seconds = seconds
        self.term = term
        self.due: float | None = None
        self.sent = 0

    def hear(self, line: "bytes | bytearray", now: float) -> None:
        """Take notice of a line that matters; only what may be an end is parsed."""
        self.due = now + self.seconds if self._is_end(line) else None

    def signal(self, now: float) -> int:
        """Return the signal that is due now, once; 0 where none is."""
        if self.due is None or now < self.due:
            return 0
        self.due = None if self.sent else now + self.term
        self.sent = signal.SIGKILL if self.sent else signal.SIGTERM
        return self.sent

    def _is_end(self, line: "bytes | bytearray") -> bool:
        if not any(kind in line for kind in self.kinds):
            return False
        try:
            record = json.loads(line.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return False
        return any(
            all(_field(record, name) in texts for name, texts in end.items()) for end in self.ends
        )


def _field(record: object, name: str) -> object:
    for part in name.split("."):
        record = record.get(part) if isinstance(record, dict) else None
    return record if isinstance(record, str) else None


class Lines:
    """Hands on the whole lines of a stream that hold one of `marks`; bounded in memory."""

    def __init__(self, marks: "list[bytes]", tail: Tail, linger: "Linger | None" = None) -> None:
        self.marks = marks
        self.tail = tail
        self.linger = linger
        self.open = bytearray()
        self.overlong = False

    def keep(self, data: bytes) -> None:
        *whole, last = data.split(b"\n")
        for part in whole:
            self._extend(part)
            self.end()
        self._extend(last)

    def _extend(self, part: bytes) -> None:
        self.overlong = self.overlong or len(self.open) + len(part) > ANSWER_LIMIT
        if self.overlong:
            self.open.clear()
        else:
            self.open += part

    def end(self) -> None:
        """A line has ended, by a line break or with the stream."""
        # What an agent says about being stopped is not the end of its work, which it has told.
        is_stopped = self.linger is not None and self.linger.sent
        if not is_stopped and any(mark in self.open for mark in self.marks):
            self.tail.keep(bytes(self.open) + b"\n")
            if self.linger is not None:
                self.linger.hear(self.open, time.monotonic())
        self.open.clear()
        self.overlong = False


class Supervisor:
    """Follows one program to its end. `run` holds `folder`, seconds and what it is.

    Its output is stdout and stderr as they came; where lines were asked for (`run["lines"]`), the
    output is stderr, and of stdout the lines that hold one of these texts are kept apart.
    """

    def __init__(
        self,
        run: "dict[str, Any]",
        pid: int,
        server: int,
        signals: int,
        output: int,
        answer: "int | None",
        failure: int,
        *,
        reaper: bool,
    ) -> None:
        """`reaper`: orphans come to us, so that no children left means nothing left."""
        self.pid = pid
        self.reaper = reaper
        self.status: int | None = None
        self.server = server
        self.signals = signals
        self.failure = failure
        self.folder = run["folder"]
        self.drain = run["drain"]
        self.outside = 0
        self.linger = Linger(run["ends"], run["linger"], run["term"])
        self.output = Tail(f"{self.folder}/{OUTPUT}", TAIL_LIMIT)
        self.tails = [self.output]
        self.streams: dict[int, Tail | Lines] = {output: self.output}
        if answer is not None:
            self.tails.append(Tail(f"{self.folder}/{ANSWER}", ANSWER_LIMIT, pinned=True))
            self.streams[answer] = Lines(run["lines"], self.tails[-1], self.linger)
        self.poll = select.poll()
        for descriptor in (signals, *self.streams):
            self.poll.register(descriptor, select.POLLIN)

    def follow(self) -> None:
        """Carry out all of it, in this order.

        1. The program begins, or never will.
        2. It ends, or is ended where it lives on after its end record. Its zombie keeps its pid
           from being used again.
        3. Its output may go on for a moment.
        4. What it left behind is killed.
        5. The record is written, then told to the server, if one is there.
        """
        failure = self._begin()
        if failure == FORGOTTEN:
            return
        self._open_output()
        while not self._ended():
            self._step(self._dismiss())
        self._silence()
        with suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL)  # at once, so that no fork escapes
        status = self._status()
        clear = self._clear() and self.reaper
        self._silence()
        self._hear_out()
        self._record(os.waitstatus_to_exitcode(status), clear, failure)

    def _begin(self) -> bytes:
        """Return what kept the program from being executed; empty once it is."""
        failure = b""
        while chunk := os.read(self.failure, 64):
            failure += chunk
        return failure

    def _ended(self) -> bool:
        if not hasattr(os, "waitid"):  # macOS before Python 3.13: the pid is free from here on
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = status if pid else None
            return bool(pid)
        if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return True
        self._reap()
        return False

    def _dismiss(self) -> "float | None":
        """Ask a program that lives on after its end to stop, with all that it started.

        Return after how many seconds there is more to do. What outlives the program is killed once
        it has ended, as always.
        """
        now = time.monotonic()
        number = self.linger.signal(now)
        if number == signal.SIGTERM:
            for child in _descendants(os.getpid()):
                for each in (signal.SIGTERM, signal.SIGCONT):  # a stopped one takes no SIGTERM
                    with suppress(OSError):
                        os.kill(child, each)
        elif number:
            with suppress(OSError):
                os.kill(self.pid, number)
        return None if self.linger.due is None else max(0.0, self.linger.due - now)

    def _status(self) -> int:
        return os.waitpid(self.pid, 0)[1] if self.status is None else self.status

    def _reap(self) -> None:
        """Reap orphans of the program that have ended: all that descends from it comes to us."""
        for child in _children():
            if child != self.pid:
                with suppress(OSError):
                    os.waitpid(child, os.WNOHANG)

    def _step(self, seconds: float | None) -> None:
        timeout = None if seconds is None else max(0.0, seconds * 1000)
        for descriptor, _ in self.poll.poll(timeout):
            if descriptor in self.streams:
                self._read(descriptor)
            else:
                self._note(os.read(self.signals, 512))

    def _note(self, numbers: bytes) -> None:
        """A signal to the supervisor comes from outside: the server never sends it one."""
        for number in numbers:
            if number in _FROM_OUTSIDE:
                self.outside = number

    def _hear_out(self) -> None:
        """Take notice of every signal that has come.

        One poll is woken by a signal and by the end of the output, and may tell of the latter only:
        the signal's number is written as the poll returns. With no output left nothing is polled.
        """
        with suppress(BlockingIOError):
            while numbers := os.read(self.signals, 512):
                self._note(numbers)

    def _read(self, descriptor: int) -> None:
        data = b""
        with suppress(OSError):
            data = os.read(descriptor, CHUNK)
        if data:
            self.streams[descriptor].keep(data)
        else:
            self.streams.pop(descriptor).end()
            self.poll.unregister(descriptor)

    def _silence(self) -> None:
        until = time.monotonic() + self.drain
        while self.streams and (left := until - time.monotonic()) > 0:
            self._step(left)

    def _clear(self) -> bool:
        """Kill and reap all that the program left; whether nothing is left, as the kernel says."""
        until = time.monotonic() + SWEEP_SECONDS
        while time.monotonic() < until:
            try:
                if os.waitpid(-1, os.WNOHANG) != (0, 0):
                    continue
            except ChildProcessError:
                return True
            for child in _children():
                with suppress(OSError):
                    os.kill(child, signal.SIGKILL)
            self._step(0.02)
        return False

    def _open_output(self) -> None:
        with suppress(OSError):  # a full disk costs the record, not the run
            os.mkdir(self.folder, 0o700)
            for tail in self.tails:
                tail.open()

    def _settle(self) -> bool:
        try:
            for tail in self.tails:
                tail.settle()
        except OSError:
            return False
        return True

    def _record(self, status: int, clear: bool, failure: bytes) -> None:
        is_kept = self._settle()
        ending = {
            "status": status,
            "clear": clear,
            "outside": self.outside,
            "error": os.strerror(int(failure)) if failure.isdigit() else None,
            "begun": failure != SHUT,
            "lingered": bool(self.linger.sent),
            "dropped": self.output.dropped,
        }
        head = json.dumps(ending).encode()
        with suppress(OSError):
            if is_kept:  # a record without its output would pass for a program that said nothing
                draft = f"{self.folder}/{ENDING}.new"
                with open(draft, "wb") as file:
                    file.write(head)
                os.rename(draft, f"{self.folder}/{ENDING}")
        with suppress(OSError):  # no server is there: the next one reads the file
            connection = socket.socket(fileno=self.server)
            connection.setblocking(False)
            connection.sendall(head + b"\n" + self.output.data)


def _write_all(file: int, data: bytes) -> bool:
    with suppress(OSError):
        return os.write(file, data) == len(data)
    return False


def _hear() -> int:
    """Return a descriptor from which the numbers of signals can be read."""
    numbers, into_numbers = os.pipe()
    for end in (numbers, into_numbers):
        os.set_blocking(end, False)
    for number in (*_FROM_OUTSIDE, signal.SIGCHLD):
        signal.signal(number, _nothing)
    signal.set_wakeup_fd(into_numbers, warn_on_full_buffer=False)
    return numbers


def _nothing(_number: int, _frame: object) -> None:
    """A signal interrupts the poll; what it was stands in the pipe."""


def _children() -> list[int]:
    pid = os.getpid()
    try:
        with open(f"/proc/self/task/{pid}/children", "rb") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return [child for child in _processes() if _parent(child) == pid]


def _descendants(pid: int) -> list[int]:
    parents = {process: _parent(process) for process in _processes()}
    below, added = set[int](), {pid}
    while added:
        added = {process for process, parent in parents.items() if parent in added}
        below |= added
    return sorted(below)


def _processes() -> list[int]:
    with suppress(OSError):
        return [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    return []


def _parent(pid: int) -> int:
    with suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[1])
    return 0


def _name(name: bytes) -> None:
    """Be recognised in lists of processes, and keep the memory (secrets of runs) to ourselves."""
    _prctl(_PR_SET_NAME, name)
    _prctl(_PR_SET_DUMPABLE, 0)


def _prctl(option: int, value: object) -> bool:
    """Whether the kernel did it; elsewhere than on Linux it cannot."""
    return sys.platform == "linux" and bool(_LIBC.prctl(option, value, 0, 0, 0) == 0)


_LIBC = ctypes.CDLL(None, use_errno=True)

if __name__ == "__main__":
    try:
        main()
    except OSError as problem:
        if problem.errno not in (errno.ECONNRESET, errno.EPIPE):
            raise

"""The server's side of supervisor.py: one process that forks a supervisor for each run.

It is started with an environment that holds nothing, and is the parent of all supervisors: what a
program finds by following its parents is never the server. It ends when the server closes its end
or dies; supervisors, and the programs below them, go on.
"""

import asyncio
import errno
import json
import marshal
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from reconciler.dispatch.command import supervisor
from reconciler.dispatch.command.processes import Tree, identify

START_SECONDS = 20.0
"""How long a fork may take on a machine that is busy."""
FAREWELL_SECONDS = 5.0
_INTERPRETER_NEEDS = ("LD_LIBRARY_PATH",)
"""Without it some interpreters do not start; it is the operator's, and no program gets it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A program to start. `folder` is where its supervisor keeps what it saw; made there.

    `directory` is an open descriptor of the working directory; the server's own without one.
    `drain` is how many seconds the output may stay open after the program has ended. With `lines`,
    stdout is kept apart from stderr, of it only the lines that hold one of these texts. Of these
    the ones that `ends` describes (`supervisor.Linger`) tell that the work is over: a program that
    lives on for `linger` seconds after one is stopped, and killed `term` seconds later.
    """

    program: Path
    arguments: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    stdin: bytes = field(repr=False)
    folder: Path
    drain: float
    directory: int | None = None
    lines: Sequence[bytes] = ()
    ends: Sequence[Mapping[str, Sequence[str]]] = ()
    linger: float = 30.0
    term: float = 10.0


@dataclass(frozen=True, slots=True)
class Gate:
    """A program that waits for its line, and the connection to its supervisor."""

    tree: Tree
    connection: socket.socket

    def open(self) -> None:
        """Let the program begin. A supervisor that is gone is found out by whoever polls."""
        try:
            self.connection.send(supervisor.GO)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET):
                raise

    def forget(self) -> None:
        """Let it end without having done anything, and without a record: nobody will ask."""
        with suppress(OSError):
            self.connection.send(supervisor.FORGET)
        self.connection.close()

    def close(self) -> None:
        """Let it end without having done anything, which its supervisor keeps, as after a crash."""
        self.connection.close()


class _EndedAtOnce(OSError):
    """Whoever had the request was killed, and with them everybody who knew of it."""


class Spawner:
    """Starts the process when it is first needed, and again when it has died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None

    async def spawn(self, launch: Launch) -> Gate:
        """Start a program behind its gate.

        Raises OSError or ValueError with the cause when it cannot be started; nothing of it is
        executed then.
        """
        try:
            return await self._spawn(launch)
        except _EndedAtOnce:  # nobody is left who could open the gate: it is safe to ask another
            return await self._spawn(launch)

    async def _spawn(self, launch: Launch) -> Gate:
        request = _request(launch)
        ours, theirs = socket.socketpair()
        try:
            with ExitStack() as stack:
                stack.callback(theirs.close)
                descriptors = [stack.enter_context(_file(request)).fileno()]
                descriptors.append(stack.enter_context(_file(launch.stdin)).fileno())
                descriptors.append(theirs.fileno())
                if launch.directory is not None:
                    descriptors.append(launch.directory)
                self._send(descriptors)
            ours.setblocking(False)
            # Our end of the socket is the gate: if this server dies, nothing is executed.
            return await self._answer(ours, launch.folder.name)
        except BaseException:
            ours.close()
            raise

    async def close(self) -> None:
        """Close our end; the process ends by itself."""
        process, channel = self._process, self._channel
        self._process = self._channel = None
        if channel is not None:
            channel.close()
        if process is not None:
            await asyncio.to_thread(_reap, process)

    def _send(self, descriptors: list[int]) -> None:
        for again in (True, False):
            channel = self._channel or self._start()
            try:
                socket.send_fds(channel, [b"r"], descriptors)
                return
            except (BrokenPipeError, ConnectionResetError):
                self._lose()
                if not again:
                    raise

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", supervisor.__file__, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    env={
                        name: os.environ[name] for name in _INTERPRETER_NEEDS if name in os.environ
                    },
                    start_new_session=True,  # a Ctrl-C is the server's business
                )
            except BaseException:
                ours.close()
                raise
        ours.setblocking(False)
        self._channel = ours
        return ours

    def _lose(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    async def _answer(self, connection: socket.socket, folder: str) -> Gate:
        loop = asyncio.get_running_loop()
        try:
            answer = await asyncio.wait_for(loop.sock_recv(connection, 4096), START_SECONDS)
        except TimeoutError:
            raise OSError(errno.EAGAIN, "the host did not start it in time") from None
        if not answer:  # the process that forks, or the fork, was killed
            raise _EndedAtOnce(errno.EAGAIN, "its supervisor ended at once")
        pids = json.loads(answer)
        if "errno" in pids:
            raise OSError(pids["errno"], os.strerror(pids["errno"]))
        # Neither is reaped before the program's end was seen: both are there.
        leader, above = identify(pids["pid"]), identify(pids["supervisor"])
        return Gate(Tree(leader, above, folder), connection)


def _request(launch: Launch) -> bytes:
    """What the supervisor needs, as bytes. Raises ValueError for what no process can have."""
    arguments = [str(launch.program), *launch.arguments]
    environment = launch.environment.items()
    return marshal.dumps(
        {
            "program": _bytes(str(launch.program)),
            "arguments": [_bytes(argument) for argument in arguments],
            "environment": {_bytes(name): _bytes(value) for name, value in environment},
            "folder": str(launch.folder),
            "drain": launch.drain,
            "lines": [*launch.lines],
            "ends": [{name: [*texts] for name, texts in end.items()} for end in launch.ends],
            "linger": launch.linger,
            "term": launch.term,
        }
    )


def _bytes(text: str) -> bytes:
    if "\0" in text:
        raise ValueError("the arguments or the environment hold a null byte")
    return os.fsencode(text)


def _file(data: bytes) -> BinaryIO:
    """A file without a name that holds `data`, to be read from its start."""
    file = _unnamed()
    file.write(data)
    file.seek(0)
    return file


def _unnamed() -> BinaryIO:
    if sys.platform == "linux":
        return os.fdopen(os.memfd_create("run", os.MFD_CLOEXEC), "w+b")
    return cast("BinaryIO", tempfile.TemporaryFile())


def _reap(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(FAREWELL_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

"""A process of this server from the opening of its gate to its end: fed, read and waited for."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

from reconciler.dispatch.base import Handle
from reconciler.dispatch.command.gate import Gate
from reconciler.dispatch.command.processes import find, send
from reconciler.dispatch.command.tail import Tail

CHUNK = 64 * 1024
SWEEPS = 20
"""Rounds of killing what is left behind, before it is left to the operator."""


class Child:
    """One running program. `done` once it and all that it left behind have ended.

    `status` is then what `Popen.returncode` is: the exit status, or minus the number of the
    signal; None where something else in this server has reaped the process. `clear` says that
    nothing of the run was alive then.
    """

    def __init__(
        self,
        run_id: str,
        handle: Handle,
        gate: Gate,
        data: bytes,
        drain: float,
        notify: Callable[[], None],
    ) -> None:
        """Open the gate and feed `data`; call from within the running event loop.

        `drain` is how many seconds the output may stay open after the program has ended; `notify`
        is called once `done`.
        """
        self.run_id = run_id
        self.handle = handle
        self.leader = gate.leader
        self.tail = Tail()
        self.status: int | None = None
        self.done = False
        self.clear = False
        self._abandoned = False
        self._handover = threading.Lock()
        self._gate = gate
        self._drain = drain
        self._notify = notify
        self._loop = asyncio.get_running_loop()
        self._left = asyncio.Event()
        self._silent = asyncio.Event()
        self._open = {gate.stdin, gate.stdout}
        self._unfed = memoryview(b"\n" + data)
        self._listen()
        self._end = self._loop.create_task(self._follow(), name=f"command of run {run_id}")

    async def ended(self, within: float) -> bool:
        """Wait for the end, at most `within` seconds; whether it has come."""
        await asyncio.wait([self._end], timeout=within)
        return self.done

    async def abandon(self) -> None:
        """Let go of it: the process stays as it is, without readers of its output."""
        with self._handover:
            self._abandoned = True
        self._end.cancel()
        await asyncio.wait([self._end])
        self._close_all()
        if self._left.is_set():
            self._gate.process.wait()

    def _listen(self) -> None:
        for end in self._open:
            os.set_blocking(end, False)
        self._loop.add_reader(self._gate.stdout, self._read)
        self._loop.add_writer(self._gate.stdin, self._feed)
        threading.Thread(target=self._wait, name=f"wait for {self.leader.pid}", daemon=True).start()

    def _wait(self) -> None:
        """In a thread, since waiting for a process blocks.

        Once the process is abandoned the thread reaps it: the loop may stop at any moment, and what
        it was told last would never be done.
        """
        status = _exit_status(self._gate.process)
        with self._handover:
            told = not self._abandoned and self._tell(status)
        if not told:
            self._gate.process.wait()

    def _tell(self, status: int | None) -> bool:
        try:
            self._loop.call_soon_threadsafe(self._leave, status)
        except RuntimeError:  # the loop is closed
            return False
        return True

    def _leave(self, status: int | None) -> None:
        self.status = status
        self._left.set()

    async def _follow(self) -> None:
        """1. The program ends; its zombie keeps the pid from being used again. 2. Its output may
        go on for a moment. 3. What it left behind is killed. 4. The zombie is reaped."""
        await self._left.wait()
        await self._silence()
        if await self._sweep():
            await self._silence()
        self._close_all()
        self._gate.process.wait()
        self.done = True
        self._notify()

    async def _silence(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._silent.wait(), self._drain)

    async def _sweep(self) -> bool:
        """Kill what is still alive of the run; whether there was anything."""
        for sweep in range(SWEEPS):
            remains = await asyncio.to_thread(find, self.leader, self.run_id)
            if not remains:
                self.clear = True
                return sweep > 0
            send(remains, self.leader, signal.SIGKILL)
            await asyncio.sleep(0.01 * (sweep + 1))
        return True

    def _read(self) -> None:
        try:
            data = os.read(self._gate.stdout, CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.tail.feed(data)
        else:
            self._close(self._gate.stdout)
            self._silent.set()

    def _feed(self) -> None:
        try:
            written = os.write(self._gate.stdin, self._unfed[:CHUNK])
        except BlockingIOError:
            return
        except OSError:  # it does not read its stdin, which is its own affair
            written = len(self._unfed)
        self._unfed = self._unfed[written:]
        if not self._unfed:
            self._close(self._gate.stdin)

    def _close(self, end: int) -> None:
        if end in self._open:
            self._open.remove(end)
            self._loop.remove_reader(end)
            self._loop.remove_writer(end)
            os.close(end)

    def _close_all(self) -> None:
        for end in tuple(self._open):
            self._close(end)
        self._unfed = memoryview(b"")


def _exit_status(process: subprocess.Popen[bytes]) -> int | None:
    """Block until the process has ended; it is not reaped, so that its pid stays taken."""
    if sys.platform == "darwin":  # has no waitid before Python 3.13
        return process.wait()
    try:
        info = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    except ChildProcessError:
        return None
    if info is None:
        return None
    return info.si_status if info.si_code == os.CLD_EXITED else -info.si_status

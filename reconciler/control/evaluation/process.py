"""One child process for evaluations: started when first needed, killed when it does not answer."""

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from typing import Any

from reconciler.control.interpreter import interpreter

MEMORY = 256 * 1024**2
"""Bytes of address space of the child; it needs about 30 MiB of them for itself."""
START_SECONDS = 20.0
"""How long a child may take to start, on a machine that is busy."""
_KEPT_ENVIRONMENT = ("LD_LIBRARY_PATH", "PYTHONHOME")
"""What an interpreter may need to start; nothing else of ours is inherited, secrets least."""


class ProcessLost(Exception):
    """The child did not answer.

    `status` is that of its end. `overdue`: it was killed here, because its deadline on the
    wall clock had passed. `ready`: it had started and was evaluating.
    """

    def __init__(self, status: int | None, *, overdue: bool, ready: bool) -> None:
        self.status = status
        self.overdue = overdue
        self.ready = ready
        super().__init__(f"ended with status {status}")

    @property
    def out_of_time(self) -> bool:
        """Whether the kernel ended it for using up its CPU time."""
        return self.status == -signal.SIGPROF

    @property
    def from_outside(self) -> bool:
        """Whether the end says nothing about what was evaluated."""
        outside = (-signal.SIGKILL, -signal.SIGTERM, None)
        return self.overdue or not self.ready or self.status in outside


class EvaluationProcess:
    """Asks one question at a time; its owner sees to that. Survives the death of its child."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._child: subprocess.Popen[bytes] | None = None
        self._ready = False

    def start(self) -> None:
        """Start the child if none is alive; does not wait until it is ready."""
        if self._child is not None and self._child.poll() is not None:
            self.stop()
        if self._child is None:
            self._child = self._started()
            self._ready = False

    def ask(self, request: bytes, wall: float) -> dict[str, Any]:
        """The child's answer, within `wall` seconds once it has started.

        ProcessLost where there is none; the child is gone then, and another one is starting.
        OSError where no child can be started.
        """
        self.start()
        try:
            return self._answer(request, wall)
        except (OSError, EOFError) as error:
            ready, overdue = self._ready, isinstance(error, TimeoutError)
            lost = ProcessLost(self.stop(), overdue=overdue, ready=ready)
            if ready:  # the next question should not wait for the start
                self.start()
            raise lost from None
        except BaseException:
            self.stop()  # its answer would be taken for that to the next question
            raise

    def _answer(self, request: bytes, wall: float) -> dict[str, Any]:
        child = self._child
        if child is None:
            raise EOFError
        if not self._ready:
            self._receive(child, time.monotonic() + START_SECONDS)
            self._ready = True
        deadline = time.monotonic() + wall
        self._send(child, request, deadline)
        return self._receive(child, deadline)

    def stop(self) -> int | None:
        """End the child, if any; the status with which it had ended, or that of being killed."""
        child, self._child = self._child, None
        if child is None:
            return None
        # One that closed its pipes is about to be reaped: its own status says why it ended.
        with contextlib.suppress(subprocess.TimeoutExpired):
            if child.stdout is not None and _closed(child.stdout.fileno()):
                child.wait(timeout=1)
        child.kill()
        status = child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        return status

    def _started(self) -> subprocess.Popen[bytes]:
        environment = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
        child = subprocess.Popen(
            interpreter("reconciler.control.evaluation.worker", str(self._seconds), str(MEMORY)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd="/",
            env=environment,
            start_new_session=True,  # a Ctrl-C is the parent's business
        )
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
        return child

    @staticmethod
    def _send(child: subprocess.Popen[bytes], body: bytes, deadline: float) -> None:
        assert child.stdin is not None  # noqa: S101 - for the type checker
        descriptor = child.stdin.fileno()
        unsent = memoryview(len(body).to_bytes(4, "big") + body)
        while unsent:
            _wait(descriptor, select.POLLOUT, deadline)
            with contextlib.suppress(BlockingIOError):
                unsent = unsent[os.write(descriptor, unsent) :]

    @staticmethod
    def _receive(child: subprocess.Popen[bytes], deadline: float) -> dict[str, Any]:
        assert child.stdout is not None  # noqa: S101 - for the type checker
        descriptor = child.stdout.fileno()
        length = int.from_bytes(_read(descriptor, 4, deadline), "big")
        answer: dict[str, Any] = json.loads(_read(descriptor, length, deadline))
        return answer


def _read(descriptor: int, length: int, deadline: float) -> bytes:
    parts: list[bytes] = []
    while length:
        _wait(descriptor, select.POLLIN, deadline)
        part = os.read(descriptor, length)
        if not part:
            raise EOFError
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def _wait(descriptor: int, event: int, deadline: float) -> None:
    poll = select.poll()  # not select(): it refuses descriptors above 1023
    poll.register(descriptor, event)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise TimeoutError


def _closed(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return any(events & select.POLLHUP for _, events in poll.poll(0))

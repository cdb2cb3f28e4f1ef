"""A real A2A server with the official SDK, whose agent does as the prompt says.

    with A2aAgent() as agent:              a process of its own
        agent.url, agent.executions()      where it is; the prompts that it really worked on
        agent.kill(), agent.freeze()       as servers die and hang

The first word of a prompt that is one of `a2a_server.BEHAVIOURS` decides what becomes of its task.
"""

import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import httpx

from tests.support.eventually import eventually
from tests.support.missing import missing
from tests.support.pages import ROOT
from tests.support.ports import free_port

V1, V03 = "1.0", "0.3"


@dataclass
class A2aAgent:
    """The server, running while it is entered. `binding`: `JSONRPC` or `HTTP+JSON`."""

    binding: str = "JSONRPC"
    version: str = V1
    card_url: str = ""
    """Where the card leads, if not to the server itself."""
    token: str = ""
    """What it asks for as bearer; nothing where it is empty."""
    port: int = 0
    _log: Path = field(default_factory=lambda: Path(tempfile.mkstemp(prefix="a2a-")[1]))

    def __enter__(self) -> Self:
        if find_spec("a2a") is None:
            missing("the extra a2a")
        self.port = self.port or free_port()
        self.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._log.unlink(missing_ok=True)

    def begin(self) -> None:
        """Start the process, and wait until it serves."""
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.support.a2a_server"),
                *("--port", str(self.port), "--binding", self.binding),
                *("--protocol", self.version, "--log", str(self._log)),
                *("--card-url", self.card_url, "--token", self.token),
            ],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(self._serves)

    def _serves(self) -> bool:
        with suppress(httpx.TransportError):
            httpx.get(f"{self.url}/.well-known/agent-card.json", timeout=5, trust_env=False)
            return True
        return False

    @property
    def url(self) -> str:
        """Where its card lies below."""
        return f"http://127.0.0.1:{self.port}"

    def executions(self) -> list[str]:
        """The context of each piece of work that began, in order; also of processes before."""
        return self._log.read_text().splitlines()

    def kill(self) -> None:
        """End the process as `kill -9` does."""
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """Stop the process: connections are taken, and nothing is answered."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

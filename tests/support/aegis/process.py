"""The stand-in as a process of its own, as a test sees it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tests.support.aegis.script import Json
from tests.support.ports import free_port


@dataclass
class Aegis:
    """A running stand-in. `witness`: the file of agents, which outlive `kill`."""

    keys: tuple[str, ...]
    witness: Path | None = None
    url: str = ""

    def start(self) -> None:
        """Start it, at the same port as before."""
        port = self.url.rpartition(":")[2] or str(free_port())
        call = [sys.executable, "-m", "tests.support.aegis", "--port", port, "--key", *self.keys]
        if self.witness is not None:
            call += ["--witness", str(self.witness)]
        self.process = subprocess.Popen(
            call, cwd=Path(__file__).parents[3], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()

    def kill(self) -> None:
        """`kill -9`: its agents live on."""
        self.process.kill()
        self.process.communicate()

    def control(self, **order: Any) -> dict[str, Json]:
        """Give an order (see `control`); return the state afterwards."""
        host, _, port = self.url.removeprefix("http://").partition(":")
        connection = HTTPConnection(host, int(port), timeout=30)
        try:
            connection.request("POST", "/_control", json.dumps(order))
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        assert response.status == 200, (order, response.status)
        return dict(json.loads(body))

    @property
    def calls(self) -> dict[str, int]:
        """How often each endpoint was called."""
        return dict(self.control()["calls"])

    @property
    def made(self) -> dict[str, int]:
        """How many sessions were ever made, by name; ended ones too."""
        return dict(self.control()["made"])

    @property
    def sessions(self) -> list[dict[str, Json]]:
        """All sessions, with what the API does not show: key, prompts, extra."""
        return list(self.control()["sessions"])


@contextmanager
def running(*keys: str, witness: Path | None = None) -> Iterator[Aegis]:
    """The stand-in as a process."""
    aegis = Aegis(keys or ("key-1", "key-2"), witness)
    aegis.start()
    try:
        yield aegis
    finally:
        aegis.kill()

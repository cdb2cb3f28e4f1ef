"""A lean load generator: keep-alive connections that post signed bodies and count the answers.

It runs in a process of its own and speaks just as much HTTP/1.1 as it needs, so that the server is
what is measured: `python -m bench.load URL --secret S` prints one line of JSON.
"""

import argparse
import asyncio
import hashlib
import hmac
import itertools
import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[1]
BODY = 2048
"""Bytes of each body."""
GRACE = 15.0
"""Seconds after the end in which answers may still come."""


@dataclass
class Load:
    """What one run of the generator saw: answers by status, and seconds of those that counted."""

    url: str
    secret: bytes
    counted: int
    ends: float = 0.0
    answers: Counter[int] = field(default_factory=Counter)
    took: list[float] = field(default_factory=list)
    numbers: Any = field(default_factory=itertools.count)
    open: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def request(self) -> bytes:
        """One request with a delivery id and a body that were never sent before."""
        number, target = next(self.numbers), urlsplit(self.url)
        start = f'{{"ref":"refs/heads/main","number":{number},"commits":["'.encode()
        body = start + b"x" * (BODY - len(start) - 3) + b'"]}'
        mac = hmac.digest(self.secret, body, hashlib.sha256).hex()
        return (
            f"POST {target.path} HTTP/1.1\r\nHost: {target.netloc}\r\n"
            "Content-Type: application/json\r\nX-GitHub-Event: push\r\n"
            f"X-GitHub-Delivery: {self.ends:.6f}-{number}\r\nX-Hub-Signature-256: sha256={mac}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body


class Sender(asyncio.Protocol):
    """One connection: sends the next request when the answer to the last one is whole."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.buffer = b""
        self.began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.load.open += 1
        self.send()

    def send(self) -> None:
        """Post once more, or leave when the time is over."""
        if time.perf_counter() >= self.load.ends:
            self.transport.close()
            return
        request = self.load.request()
        self.began = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Wait for a whole answer, note it, send the next."""
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return
        now, load = time.perf_counter(), self.load
        status = int(head[9:12])
        load.answers[status] += 1
        if status == load.counted and now < load.ends:
            load.took.append(now - self.began)
        self.buffer = b""
        self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        """The last one to leave ends the run."""
        self.load.open -= 1
        if not self.load.open:
            self.load.done.set()


def _length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0


async def generate(load: Load, connections: int, seconds: float) -> None:
    """Send from so many connections for so long."""
    target, loop = urlsplit(load.url), asyncio.get_running_loop()
    load.ends = time.perf_counter() + seconds
    for _ in range(connections):
        await loop.create_connection(lambda: Sender(load), target.hostname or "", target.port or 80)
    await asyncio.wait_for(load.done.wait(), seconds + GRACE)


@dataclass(frozen=True)
class Figures:
    """Counted answers per second; p50 and p99 in milliseconds; all answers by status.

    `cpu` are seconds of processor time of the server for each answer.
    """

    rate: float
    p50: float
    p99: float
    answers: dict[str, int]
    cpu: float = 0.0

    def __str__(self) -> str:
        text = f"{self.rate:7,.0f}/s  p50 {self.p50:6.1f} ms  p99 {self.p99:6.1f} ms"
        return f"{text}  {self.cpu * 1e3:5.2f} ms of CPU each"


def measure(
    url: str, secret: str, *, seconds: float, connections: int = 64, counted: int = 202
) -> Figures:
    """Run the generator in a process of its own."""
    options = ["--secret", secret, "--seconds", str(seconds)]
    options += ["--connections", str(connections), "--counted", str(counted)]
    done = subprocess.run(
        [sys.executable, "-m", "bench.load", url, *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
        timeout=seconds + 2 * GRACE,
    )
    return Figures(**json.loads(done.stdout))


def main() -> None:
    """Print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--secret", required=True)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--counted", type=int, default=202)
    given = parser.parse_args()
    load = Load(given.url, given.secret.encode(), given.counted)
    asyncio.run(generate(load, given.connections, given.seconds))
    took = sorted(load.took) or [0.0]
    figures = {
        "rate": len(load.took) / given.seconds,
        "p50": took[len(took) // 2] * 1e3,
        "p99": took[int(len(took) * 0.99)] * 1e3,
        "answers": load.answers,
    }
    json.dump(figures, sys.stdout)


if __name__ == "__main__":
    main()

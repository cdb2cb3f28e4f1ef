"""Signed webhooks per second, durably kept, beside a handler that stores nothing.

Everything runs in processes of its own on loopback: the load, a bare Starlette handler, and
`reconciler serve` on SQLite with synchronous=FULL. Each request has a fresh delivery id and a fresh
2 KB body; only 202 counts, so verification, idempotency, run and commit are in every figure.

Debian's `webhook` is measured twice: as most set it up, where it answers before its command has
run and keeps nothing, and with a command that keeps each delivery, for whose end it waits.
"""

import argparse
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil

from bench.load import ROOT, Figures, measure
from reconciler.control.access.keys import server_key
from reconciler.core.webhooks.token import webhook_token
from tests.support.ports import free_port
from tests.support.rig import agent, autopilot, webhook

SECRET = "a secret of thirty-two characters"  # noqa: S105 - of the benchmark only
GITHUB = {"scheme": "github", "secrets": [{"env": "AUTOPILOT_SECRET_DEFAULT__CI"}]}
SERVE, ONE_BY_ONE = ("-m", "reconciler"), ("-m", "bench.one_by_one")
POLICIES: dict[str, dict[str, Any]] = {
    "all but the first skipped": {"concurrencyPolicy": "skip"},
    "a hundred admitted, then skipped": {
        "concurrencyPolicy": "skip",
        "maxConcurrency": 100,
        "maxActive": 1000,
    },
    "a hundred admitted, a thousand waiting": {
        "concurrencyPolicy": "queue",
        "maxConcurrency": 100,
        "maxActive": 1000,
        "queueLimit": 1000,
    },
}
BARE = "bare Starlette, nothing stored"
Measured = Callable[[], Figures]
START = 30.0
"""Seconds that a server gets to listen."""


@contextmanager
def running(
    command: Sequence[str], port: int, folder: Path, **more: str
) -> Iterator[psutil.Process]:
    """A process that listens on `port`; ended with the block."""
    log = folder / "log"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", **more}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=output
        )
    try:
        await_listener(process, port, log)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def await_listener(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Wait until somebody listens."""
    until = time.monotonic() + START
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"nobody listens on {port}: {log.read_text()[-2000:]}")


def timed(server: psutil.Process, url: str, seconds: float) -> Figures:
    """Rate and lateness, with the processor time that the server took for each answer."""
    before = _used(server)
    figures = measure(url, SECRET, seconds=seconds)
    took = _used(server) - before
    return replace(figures, cpu=took / max(1, sum(figures.answers.values())))


def _used(server: psutil.Process) -> float:
    """Seconds of processor time of a server and its children, those that have ended included."""
    took = 0.0
    for child in server.children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it has ended since, and counts with its parent
            times = child.cpu_times()
            took += times.user + times.system
    own = server.cpu_times()
    return float(took + own.user + own.system + own.children_user + own.children_system)


def await_ready(url: str) -> None:
    """Wait until the manifests are applied."""
    until = time.monotonic() + START
    while httpx.get(url, timeout=START).status_code != 200:
        assert time.monotonic() < until, "the server did not become ready"
        time.sleep(0.05)


def bare(folder: Path, seconds: float) -> Figures:
    """The handler that stores nothing."""
    port = free_port()
    with running([sys.executable, "-m", "bench.bare", str(port)], port, folder) as server:
        return timed(server, f"http://127.0.0.1:{port}/hook", seconds)


def ours(
    folder: Path, seconds: float, policy: dict[str, Any], program: Sequence[str] = SERVE
) -> Figures:
    """`reconciler serve` on a new database."""
    port, site = free_port(), Path(tempfile.mkdtemp(dir=folder))
    hook = webhook() | {"signature": GITHUB}
    (site / "manifests").mkdir()
    for document in (agent(), autopilot("triage", hook, **policy)):
        path = site / "manifests" / f"{document['kind']}.yaml"
        path.write_text(json.dumps(document))
    command = [sys.executable, *program, "serve", "manifests", "--port", str(port)]
    settings = {
        "RECONCILER_DATABASE": f"sqlite:///{site}/state.db",
        "RECONCILER_KEY_FILE": f"{site}/server.key",
        "RECONCILER_LOG_FORMAT": "json",
        "AUTOPILOT_SECRET_DEFAULT__CI": SECRET,
    }
    with running(command, port, site, **settings) as server:
        await_ready(f"http://127.0.0.1:{port}/readyz")
        url = f"http://127.0.0.1:{port}/v1/webhooks/{token(site)}"
        figures = timed(server, url, seconds)
    require_kept(site, figures)
    return figures


def token(site: Path) -> str:
    """The webhook's token, made from the server's key as the server does."""
    with closing(sqlite3.connect(site / "state.db")) as database:
        query = "SELECT id, token_generation FROM autopilot_trigger"
        id_, generation = database.execute(query).fetchone()
    key = server_key(site / "server.key", site / "secrets")
    return webhook_token(key, id_, generation)


def require_kept(site: Path, figures: Figures) -> None:
    """Every 202 left one run and one delivery; nothing else was answered."""
    answered = sum(figures.answers.values())
    assert set(figures.answers) == {"202"}, figures.answers
    with closing(sqlite3.connect(site / "state.db")) as database:
        for table in ("autopilot_run", "delivery"):
            (count,) = database.execute(f"SELECT count(*) FROM {table}").fetchone()
            assert count == answered, (table, count, answered)


KEEP = """#!/bin/sh
# $1: the id of a delivery, $2: its body. Kept once, and on the disk before the end.
set -C
printf %s "$2" > "kept/$1" && sync "kept/$1"
"""


def debian(folder: Path, seconds: float) -> Figures:
    """Debian's `webhook` as its manual has it: it verifies, starts `true`, and stores nothing."""
    return _debian(Path(tempfile.mkdtemp(dir=folder)), seconds, {"execute-command": "/bin/true"})


def debian_that_keeps(folder: Path, seconds: float) -> Figures:
    """Debian's `webhook` asked for what we promise: an id is kept once, answered when it is."""
    site = Path(tempfile.mkdtemp(dir=folder))
    script = site / "keep"
    script.write_text(KEEP)
    script.chmod(0o755)
    (site / "kept").mkdir()
    arguments = [
        {"source": "header", "name": "X-GitHub-Delivery"},
        {"source": "entire-payload"},
    ]
    hook = {
        "execute-command": str(script),
        "command-working-directory": str(site),
        "pass-arguments-to-command": arguments,
        "include-command-output-in-response": True,
    }
    figures = _debian(site, seconds, hook)
    kept = sum(1 for _ in (site / "kept").iterdir())
    assert kept == sum(figures.answers.values()), (kept, figures.answers)
    return figures


def _debian(site: Path, seconds: float, hook: dict[str, Any]) -> Figures:
    match = {
        "type": "payload-hmac-sha256",
        "secret": SECRET,
        "parameter": {"source": "header", "name": "X-Hub-Signature-256"},
    }
    common = {"id": "hook", "success-http-response-code": 202, "trigger-rule": {"match": match}}
    (site / "hooks.json").write_text(json.dumps([common | hook]))
    port = free_port()
    options = ["-hooks", "hooks.json", "-ip", "127.0.0.1", "-port", str(port)]
    with running(["webhook", *options], port, site) as server:
        return timed(server, f"http://127.0.0.1:{port}/hooks/hook", seconds)


def best(rows: Mapping[str, Measured], rounds: int) -> dict[str, Figures]:
    """Everybody takes turns; each one's best round counts, as other programs only slow one down."""
    found: dict[str, Figures] = {}
    for _ in range(rounds):
        for what, measured in rows.items():
            figures = measured()
            if what not in found or figures.rate > found[what].rate:
                found[what] = figures
    return found


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    seconds = given.seconds
    with tempfile.TemporaryDirectory() as name:
        folder, skipping = Path(name), POLICIES["all but the first skipped"]
        rows: dict[str, Measured] = {BARE: lambda: bare(folder, seconds)}
        rows |= {what: partial(ours, folder, seconds, policy) for what, policy in POLICIES.items()}
        rows["  a transaction for each"] = lambda: ours(folder, seconds, skipping, ONE_BY_ONE)
        if shutil.which("webhook"):
            rows["Debian webhook, keeps each delivery"] = lambda: debian_that_keeps(folder, seconds)
            rows["Debian webhook, starts /bin/true"] = lambda: debian(folder, seconds)
        found = best(rows, given.rounds)
        print(f"64 connections, 2 KB each, best of {given.rounds} rounds")
        for what, figures in found.items():
            print(f"{what:<40} {figures}  {figures.rate / found[BARE].rate:.2f} x bare")


if __name__ == "__main__":
    main()

"""Signed webhooks per second, durably kept, beside a handler that stores nothing.

Everything runs in processes of its own on loopback: the load, a bare Starlette handler, and
`reconciler serve` on SQLite with synchronous=FULL. Each request has a fresh delivery id and a fresh
2 KB body; only 202 counts, so verification, idempotency, run and commit are in every figure.
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
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil

from bench.load import ROOT, Figures, measure
from reconciler.control.keys import server_key
from reconciler.core.webhook_token import webhook_token
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
    before = server.cpu_times()
    figures = measure(url, SECRET, seconds=seconds)
    after = server.cpu_times()
    took = after.user + after.system - before.user - before.system
    return replace(figures, cpu=took / max(1, sum(figures.answers.values())))


def await_ready(url: str) -> None:
    """Wait until the manifests are applied."""
    until = time.monotonic() + START
    while httpx.get(url, timeout=START).status_code != 200:
        assert time.monotonic() < until, "the server did not become ready"
        time.sleep(0.05)


def free_port() -> int:
    """A port of loopback that nobody uses."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port: int = listener.getsockname()[1]
        return port


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


def debian(folder: Path, seconds: float) -> Figures:
    """Debian's `webhook`: it verifies, starts `true`, and stores nothing."""
    match = {
        "type": "payload-hmac-sha256",
        "secret": SECRET,
        "parameter": {"source": "header", "name": "X-Hub-Signature-256"},
    }
    hook = {
        "id": "hook",
        "execute-command": "/bin/true",
        "success-http-response-code": 202,
        "trigger-rule": {"match": match},
    }
    (folder / "hooks.json").write_text(json.dumps([hook]))
    port = free_port()
    options = ["-hooks", "hooks.json", "-ip", "127.0.0.1", "-port", str(port)]
    with running(["webhook", *options], port, folder) as server:
        return timed(server, f"http://127.0.0.1:{port}/hooks/hook", seconds)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    given = parser.parse_args()
    seconds = given.seconds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = bare(folder, seconds)
        print(f"{'bare Starlette, nothing stored':<38} {base}")
        for what, policy in POLICIES.items():
            found = ours(folder, seconds, policy)
            print(f"{what:<38} {found}  {found.rate / base.rate:.2f} x bare", flush=True)
        found = ours(folder, seconds, POLICIES["all but the first skipped"], ONE_BY_ONE)
        print(f"{'  a transaction for each':<38} {found}  {found.rate / base.rate:.2f} x bare")
        if shutil.which("webhook"):
            print(f"{'Debian webhook, starts /bin/true':<38} {debian(folder, min(seconds, 3))}")


if __name__ == "__main__":
    main()

"""Real servers: `reconciler serve` as a process, its agent as a program, and what both left behind.

Everything of one test lies in a folder of its own: manifests, key, secrets, logs, and the file in
which the agent notes what it did. What was started is ended by pid, at the latest with the test.
"""

import ctypes
import fcntl
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.support.eventually import eventually
from tests.support.rig import agent

Document = dict[str, Any]

START_SECONDS = 60.0
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)
_NOTES = "AUTOPILOT_TEST_NOTES"
_AGENT = f"""#!/bin/sh
# Note the run, say something, then work for the seconds of $1, or as long as it is held.
printf '%s\\n' "$RUN_ID" >> "${_NOTES}"
printf 'worked on %s\\n' "$RUN_AUTOPILOT"
if [ "$1" = held ]; then exec flock --shared "${{{_NOTES}%/*}}/held" true; fi
exec /bin/sleep "$1"
"""


def die_with_parent() -> None:
    """Runs in the child: a test run that is killed leaves no server behind."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _in_child(descriptors: int | None) -> None:
    die_with_parent()
    if descriptors is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))


@dataclass
class Serving:
    """One `serve` process. `log` is its stderr; stdout is expected to stay empty."""

    process: subprocess.Popen[bytes]
    log: Path
    site: "Site"

    @property
    def text(self) -> str:
        """Everything that it wrote."""
        return self.log.read_text(errors="replace")

    @property
    def url(self) -> str:
        """Where it listens, from its banner; empty until that is printed."""
        found = re.search(r"^Dashboard: +(http://\S+?)/$", self.text, re.MULTILINE)
        return found[1] if found else ""

    @property
    def webhook_url(self) -> str:
        """The webhook that the banner names: its URL is not in the log, so it is asked for."""
        found = re.search(r"^Webhook: +reconciler webhook url (\S+)$", self.text, re.MULTILINE)
        assert found is not None, self.text
        path = self.site.cli("webhook", "url", found[1]).stdout.strip().partition("/v1/")[2]
        return f"{self.url}/v1/{path}"

    def events(self, name: str | None = None) -> list[Document]:
        """The lines of its log, of one kind or all."""
        lines = [line for line in self.text.splitlines() if line.startswith("{")]
        found = []
        for line in lines:
            with suppress(ValueError):  # the last line of a process that was killed
                found.append(json.loads(line))
        return [one for one in found if name in (None, one.get("event"))]

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process.poll() is None

    def await_ready(self) -> "Serving":
        """Wait until it says that it should get traffic; fail with its log if it ends before."""
        eventually(lambda: self.url or not self.alive, START_SECONDS)
        assert self.alive, f"ended with {self.process.returncode}:\n{self.text}"
        eventually(self._is_ready, START_SECONDS)
        return self

    def _is_ready(self) -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        return False

    @contextmanager
    def stalled(self) -> Iterator[None]:
        """Stop the process for the block, as a suspended machine does."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """`kill -9`."""
        self.process.kill()
        self.process.wait(60)

    def terminate(self, within: float = 30.0) -> int:
        """SIGTERM, and the exit code; TimeoutExpired if it takes longer."""
        self.process.terminate()
        return self.process.wait(within)


@dataclass
class Site:
    """A folder in which servers run one after the other, or several at once."""

    folder: Path
    database: str
    settings: dict[str, str] = field(default_factory=dict)
    servers: list[Serving] = field(default_factory=list)
    descriptors: int | None = None
    """What `ulimit -n` says to its servers."""
    follows: tuple[str, ...] | None = None
    """How `serve` is told what to follow; the manifests of the site by default."""

    @property
    def manifests(self) -> Path:
        """What servers follow."""
        return self.folder / "manifests"

    @property
    def notes(self) -> Path:
        """Where the agent notes each run."""
        return self.folder / "notes"

    def write(self, name: str, *documents: Document) -> None:
        """Write one file of manifests, whole at once as editors do."""
        self.manifests.mkdir(exist_ok=True)
        draft = self.folder / "draft"
        draft.write_text("".join(f"---\n{json.dumps(one)}\n" for one in documents))
        draft.replace(self.manifests / name)

    def agent(
        self, name: str = "bot", works: float = 0.0, *, held: bool = False, **spec: Any
    ) -> Document:
        """The manifest of an agent that notes its run, then works for so many seconds.

        One that is `held` works until the end of a block of `holding`, and no time without one.
        """
        env, args = {_NOTES: str(self.notes)}, ["held" if held else f"{works:g}"]
        runtime = {"type": "command", "program": "note", "args": args, "env": env}
        return agent(name, runtime=runtime, **spec)

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Keep agents that are `held` at work for the block, however long it takes."""
        with (self.folder / "held").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(file, fcntl.LOCK_UN)

    def start(self, port: int = 0, *, terminal: int | None = None, **settings: str) -> Serving:
        """Start a server and do not wait for it; on a free port unless one is given.

        Its output goes to a file, or to the `terminal` of this descriptor.
        """
        log = self.folder / f"serve-{len(self.servers)}.log"
        program = self.folder / "note"
        if not program.exists():
            program.write_text(_AGENT)
            program.chmod(0o755)
        follows = (str(self.manifests),) if self.follows is None else self.follows
        arguments = ["serve", *follows, "--port", str(port)]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*_COMMAND, *arguments, "--allow-command", f"note={program}"],
                cwd=self.folder,
                env=self.environment(settings),
                stdin=subprocess.DEVNULL,
                stdout=terminal or output,
                stderr=terminal or output,
                preexec_fn=partial(_in_child, self.descriptors),
            )
        self.servers.append(Serving(process, log, self))
        return self.servers[-1]

    def serve(self, port: int = 0, **settings: str) -> Serving:
        """Start a server and wait until it is ready."""
        return self.start(port, terminal=None, **settings).await_ready()

    def cli(self, *arguments: str, timeout: float = 30.0) -> subprocess.CompletedProcess[str]:
        """Run another command on the same database."""
        return subprocess.run(
            [*_COMMAND, *arguments],
            cwd=self.folder,
            env=self.environment({}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def command(self, *arguments: str) -> list[str]:
        """The program and its arguments."""
        return [*_COMMAND, *arguments]

    def environment(self, settings: dict[str, str]) -> dict[str, str]:
        """Of this process only what Python needs: no setting of the developer's leaks in."""
        ours = {"RECONCILER_DATABASE": self.database, **self.settings, **settings}
        return {"PATH": os.environ["PATH"], "PYTHONPATH": str(_ROOT), "LANG": "C.UTF-8", **ours}

    def noted(self) -> Counter[str]:
        """How often the agent noted each run id."""
        return Counter(self.notes.read_text().split()) if self.notes.exists() else Counter()

    def agents(self) -> list[psutil.Process]:
        """The agent's processes that are alive."""
        return [process for process in psutil.process_iter() if self._is_agent(process)]

    def _is_agent(self, process: psutil.Process) -> bool:
        with suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE:
                return process.environ().get(_NOTES) == str(self.notes)
        return False

    def clear(self) -> None:
        """End every process that was started here."""
        for one in self.servers:
            if one.alive:
                one.kill()
        for process in self.agents():
            with suppress(psutil.Error):
                process.kill()


def passes(seconds: float) -> None:
    """Let the server work for a random time; the moment of the kill is what is tested."""
    threading.Event().wait(seconds)


_ROOT = Path(__file__).parents[2]
_COMMAND = (sys.executable, "-m", "reconciler")


@contextmanager
def site(folder: Path, database: str, **settings: str) -> Iterator[Site]:
    """A site whose processes end with the block."""
    made = Site(folder, database, settings)
    try:
        yield made
    finally:
        made.clear()

"""Stopping what a run started, and the proof that nothing of it is alive."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from reconciler.dispatch.base import Handle, Stopped, Stopping
from reconciler.dispatch.command.processes import Leader, identify, is_alive, read_tree
from reconciler.dispatch.command.termination import Graces, terminate
from tests.support.eventually import eventually
from tests.support.pids import is_gone

GRACES = Graces(term=0.3, kill=5.0, drain=0.2)
QUICK = Graces(term=0.05, kill=0.05, drain=0.05)

PYTHON = "#!/usr/bin/python3 -I\n"
IGNORES = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
SAYS = "import os, sys, time\ndef say(): open(sys.argv[1], 'a').write(f'{os.getpid()}\\n')\n"
WAITS = "say()\ntime.sleep(600)\n"


class Run:
    """A process tree as a command starts it, without the server that did."""

    def __init__(self, folder: Path, text: str) -> None:
        self.id = str(uuid.uuid4())
        self.pids = folder / "pids"
        self.pids.touch()
        self.process = subprocess.Popen(
            ["/usr/bin/python3", "-I", "-c", SAYS + text, str(self.pids)],
            env={"RUN_ID": self.id},
            start_new_session=True,
        )
        self.handle = Handle(None, identify(self.process.pid).detail())

    def tree(self, size: int) -> list[int]:
        """The pids, once `size` processes have said theirs."""
        return eventually(lambda: len(p := self._said()) >= size and p) or []

    def _said(self) -> list[int]:
        return [int(line) for line in self.pids.read_text().split()]

    def end(self) -> None:
        """Leave nothing behind, whatever the test did."""
        for pid in {self.process.pid, *self._said()}:
            with suppress(OSError):
                if psutil.pid_exists(pid):
                    os.kill(pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Any]:
    runs: list[Run] = []

    def start(text: str) -> Run:
        runs.append(Run(tmp_path, text))
        return runs[-1]

    yield start
    for run in runs:
        run.end()


def living(pids: list[int]) -> list[int]:
    """Those that are there and not zombies."""
    return [pid for pid in pids if not is_gone(pid)]


def leader_of(handle: Handle) -> Leader:
    """The process that a handle names."""
    tree = read_tree(handle.detail)
    assert tree is not None
    return tree.leader


def stop(run: Run, handle: Handle | None = None, graces: Graces = GRACES) -> Stopped | Stopping:
    return asyncio.run(terminate(handle or run.handle, run.id, graces))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        pytest.param(WAITS, 1, id="one that obeys"),
        pytest.param(IGNORES + WAITS, 1, id="one that ignores SIGTERM"),
        pytest.param("os.fork()\nos.fork()\n" + WAITS, 4, id="children and a grandchild"),
        pytest.param(IGNORES + "os.fork()\n" + WAITS, 2, id="a child that ignores SIGTERM"),
        pytest.param(
            "os.fork() or os.setpgid(0, 0)\n" + WAITS, 2, id="a child in a group of its own"
        ),
        pytest.param("os.fork() or os.setsid()\n" + WAITS, 2, id="a child in a session of its own"),
        pytest.param(
            "os.fork() or (os.setsid(), os.fork() and os._exit(0))\n" + IGNORES + WAITS,
            2,
            id="a daemon that ignores SIGTERM",
        ),
        pytest.param(
            "if os.fork() == 0:\n    " + WAITS.replace("\n", "\n    ") + "\nos._exit(0)",
            1,
            id="the leader is gone, its child is not",
        ),
    ],
)
def test_stopped_means_that_nothing_is_alive(started: Any, text: str, size: int) -> None:
    run = started(text)
    pids = run.tree(size)
    assert stop(run) == Stopped()
    assert living(pids) == []
    assert stop(run) == Stopped()


def test_a_stopped_process_goes_on_to_take_its_sigterm(started: Any, tmp_path: Path) -> None:
    run = started("import signal\nsay(); os.kill(os.getpid(), signal.SIGSTOP)")
    run.tree(1)
    eventually(lambda: psutil.Process(run.process.pid).status() == psutil.STATUS_STOPPED)
    assert stop(run, graces=Graces(term=20)) == Stopped()
    assert run.process.wait() == -signal.SIGTERM


def test_sigterm_comes_first_and_time_to_obey_it(started: Any, tmp_path: Path) -> None:
    goodbye = tmp_path / "goodbye"
    run = started(
        f"import signal\nsignal.signal(15, lambda *_: (open({str(goodbye)!r}, 'w'), sys.exit()))\n"
        + WAITS
    )
    run.tree(1)
    assert stop(run, graces=Graces(term=20)) == Stopped()
    assert goodbye.exists()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"started": "1"}, Stopped, id="the pid is used again: ours is gone"),
        pytest.param({"boot": "another"}, Stopped, id="the machine was started anew"),
        pytest.param({"host": "another"}, Stopping, id="another host: no proof from here"),
        pytest.param({"pid": 1}, Stopping, id="pid 1 is nobody's command"),
        pytest.param({"pid": -1}, Stopping, id="minus one would be everybody"),
        pytest.param({"pid": "12"}, Stopping, id="a pid that is not a number"),
        pytest.param({"boot": None}, Stopping, id="a handle that lacks something"),
    ],
)
def test_a_process_that_is_not_the_recorded_one_is_never_killed(
    started: Any, changes: Mapping[str, Any], expected: type
) -> None:
    bystander = started(WAITS)
    pids = bystander.tree(1)
    handle = replace(bystander.handle, detail={**bystander.handle.detail, **changes})
    assert isinstance(
        asyncio.run(terminate(handle, "another-run", QUICK)),
        expected,
    )
    assert living(pids) == pids


def test_members_of_a_session_without_leader_or_mark_are_left_alone(started: Any) -> None:
    """They may belong to a session that came later and has the same number."""
    run = started("if os.fork() == 0:\n    say()\n    time.sleep(600)\nos._exit(0)")
    (child,) = run.tree(1)
    run.process.wait()
    answer = asyncio.run(terminate(run.handle, "another-run", QUICK))
    assert isinstance(answer, Stopping)
    assert f"process {child} may belong to this run" in answer.message
    assert living([child]) == [child]


def test_a_zombie_is_not_alive(started: Any) -> None:
    run = started("")
    leader = leader_of(run.handle)
    eventually(lambda: not is_alive(leader))
    assert Path(f"/proc/{run.process.pid}").exists()
    assert stop(run) == Stopped()


ROOT = Path(__file__).parents[3]


@pytest.fixture
def doomed(tmp_path: Path) -> Iterator[Any]:
    servers: list[subprocess.Popen[str]] = []

    def start(moment: str, run_id: str, text: str) -> tuple[subprocess.Popen[str], Handle]:
        program = tmp_path / "agent"
        program.write_text(text)
        program.chmod(0o755)
        call = [sys.executable, "-m", "tests.support.doomed_server", str(program), run_id, moment]
        server = subprocess.Popen(call, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        servers.append(server)
        assert server.stdout is not None
        return server, Handle(None, json.loads(server.stdout.readline()))

    yield start
    for server in servers:
        server.kill()
        server.communicate()


def test_a_server_killed_before_the_record_leaves_no_work(doomed: Any, tmp_path: Path) -> None:
    worked = tmp_path / "worked"
    server, handle = doomed("recording", "run-1", f"#!/bin/sh\ntouch {worked}\nexec sleep 600\n")
    assert server.wait() == -signal.SIGKILL
    leader = leader_of(handle)
    eventually(lambda: not is_alive(leader))
    assert not worked.exists()


def test_a_server_killed_at_work_leaves_what_the_next_one_stops(
    doomed: Any, tmp_path: Path
) -> None:
    worked = tmp_path / "worked"
    text = f"#!/bin/sh\ntrap '' TERM\ntouch {worked}\nwhile :; do sleep 600; done\n"
    server, handle = doomed("running", "run-2", text)
    eventually(worked.exists)
    server.kill()
    server.wait()
    leader = leader_of(handle)
    assert is_alive(leader)
    assert asyncio.run(terminate(handle, "run-2", GRACES)) == Stopped()
    assert not is_alive(leader)

"""Which servers are there: believed for a minute, unless their death shows on this host."""

import os
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from reconciler.control.serving import serving
from reconciler.store.servers import Server, register
from tests.support.rig import Rig

NOBODY = "http://127.0.0.1:1"


@pytest.fixture
def gone() -> int:
    """The pid of a process that has ended."""
    with subprocess.Popen(["/bin/true"]) as process:
        pass
    return process.pid


@pytest.fixture
def zombie() -> Iterator[int]:
    """The pid of a process that was killed and that nobody has waited for."""
    with subprocess.Popen(["/bin/sleep", "60"]) as process:
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        yield process.pid


@pytest.fixture
def listening() -> Iterator[str]:
    """The URL of something that takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def a_server(rig: Rig, **changes: object) -> Server:
    """A server in this very process, seen just now, where nobody listens any more."""
    now, host = datetime.now(rig.clock.now().tzinfo), socket.gethostname()
    rig.clock.jump(seconds=(now - rig.clock.now()).total_seconds())
    return replace(Server("one", host, os.getpid(), NOBODY, now, now), **changes)  # type: ignore[arg-type]


def seen(rig: Rig, one: Server) -> list[str]:
    """The ids of those that are there, of this one."""
    rig.database.write(lambda tx: register(tx, one))
    return [found.id for found in serving(rig.database)]


def test_one_whose_process_lives_is_there(rig: Rig) -> None:
    assert seen(rig, a_server(rig)) == ["one"]


def test_one_that_was_killed_is_not(rig: Rig, gone: int) -> None:
    assert seen(rig, a_server(rig, pid=gone)) == []


def test_nor_one_that_nobody_has_buried(rig: Rig, zombie: int) -> None:
    assert seen(rig, a_server(rig, pid=zombie)) == []


def test_nor_one_whose_pid_somebody_else_was_given(rig: Rig) -> None:
    before_this_process = a_server(rig).started_at - timedelta(days=1)
    assert seen(rig, a_server(rig, started_at=before_this_process)) == []


def test_one_that_answers_is_there_though_its_process_cannot_be_seen(
    rig: Rig, gone: int, listening: str
) -> None:
    assert seen(rig, a_server(rig, pid=gone, url=listening)) == ["one"]


@pytest.mark.parametrize("url", ["", "http://[", "http://127.0.0.1:99999", "https://"])
def test_a_url_that_leads_nowhere_is_no_answer(rig: Rig, gone: int, url: str) -> None:
    assert seen(rig, a_server(rig, pid=gone, url=url)) == []


@pytest.mark.parametrize(
    ("silent", "there"), [pytest.param(59, ["one"], id="not yet"), pytest.param(60, [], id="gone")]
)
def test_of_another_host_only_its_silence_tells(
    rig: Rig, gone: int, silent: int, there: list[str]
) -> None:
    one = a_server(rig, pid=gone, host="elsewhere")
    heard = one.seen_at - timedelta(seconds=silent)
    assert seen(rig, replace(one, seen_at=heard)) == there

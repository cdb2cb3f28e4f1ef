"""A run as a process of this host: started, fed, read, judged."""

import asyncio
import json
import os
import resource
import signal
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from reconciler.core.manifest.model import ExecutionMode
from reconciler.core.runs.run import Completed, Failed, Outcome, Reason
from reconciler.dispatch.base import (
    Ended,
    Gone,
    Handle,
    Job,
    Started,
    Stopped,
    Stopping,
    TargetDown,
    Transient,
    Unseen,
    Working,
)
from reconciler.dispatch.command.input import PATH
from reconciler.dispatch.command.runtime import Commands
from reconciler.dispatch.command.termination import Graces
from tests.dispatch.builders import Recorder, a_job, command, lines, poll, script
from tests.support.eventually import eventually_async

pytestmark = pytest.mark.anyio

GRACES = Graces(term=0.3, kill=5.0, drain=0.2)
RLIMIT = resource.RLIMIT_NOFILE
Bind = Callable[..., Commands]


@pytest.fixture
async def bind() -> AsyncIterator[Bind]:
    made: list[Commands] = []

    def commands(**programs: Path) -> Commands:
        made.append(Commands(programs, GRACES))
        return made[-1]

    yield commands
    for each in made:
        await each.close()


async def outcome(commands: Commands, job: Job, recorder: Recorder | None = None) -> Outcome:
    """Start the job and follow it to its end."""
    recorder = recorder or Recorder()
    match await commands.start(job, recorder):
        case Ended(ended):
            return ended
        case Started(handle):

            async def ended_now() -> Outcome | None:
                seen = await poll(commands, job, handle)
                return seen.outcome if isinstance(seen, Ended) else None

            found = await eventually_async(ended_now)
            assert found is not None
            return found
        case other:
            raise AssertionError(other)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("echo out; echo err >&2", Completed("out\nerr\n"), id="exit 0 is completed"),
        pytest.param("true", Completed(""), id="nothing said is an empty result"),
        pytest.param(
            "echo half; exit 3",
            Failed(Reason.AGENT_FAILED, "agent exited with status 3", "half\n"),
            id="another status is failed, the output stays",
        ),
        pytest.param(
            "echo last words; kill -KILL $$",
            Failed(Reason.AGENT_FAILED, "agent was killed by SIGKILL", "last words\n"),
            id="killed by a signal",
        ),
        pytest.param(
            "exit 127",
            Failed(Reason.AGENT_FAILED, "agent exited with status 127", ""),
            id="its own 127 is not ours",
        ),
        pytest.param(
            r"printf 'a\000b\377c'",
            Completed("a\ufffdb\ufffdc"),
            id="NUL and bad bytes are replaced",
        ),
        pytest.param(
            "exec <&-; exec >&- 2>&-; exit 0", Completed(""), id="closes all of its pipes"
        ),
    ],
)
async def test_the_exit_status_decides(
    bind: Bind, tmp_path: Path, text: str, expected: Outcome
) -> None:
    commands = bind(agent=script(tmp_path, text))
    assert await outcome(commands, a_job(command())) == expected


async def test_the_end_is_told_again_until_it_is_released(bind: Bind, tmp_path: Path) -> None:
    commands, job, recorder = bind(agent=script(tmp_path, "echo x")), a_job(command()), Recorder()
    first = await outcome(commands, job, recorder)
    assert await poll(commands, job, recorder.last) == Ended(first)
    assert await commands.release(job, recorder.last) == Stopped()
    assert await commands.release(job, recorder.last) == Stopped()
    assert isinstance(await poll(commands, job, recorder.last), Gone)


async def test_only_the_tail_of_the_output_is_kept(bind: Bind, tmp_path: Path) -> None:
    program = script(tmp_path, "#!/usr/bin/env python3\nprint('é' * 400_000 + 'end', end='')")
    ended = await outcome(bind(agent=program), a_job(command()))
    assert isinstance(ended, Completed)
    cut, text = ended.result.split("\n", 1)
    assert cut == f"[cut: the first {800_003 - 64 * 1024} bytes are not kept]"
    assert text.endswith("ééend")
    assert len(text.encode()) in (64 * 1024, 64 * 1024 - 1)  # half a character is not kept
    assert "\ufffd" not in text


async def test_nothing_is_inherited_but_what_is_named(
    bind: Bind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECONCILER_DATABASE", "postgresql://secret@db/prod")
    monkeypatch.setenv("LANG", "it_IT.UTF-8")
    program = script(
        tmp_path, "#!/usr/bin/python3 -I\nimport json, os\nprint(json.dumps(dict(os.environ)))"
    )
    job = a_job(command(), env={"TOKEN": "s3cret", "RUN_ID": "not mine to set"}, attempt=2)
    ended = await outcome(bind(agent=program), job)
    assert isinstance(ended, Completed)
    seen = json.loads(ended.result)
    seen.pop("LC_CTYPE", None)  # Python puts it there by itself in the C locale
    assert seen == {
        "PATH": PATH,
        "TOKEN": "s3cret",
        "RUN_ID": job.run_id,
        "RUN_AGENT": "triage-bot",
        "RUN_ATTEMPT": "2",
        "RUN_AUTOPILOT": "nightly-triage",
        "RUN_DEADLINE": job.deadline.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "RUN_MODE": "create_session",
        "RUN_SCHEDULED_FOR": "2026-12-01T09:00:00Z",
        "RUN_SOURCE": "schedule",
        "RUN_TRIGGER": "weekdays",
        "RUN_WORKSPACE": "platform",
    }


async def test_a_manifest_may_set_path(bind: Bind, tmp_path: Path) -> None:
    program = script(tmp_path, 'echo "$PATH"')
    ended = await outcome(bind(agent=program), a_job(command(), env={"PATH": "/opt/agents/bin"}))
    assert ended == Completed("/opt/agents/bin\n")


async def test_arguments_are_a_list_and_never_parsed(bind: Bind, tmp_path: Path) -> None:
    args = ["$(touch pwned)", "a b", "", "'", "; exit 9", "--", "*", "é", "\n"]
    program = script(
        tmp_path, "#!/usr/bin/python3\nimport json, sys\nprint(json.dumps(sys.argv[1:]))"
    )
    job = a_job(command(args=args, cwd=str(tmp_path)))
    ended = await outcome(bind(agent=program), job)
    assert isinstance(ended, Completed)
    assert json.loads(ended.result) == args
    assert not (tmp_path / "pwned").exists()


async def test_stdin_is_the_run_as_json_with_its_prompt(bind: Bind, tmp_path: Path) -> None:
    job = a_job(command(cwd=str(tmp_path)), payload={"issue": "ünïcode \ud800 \x00"})
    ended = await outcome(bind(agent=script(tmp_path, "pwd; cat")), job)
    assert isinstance(ended, Completed)
    where, line = lines(ended.result)
    assert where == str(tmp_path)
    assert json.loads(line) == {**job.run, "prompt": job.prompt}


BIG = {"blob": "x" * (25 * 1024 * 1024)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("wc -c", "2621", id="reads all of it"),
        pytest.param("head -c 3", '{"i', id="reads a little of it"),
        pytest.param("exec <&-; echo closed", "closed", id="closes its stdin"),
        pytest.param("echo deaf", "deaf", id="never reads"),
        pytest.param(
            "head -c 300000 /dev/zero | tr '\\0' y; cat | wc -c", "yyyy", id="writes first"
        ),
    ],
)
async def test_a_large_payload_never_hangs(
    bind: Bind, tmp_path: Path, text: str, expected: str
) -> None:
    ended = await outcome(bind(agent=script(tmp_path, text)), a_job(command(), payload=BIG))
    assert isinstance(ended, Completed)
    assert expected in ended.result


async def test_a_grandchild_that_keeps_the_output_open_does_not_hang_the_run(
    bind: Bind, tmp_path: Path
) -> None:
    commands, job, recorder = (
        bind(agent=script(tmp_path, "sleep 600 & echo $!")),
        a_job(command()),
        Recorder(),
    )
    ended = await outcome(commands, job, recorder)
    assert isinstance(ended, Completed)
    assert not alive(int(ended.result))
    assert await commands.stop(job, recorder.last) == Stopped()


def is_there(pid: int) -> bool:
    """Whether the process is there, be it as a zombie."""
    return Path(f"/proc/{pid}").exists()


def alive(pid: int) -> bool:
    """Whether the process is there and not a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


@pytest.mark.parametrize(
    ("prepare", "expected"),
    [
        pytest.param(
            lambda folder: {"agents": folder / "x"},
            "no program is bound to 'agent'; start the server with --allow-command agent=PATH, "
            "or name one that is bound; did you mean 'agents'?",
            id="not bound",
        ),
        pytest.param(
            lambda folder: {"agent": folder / "gone"}, "does not exist", id="no such file"
        ),
        pytest.param(lambda folder: {"agent": folder}, "is not an executable file", id="a folder"),
        pytest.param(
            lambda folder: {"agent": plain(folder)},
            "is not an executable file",
            id="not executable",
        ),
        pytest.param(
            lambda folder: {"agent": script(folder, "#!/no/such/interpreter\n")},
            "agent could not be executed: ",
            id="its interpreter is missing",
        ),
    ],
)
async def test_a_program_that_cannot_be_started_fails_the_dispatch(
    bind: Bind, tmp_path: Path, prepare: Callable[[Path], dict[str, Path]], expected: str
) -> None:
    ended = await outcome(bind(**prepare(tmp_path)), a_job(command()))
    assert isinstance(ended, Failed)
    assert ended.reason is Reason.DISPATCH_FAILED
    assert expected in ended.message


def plain(folder: Path) -> Path:
    """A file that nobody may execute."""
    path = folder / "plain"
    path.write_text("#!/bin/sh\n")
    return path


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        pytest.param(a_job(command(cwd="/no/such/folder")), "/no/such/folder", id="no such cwd"),
        pytest.param(a_job(command(args=["x" * 3_000_000])), "too long", id="arguments too long"),
        pytest.param(a_job(command(args=["a\0b"])), "null byte", id="NUL in an argument"),
        pytest.param(a_job(command(), env={"A": "\0"}), "null byte", id="NUL in the environment"),
        pytest.param(a_job(command(), payload={1j}), "as JSON", id="a payload that is not JSON"),
    ],
)
async def test_a_job_that_no_process_can_have_fails_the_dispatch(
    bind: Bind, tmp_path: Path, job: Job, expected: str
) -> None:
    recorder = Recorder()
    ended = await outcome(bind(agent=script(tmp_path, "true")), job, recorder)
    assert isinstance(ended, Failed)
    assert ended.reason is Reason.DISPATCH_FAILED
    assert expected in ended.message
    assert recorder.handles == []


async def test_a_host_that_has_nothing_left_is_asked_again(bind: Bind, tmp_path: Path) -> None:
    commands, before = bind(agent=script(tmp_path, "true")), resource.getrlimit(RLIMIT)
    used = len(list(os.scandir("/proc/self/fd")))
    resource.setrlimit(RLIMIT, (used, before[1]))
    try:
        start = await commands.start(a_job(command()), Recorder())
    finally:
        resource.setrlimit(RLIMIT, before)
    assert isinstance(start, Transient)
    assert "Too many open files" in start.message
    assert await outcome(commands, a_job(command())) == Completed("")


async def test_nothing_is_executed_before_the_handle_is_recorded(
    bind: Bind, tmp_path: Path
) -> None:
    class Full(Exception):
        pass

    gates: list[Handle] = []

    async def record(handle: Handle) -> None:
        gates.append(handle)
        raise Full

    commands = bind(agent=script(tmp_path, f"touch {tmp_path}/worked"))
    with pytest.raises(Full):
        await commands.start(a_job(command()), record)
    assert not is_there(gates[0].detail["pid"])  # reaped, not even a zombie
    assert not (tmp_path / "worked").exists()


async def test_a_second_start_of_a_run_is_the_same_process(bind: Bind, tmp_path: Path) -> None:
    commands, job, recorder = (
        bind(agent=script(tmp_path, "sleep 600")),
        a_job(command()),
        Recorder(),
    )
    first = await commands.start(job, recorder)
    assert await commands.start(job, recorder) == first
    assert len(recorder.handles) == 1
    assert await poll(commands, job, recorder.last) == Working()
    assert await commands.stop(job, recorder.last) == Stopped()


@pytest.mark.parametrize(
    ("mode", "shown"),
    [
        pytest.param(ExecutionMode.CREATE_SESSION, True, id="the process is the session"),
        pytest.param(ExecutionMode.RUN_ONLY, False, id="the same without a session"),
    ],
)
async def test_what_is_shown_of_the_handle(
    bind: Bind, tmp_path: Path, mode: ExecutionMode, shown: bool
) -> None:
    recorder = Recorder()
    job = a_job(command(), mode=mode)
    assert await outcome(bind(agent=script(tmp_path, "true")), job, recorder) == Completed("")
    detail = recorder.last.detail
    assert recorder.last.session_id == (f"{detail['host']}:{detail['pid']}" if shown else None)
    assert json.loads(json.dumps(detail)) == detail


async def test_closing_leaves_a_process_to_the_next_server(bind: Bind, tmp_path: Path) -> None:
    before, after = (bind(agent=script(tmp_path, "exec sleep 600")) for _ in range(2))
    job, recorder = a_job(command()), Recorder()
    await before.start(job, recorder)
    await before.close()
    pid = recorder.last.detail["pid"]
    assert alive(pid)
    assert await after.stop(job, recorder.last) == Stopped()

    async def reaped() -> bool:
        return not is_there(pid)

    await eventually_async(reaped)


async def test_what_an_earlier_server_left_is_stopped_and_the_run_is_lost(
    bind: Bind, tmp_path: Path
) -> None:
    before, after = (bind(agent=script(tmp_path, "sleep 600")) for _ in range(2))
    job, recorder = a_job(command()), Recorder()
    await before.start(job, recorder)
    assert isinstance(await poll(after, job, recorder.last), Working)
    ended = await after.start(replace(job, handle=recorder.last, attempt=2), Recorder())
    assert isinstance(ended, Ended)
    assert isinstance(ended.outcome, Failed)
    assert ended.outcome.reason is Reason.LOST
    assert not alive(recorder.last.detail["pid"])
    assert isinstance(await poll(after, job, recorder.last), Gone)


async def test_the_process_of_another_host_is_not_ours_to_judge(bind: Bind) -> None:
    detail = {"pid": os.getpid(), "started": "1", "boot": "b", "host": "another-host"}
    commands, job, handle = bind(), a_job(command()), Handle("another-host:9", detail)
    stop, seen = await commands.stop(job, handle), await poll(commands, job, handle)
    assert isinstance(stop, Stopping)
    assert isinstance(seen, Unseen)
    assert "another-host" in stop.message
    start = await commands.start(replace(job, handle=handle), Recorder())
    assert isinstance(start, TargetDown)


def test_a_process_that_outlives_its_server_is_reaped_though_the_loop_has_stopped(
    tmp_path: Path,
) -> None:
    """Whoever forgets a child in the moment between makes a zombie of it."""
    loop = asyncio.new_event_loop()
    commands, recorder = Commands({"agent": script(tmp_path, "exec sleep 60")}, GRACES), Recorder()

    async def server() -> None:
        await commands.start(a_job(command()), recorder)
        await commands.close()

    loop.run_until_complete(server())
    pid = recorder.last.detail["pid"]
    os.kill(pid, signal.SIGKILL)
    waits = [one for one in threading.enumerate() if one.name == f"wait for {pid}"]
    for thread in waits:
        thread.join(20)
    loop.close()
    assert waits
    assert not psutil.pid_exists(pid)

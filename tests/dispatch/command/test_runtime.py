"""A run as a process of this host: started, fed, read, judged."""

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from reconciler.core.manifest.model import ExecutionMode
from reconciler.core.manifest.reach import Grant
from reconciler.core.runs.run import Completed, Failed, Outcome, Reason
from reconciler.dispatch.base import (
    Ended,
    Gone,
    Handle,
    Job,
    NotRecorded,
    Started,
    Stopped,
    Stopping,
    TargetDown,
    Transient,
    Unseen,
    Working,
)
from reconciler.dispatch.command import runtime
from reconciler.dispatch.command.ending import read_ending
from reconciler.dispatch.command.input import PATH
from reconciler.dispatch.command.runtime import Commands
from reconciler.dispatch.command.termination import Graces
from tests.dispatch.builders import Recorder, a_job, command, lines, outcome, poll, script
from tests.support.eventually import eventually_async
from tests.support.pages import ROOT

pytestmark = pytest.mark.anyio

GRACES = Graces(term=0.3, kill=5.0, drain=0.2)
RLIMIT = resource.RLIMIT_NOFILE
Bind = Callable[..., Commands]
CLOSED = Grant()
DAY = 86_400.0


@pytest.fixture
async def bind(tmp_path: Path) -> AsyncIterator[Bind]:
    made: list[Commands] = []

    def commands(grant: Grant = CLOSED, **programs: Path) -> Commands:
        grants = dict.fromkeys(programs, grant)
        made.append(Commands(programs, grants, folder=tmp_path / "runs", graces=GRACES))
        return made[-1]

    yield commands
    for each in made:
        await each.close()


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
    ended = await outcome(bind(Grant(frozenset({"TOKEN", "RUN_ID"})), agent=program), job)
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


async def test_arguments_are_a_list_and_never_parsed(bind: Bind, tmp_path: Path) -> None:
    args = ["$(touch pwned)", "a b", "", "'", "; exit 9", "--", "*", "é", "\n"]
    program = script(
        tmp_path, "#!/usr/bin/python3\nimport json, sys\nprint(json.dumps(sys.argv[1:]))"
    )
    job = a_job(command(args=args, cwd=str(tmp_path)))
    ended = await outcome(bind(Grant(folders=(str(tmp_path),)), agent=program), job)
    assert isinstance(ended, Completed)
    assert json.loads(ended.result) == args
    assert not (tmp_path / "pwned").exists()


async def test_stdin_is_the_run_as_json_with_its_prompt(bind: Bind, tmp_path: Path) -> None:
    job = a_job(command(cwd=str(tmp_path)), payload={"issue": "ünïcode \ud800 \x00"})
    grant = Grant(folders=(str(tmp_path),))
    ended = await outcome(bind(grant, agent=script(tmp_path, "pwd; cat")), job)
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
    assert await commands.stop(job, recorder.last) == Stopped(ended.result)


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
        pytest.param(a_job(command(args=["a\0b"])), "null byte", id="NUL in an argument"),
        pytest.param(
            a_job(command(), env={"AUTOPILOT_A": "\0"}), "null byte", id="NUL in the environment"
        ),
        pytest.param(a_job(command(), payload={1j}), "as JSON", id="a payload that is not JSON"),
    ],
)
async def test_a_job_that_no_process_can_have_fails_the_dispatch(
    bind: Bind, tmp_path: Path, job: Job, expected: str
) -> None:
    recorder = Recorder()
    grant = Grant(folders=("/no",))
    ended = await outcome(bind(grant, agent=script(tmp_path, "true")), job, recorder)
    assert isinstance(ended, Failed)
    assert ended.reason is Reason.DISPATCH_FAILED
    assert expected in ended.message
    assert recorder.handles == []


async def test_a_host_that_has_nothing_left_is_asked_again(bind: Bind, tmp_path: Path) -> None:
    commands, before = bind(agent=script(tmp_path, "true")), resource.getrlimit(RLIMIT)
    os.close(free := os.dup(0))  # the lowest number that is free: what is open may have gaps
    resource.setrlimit(RLIMIT, (free, before[1]))
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
    gates: list[Handle] = []

    async def record(handle: Handle) -> None:
        gates.append(handle)
        raise NotRecorded

    commands = bind(agent=script(tmp_path, f"touch {tmp_path}/worked"))
    with pytest.raises(NotRecorded):
        await commands.start(a_job(command()), record)

    async def gone() -> bool:
        pids = (gates[0].detail["pid"], gates[0].detail["supervisor"]["pid"])
        return not any(is_there(pid) for pid in pids)

    await eventually_async(gone)
    assert not (tmp_path / "worked").exists()
    assert list((tmp_path / "runs").iterdir()) == []


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


async def test_the_next_server_finds_how_a_program_ended(bind: Bind, tmp_path: Path) -> None:
    """Both while it still runs and when it ended while no server lived."""
    go = tmp_path / "go"
    program = script(tmp_path, f"echo before; until [ -e {go} ]; do sleep 0.02; done; echo after")
    job, recorder = a_job(command()), Recorder()
    first, second, third = (bind(agent=program) for _ in range(3))
    await first.start(job, recorder)
    await first.close()
    again = replace(job, handle=recorder.last, attempt=2)
    assert await second.start(again, Recorder()) == Started(recorder.last)
    assert await poll(second, job, recorder.last) == Working()
    await second.close()
    go.touch()

    async def ended() -> bool:
        return bool(list((tmp_path / "runs").glob("*/ending")))

    await eventually_async(ended)
    assert await third.start(again, Recorder()) == Ended(Completed("before\nafter\n"))
    assert await poll(third, job, recorder.last) == Ended(Completed("before\nafter\n"))
    assert await third.release(job, recorder.last) == Stopped()
    assert list((tmp_path / "runs").iterdir()) == []


async def test_a_stopped_run_keeps_what_it_had_said_until_then(bind: Bind, tmp_path: Path) -> None:
    """Also where the server that stops it is another than the one that started it."""
    before, after = (bind(agent=script(tmp_path, "echo half; exec sleep 600")) for _ in range(2))
    job, recorder = a_job(command()), Recorder()
    await before.start(job, recorder)
    output = tmp_path / "runs" / recorder.last.detail["folder"] / "output"

    async def told() -> bool:
        return output.exists() and "half" in output.read_text()

    await eventually_async(told)
    await before.close()
    assert await after.stop(job, recorder.last) == Stopped("half\n")


async def test_a_program_can_read_the_prompt_alone_and_be_told_which_run_it_is(
    bind: Bind, tmp_path: Path
) -> None:
    runtime = command(input="prompt", args=["--run={{ run.id }}", "{{run.title}}", "{{ x }}"])
    commands, job = bind(agent=script(tmp_path, 'cat; printf "\\n%s" "$@"')), a_job(runtime)
    ended = await outcome(commands, job)
    assert isinstance(ended, Completed)
    expected = f"{job.prompt}\n--run={job.run_id}\n{job.title}\n{{{{ x }}}}"
    assert ended.result == expected


async def test_the_next_server_stops_what_an_earlier_one_started(
    bind: Bind, tmp_path: Path
) -> None:
    before, after = (bind(agent=script(tmp_path, "exec sleep 600")) for _ in range(2))
    job, recorder = a_job(command()), Recorder()
    await before.start(job, recorder)
    await before.close()
    pid = recorder.last.detail["pid"]
    assert alive(pid)
    assert await after.stop(job, recorder.last) == Stopped()

    async def reaped() -> bool:
        return not is_there(pid) and not is_there(recorder.last.detail["supervisor"]["pid"])

    await eventually_async(reaped)


async def test_without_its_supervisor_a_program_is_stopped_and_its_run_is_lost(
    bind: Bind, tmp_path: Path
) -> None:
    before, after = (bind(agent=script(tmp_path, "exec sleep 600")) for _ in range(2))
    job, recorder = a_job(command()), Recorder()
    await before.start(job, recorder)
    os.kill(recorder.last.detail["supervisor"]["pid"], signal.SIGKILL)

    async def noticed() -> bool:
        seen = await poll(before, job, recorder.last)
        return isinstance(seen, Working) and "without its supervisor" in seen.detail

    await eventually_async(noticed)
    ended = await after.start(replace(job, handle=recorder.last, attempt=2), Recorder())
    assert isinstance(ended, Ended)
    assert isinstance(ended.outcome, Failed)
    assert ended.outcome.reason is Reason.LOST
    assert not alive(recorder.last.detail["pid"])
    assert isinstance(await poll(after, job, recorder.last), Gone)


async def die_after_recording(
    runtime: Commands, job: Job, recorder: Recorder, then: Callable[[Handle], None] | None = None
) -> None:
    """Start a job with a server that dies once the handle is recorded, and after `then`."""

    async def record(handle: Handle) -> None:
        await recorder(handle)
        if then is not None:
            then(handle)
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await runtime.start(job, record)


def processes_of(handle: Handle) -> dict[str, psutil.Process]:
    """The program's process, and the one that follows it."""
    pids = {"program": handle.detail["pid"], "supervisor": handle.detail["supervisor"]["pid"]}
    return {name: psutil.Process(pid) for name, pid in pids.items()}


async def test_a_program_whose_server_died_before_it_began_is_started_by_the_next(
    bind: Bind, tmp_path: Path
) -> None:
    """The window between the record of the handle and the opening of the gate."""
    worked, job, recorder = tmp_path / "worked", a_job(command()), Recorder()
    before, after = (bind(agent=script(tmp_path, f"echo x >> {worked}")) for _ in range(2))
    await die_after_recording(before, job, recorder)
    again = replace(job, handle=recorder.last, attempt=2)
    assert await outcome(after, again, recorder) == Completed("")
    assert len(recorder.handles) == 2
    assert worked.read_text() == "x\n"


@pytest.mark.parametrize("held", [["supervisor"], ["program", "supervisor"]], ids=" and ".join)
async def test_neither_a_folder_nor_a_living_process_says_that_a_program_has_begun(
    bind: Bind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: list[str]
) -> None:
    """A supervisor makes the folder before it writes its record; both may be held up for long."""
    worked, job, recorder = tmp_path / "worked", a_job(command()), Recorder()
    before, after = (bind(agent=script(tmp_path, f"echo x >> {worked}")) for _ in range(2))

    def hold(handle: Handle) -> None:
        for name in held:
            processes_of(handle)[name].suspend()

    await die_after_recording(before, job, recorder, then=hold)
    folder = after._folder / recorder.last.detail["folder"]
    folder.mkdir()
    again = replace(job, handle=recorder.last, attempt=2)
    with monkeypatch.context() as impatient:
        impatient.setattr(runtime, "BEGIN_POLLS", 20)
        assert isinstance(await after.start(again, recorder), TargetDown)
    folder.rmdir()
    for name in held:
        processes_of(recorder.last)[name].resume()

    async def is_started() -> bool:
        return isinstance(await after.start(again, recorder), Started)

    await eventually_async(is_started)
    assert await outcome(after, again, recorder) == Completed("")
    assert worked.read_text() == "x\n"


async def test_the_process_that_forks_is_started_again(bind: Bind, tmp_path: Path) -> None:
    commands = bind(agent=script(tmp_path, "true"))
    assert await outcome(commands, a_job(command())) == Completed("")
    process = commands._spawner._process
    assert process is not None
    process.kill()
    process.wait()
    assert await outcome(commands, a_job(command())) == Completed("")


async def test_a_program_that_is_told_to_stop_from_outside_has_not_completed(
    bind: Bind, tmp_path: Path
) -> None:
    """As `systemctl stop` does: every process of the unit gets SIGTERM, and many exit with 0."""
    ready = tmp_path / "ready"
    program = script(
        tmp_path, f"trap 'echo bye; exit 0' TERM; touch {ready}; while :; do sleep 0.02; done"
    )
    commands, job, recorder = bind(agent=program), a_job(command()), Recorder()
    await commands.start(job, recorder)

    async def started() -> bool:
        return ready.exists()

    await eventually_async(started)
    for pid in (recorder.last.detail["supervisor"]["pid"], recorder.last.detail["pid"]):
        os.kill(pid, signal.SIGTERM)

    async def ending() -> Outcome | None:
        seen = await poll(commands, job, recorder.last)
        return seen.outcome if isinstance(seen, Ended) else None

    assert await eventually_async(ending) == Failed(
        Reason.LOST,
        "agent was stopped from outside by SIGTERM and exited with status 0: "
        "that does not prove that its work was done",
        "bye\n",
    )


SIGNAL_AND_END_AT_ONCE = """
import os, signal, sys
from reconciler.dispatch.command.supervisor import Supervisor

signals, numbers = os.pipe()
os.set_blocking(signals, False)
output, into_output = os.pipe()
failure, into_failure = os.pipe()
pid = os.fork()
if pid == 0:
    os._exit(0)
for end in (into_output, into_failure):
    os.close(end)
os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
run = {"folder": sys.argv[1], "drain": 0.0, "ends": [], "linger": 0.0, "term": 0.0}
supervisor = Supervisor(run, pid, os.dup(0), signals, output, None, failure, reaper=True)
supervisor._read(output)  # its poll told of the end of the output, and not yet of the signal
os.write(numbers, bytes([signal.SIGTERM, signal.SIGCHLD]))
supervisor.follow()
"""


def test_a_signal_from_outside_that_comes_together_with_the_end_is_heard(tmp_path: Path) -> None:
    """As on a busy machine: the supervisor gets the processor only after the program's end."""
    folder = tmp_path / "run-1.ab12"
    call = [sys.executable, "-c", SIGNAL_AND_END_AT_ONCE, str(folder)]
    subprocess.run(call, cwd=ROOT, stdin=subprocess.DEVNULL, check=True)
    ending = read_ending(folder)
    assert ending is not None
    assert (ending.status, ending.outside) == (0, signal.SIGTERM)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("env -i setsid nohup sleep 600 & echo $!", id="a session and no environment"),
        pytest.param(
            "(env -i setsid sleep 600 >/dev/null & echo $!) | cat", id="and its parent is gone"
        ),
    ],
)
@pytest.mark.parametrize("how", ["the program ends", "it is stopped"])
async def test_nothing_that_a_program_left_outlives_its_run(
    bind: Bind, tmp_path: Path, text: str, how: str
) -> None:
    """Tools of coding agents run in sessions of their own, at times without RUN_ID."""
    waits = "" if how == "the program ends" else "; exec sleep 600"
    commands, job, recorder = (
        bind(agent=script(tmp_path, text + waits)),
        a_job(command()),
        Recorder(),
    )
    if waits:
        await commands.start(job, recorder)
        output = tmp_path / "runs" / recorder.last.detail["folder"] / "output"

        async def told() -> bool:
            return output.exists() and len(output.read_text().splitlines()) == 2

        await eventually_async(told)
        pid = int(output.read_text().splitlines()[1])
        assert alive(pid)
        said = output.read_text().partition("\n")[2]
        assert await commands.stop(job, recorder.last) == Stopped(said)
    else:
        ended = await outcome(commands, job, recorder)
        assert isinstance(ended, Completed)
        pid = int(ended.result)
    assert not alive(pid)


async def test_arguments_that_are_too_long_fail_the_dispatch(bind: Bind, tmp_path: Path) -> None:
    job = a_job(command(args=["x" * 3_000_000]))
    ended = await outcome(bind(agent=script(tmp_path, "true")), job)
    assert isinstance(ended, Failed)
    assert ended.reason is Reason.DISPATCH_FAILED
    assert "too long" in ended.message


async def test_what_supervisors_keep_is_bounded_and_private(bind: Bind, tmp_path: Path) -> None:
    program = script(tmp_path, "head -c 10000000 /dev/zero | tr '\\0' y")
    commands, job, recorder = bind(agent=program), a_job(command()), Recorder()
    ended = await outcome(commands, job, recorder)
    assert isinstance(ended, Completed)
    kept = tmp_path / "runs" / recorder.last.detail["folder"]
    assert sum(file.stat().st_size for file in kept.iterdir()) < 70_000
    assert {oct(path.stat().st_mode & 0o777) for path in (kept, kept.parent)} == {"0o700"}


async def test_the_process_of_another_host_is_not_ours_to_judge(bind: Bind) -> None:
    detail = {"pid": os.getpid(), "started": "1", "boot": "b", "host": "another-host"}
    commands, job, handle = bind(), a_job(command()), Handle("another-host:9", detail)
    stop, seen = await commands.stop(job, handle), await poll(commands, job, handle)
    assert isinstance(stop, Stopping)
    assert isinstance(seen, Unseen)
    assert "another-host" in stop.message
    start = await commands.start(replace(job, handle=handle), Recorder())
    assert isinstance(start, TargetDown)


@pytest.mark.parametrize(
    ("age", "ended", "stays"),
    [
        pytest.param(10, True, True, id="young"),
        pytest.param(3 * DAY, True, True, id="a server that has just started may need it"),
        pytest.param(31 * DAY, True, False, id="nobody came for it"),
        pytest.param(31 * DAY, False, False, id="no record, from before the machine's start"),
    ],
)
async def test_what_no_server_released_is_removed_in_the_end(
    bind: Bind, tmp_path: Path, age: float, *, ended: bool, stays: bool
) -> None:
    folder = tmp_path / "runs/run-1.ab12"
    folder.mkdir(parents=True)
    (folder / "output").write_bytes(b"x")
    if ended:
        (folder / "ending").write_bytes(b"{}")
    moment = time.time() - age
    os.utime(folder, (moment, moment))
    assert await outcome(bind(agent=script(tmp_path, "true")), a_job(command())) == Completed("")
    assert folder.exists() is stays

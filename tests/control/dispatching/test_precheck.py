"""Prechecks with real programs: go on, nothing to do, or a failure, before any agent works."""

import asyncio
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from reconciler.control.dispatching.context import RunnerContext
from reconciler.control.dispatching.precheck_follow import follow_prechecks_once
from reconciler.control.dispatching.runner import run_once, settle
from reconciler.control.runs.cancel import cancel
from reconciler.control.runs.told import told
from reconciler.core.runs.condition import recent_occurrences
from reconciler.core.runs.precheck import Prechecked, Verdict, prechecked
from reconciler.core.runs.run import Reason, Run, Status
from tests.control.dispatching.test_runner import program, stationed, until_ended
from tests.dispatch.builders import script
from tests.support.eventually import eventually_async
from tests.support.rig import COOLDOWN, Document, Rig, agent, autopilot, schedule

NOTHING = "echo three issues; echo no new issue; exit 10"


@pytest.fixture
def commands(rig: Rig, tmp_path: Path) -> Path:
    """An agent `work` and a precheck `check`: `sh -c` of their argument. Return their folder."""
    shell = 'exec /bin/sh -c "$1"'
    rig.commands = {
        name: script(tmp_path, f"cd {tmp_path}; {shell}", name) for name in ("work", "check")
    }
    return tmp_path


def declared(check: str, work: str = "touch worked; cat", **spec: object) -> list[Document]:
    timeout = spec.pop("precheckTimeout", "1m")
    precheck = {"program": "check", "args": [check], "timeout": timeout}
    return [program("bot", work), autopilot("triage", schedule(), precheck=precheck, **spec)]


def run_through(rig: Rig, *documents: Document, force: bool = False) -> Run:
    """Launch a run and follow it to its end."""
    rig.apply(*documents)
    run = rig.launch(force=force)

    async def body() -> None:
        async with stationed(rig) as runner:
            await until_ended(runner, rig, run)
            assert (runner.jobs, runner.prechecks, runner.tasks) == ({}, {}, {})

    asyncio.run(body())
    assert not [*rig.runs_dir.iterdir()]
    return rig.run_of(run.id)


def test_status_0_goes_on_and_its_output_goes_with_the_prompt(rig: Rig, commands: Path) -> None:
    ended = run_through(rig, *declared("echo 'issue 7 is new'; echo noise >&2"))
    assert (ended.status, ended.attempts) == (Status.COMPLETED, 1)
    prompt = str(ended.result)
    assert "<untrusted-precheck" in prompt
    assert "issue 7 is new" in prompt
    assert "noise" not in prompt
    assert "precheck at " in (ended.note or "")
    assert "issue 7 is new" in (ended.note or "")
    assert prechecked(ended) == Prechecked(rig.clock.now(), rig.clock.now(), Verdict.GO_ON)


def test_status_10_is_nothing_to_do_and_no_agent_works(rig: Rig, commands: Path) -> None:
    ended = run_through(rig, *declared(NOTHING))
    assert (ended.status, ended.reason) == (Status.SKIPPED, Reason.NOTHING_TO_DO)
    assert ended.failure_reason == "precheck: no new issue"
    assert (ended.started_at, ended.attempts, ended.session_id) == (None, 0, None)
    assert prechecked(ended) == Prechecked(
        rig.clock.now(), ended.completed_at, Verdict.NOTHING_TO_DO
    )
    assert not (commands / "worked").exists()


@pytest.mark.parametrize(
    ("check", "sentence"),
    [
        pytest.param("echo no token >&2; exit 3", "status 3: no token", id="another status"),
        pytest.param("kill -9 $$", "was killed by SIGKILL", id="a signal"),
    ],
)
def test_anything_else_is_a_failure_with_the_end_of_its_stderr(
    rig: Rig, commands: Path, check: str, sentence: str
) -> None:
    ended = run_through(rig, *declared(check, pauseAfterFailures=1))
    assert (ended.status, ended.reason) == (Status.FAILED, Reason.PRECHECK_FAILED)
    assert sentence in (ended.failure_reason or "")
    assert not (commands / "worked").exists()
    assert rig.live().switches.breaker_opened_at is not None


def test_a_program_that_nobody_bound_is_a_failure(rig: Rig, commands: Path) -> None:
    del rig.commands["check"]  # type: ignore[attr-defined]
    ended = run_through(rig, *declared("exit 0"))
    assert ended.reason is Reason.PRECHECK_FAILED
    assert "no program is bound to 'check'" in (ended.failure_reason or "")
    assert prechecked(ended) == Prechecked(None, ended.completed_at, Verdict.FAILED)


def test_a_quiet_night_is_no_streak_and_no_failing_health(rig: Rig, commands: Path) -> None:
    rig.apply(*declared(NOTHING, pauseAfterFailures=1))

    async def body() -> None:
        async with stationed(rig) as runner:
            for _ in range(4):
                (run,) = rig.tick(minutes=1).runs
                await until_ended(runner, rig, run)

    asyncio.run(body())
    runs = rig.runs()
    assert [run.reason for run in runs] == [Reason.NOTHING_TO_DO] * 4
    assert all(occurred.ran for occurred in recent_occurrences(runs[::-1], []))
    assert rig.live().switches.failures == 0


def test_force_passes_it(rig: Rig, commands: Path) -> None:
    ended = run_through(rig, *declared(NOTHING), force=True)
    assert ended.status is Status.COMPLETED
    assert (commands / "worked").exists()


def test_a_worker_claims_only_what_has_passed(rig: Rig, commands: Path) -> None:
    def both(check: str) -> list[Document]:
        return [agent(), declared(check)[1]]

    rig.apply(*both(f"test -e {commands}/new || exit 10; echo there is one"))
    quiet = rig.launch()

    async def rounds(run: Run) -> None:
        async with stationed(rig) as runner:
            assert rig.claim() == []

            async def judged() -> bool:
                await run_once(runner)
                await settle(runner)
                return rig.run_of(run.id).ended or not rig.run_of(run.id).precheck_due

            await eventually_async(judged)

    asyncio.run(rounds(quiet))
    assert rig.run_of(quiet.id).reason is Reason.NOTHING_TO_DO
    (commands / "new").touch()
    busy = rig.launch()
    asyncio.run(rounds(busy))
    (held,) = rig.claim()
    assert held.run.id == busy.id
    assert "there is one" in held.prompt
    assert rig.complete(held).status is Status.COMPLETED


def pids_of(run: Run) -> list[int]:
    """The living processes that carry the run's mark."""
    pids = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("RUN_ID") == run.id:
                pids.append(process.pid)
    return pids


async def checking(runner: RunnerContext, rig: Rig, run: Run) -> Run:
    """One round, up to the point where the precheck has begun."""
    await run_once(runner)
    await settle(runner)
    current = rig.run_of(run.id)
    assert current.precheck_handle is not None
    assert current.status is Status.PENDING

    async def alive() -> bool:
        return bool(pids_of(run))

    await eventually_async(alive)
    return current


def test_one_that_takes_too_long_is_stopped(rig: Rig, commands: Path) -> None:
    rig.apply(*declared("sleep 600", precheckTimeout="10s"))
    run = rig.launch()

    async def body() -> None:
        async with stationed(rig) as runner:
            await checking(runner, rig, run)
            rig.clock.advance(seconds=11)
            await until_ended(runner, rig, run)

    asyncio.run(body())
    ended = rig.run_of(run.id)
    assert ended.reason is Reason.PRECHECK_FAILED
    assert "did not end within its timeout" in (ended.failure_reason or "")
    assert pids_of(run) == []


def test_why_says_that_it_is_asked(rig: Rig, commands: Path) -> None:
    rig.apply(*declared("sleep 600"))
    run = rig.launch()

    async def body() -> None:
        async with stationed(rig) as runner:
            current = await checking(runner, rig, run)
            assert "its precheck is asked" in told(current, "run", rig.clock.now()).why
            rig.database.write(lambda tx: cancel(tx, run.id, "ada", rig.clock.now(), COOLDOWN))
            await until_ended(runner, rig, run)

    asyncio.run(body())


def test_a_cancel_stops_it(rig: Rig, commands: Path) -> None:
    rig.apply(*declared("sleep 600"))
    run = rig.launch()

    async def body() -> None:
        async with stationed(rig) as runner:
            await checking(runner, rig, run)
            rig.database.write(lambda tx: cancel(tx, run.id, "ada", rig.clock.now(), COOLDOWN))
            await until_ended(runner, rig, run)

    asyncio.run(body())
    ended = rig.run_of(run.id)
    assert (ended.reason, ended.failure_reason) == (Reason.CANCELLED, "cancelled by ada")
    assert pids_of(run) == []


def test_the_deadline_of_the_run_stops_it(rig: Rig, commands: Path) -> None:
    rig.apply(*declared("sleep 600", timeout="30s", precheckTimeout="1h"))
    run = rig.launch()

    async def body() -> None:
        async with stationed(rig) as runner:
            await checking(runner, rig, run)
            rig.clock.advance(seconds=31)
            await until_ended(runner, rig, run)

    asyncio.run(body())
    assert rig.run_of(run.id).reason in (Reason.TIMED_OUT, Reason.PRECHECK_FAILED)
    assert pids_of(run) == []


def counted(folder: Path) -> str:
    """A precheck that says so each time that it begins, and waits for the file `go`."""
    return (
        f"echo begun >> {folder}/count; while ! test -e {folder}/go; do sleep 0.05; done; echo ok"
    )


@pytest.mark.parametrize("answered", [False, True], ids=["still runs", "has answered meanwhile"])
def test_another_server_goes_on_with_the_same_program(
    rig: Rig, commands: Path, answered: bool
) -> None:
    rig.apply(*declared(counted(commands)))
    run = rig.launch()

    async def first() -> None:
        async with stationed(rig, "first") as runner:
            await checking(runner, rig, run)

    async def second() -> None:
        if answered:
            (commands / "go").touch()

            async def gone() -> bool:
                return not pids_of(run)

            await eventually_async(gone)
        rig.clock.advance(seconds=31)
        async with stationed(rig, "second") as runner:
            await run_once(runner)
            await settle(runner)
            if not answered:
                assert rig.run_of(run.id).lease_owner == "second"
                (commands / "go").touch()
            await until_ended(runner, rig, run)

    asyncio.run(first())
    asyncio.run(second())
    ended = rig.run_of(run.id)
    assert ended.status is Status.COMPLETED
    assert "ok" in str(ended.result)
    assert (commands / "count").read_text() == "begun\n"
    assert pids_of(run) == []


def test_a_verdict_is_asked_for_once_however_often_the_agent_is_tried(
    rig: Rig, commands: Path
) -> None:
    count = f"echo begun >> {commands}/count"
    rig.apply(*declared(count, retry={"limit": 2, "backoff": "1s"}))
    run = rig.launch()
    rig.commands["work"].chmod(0o600)

    async def body() -> None:
        async with stationed(rig) as runner:

            async def settled() -> bool:
                await run_once(runner)
                await settle(runner)
                return rig.run_of(run.id).ended or not rig.run_of(run.id).precheck_due

            await eventually_async(settled)
            rig.clock.advance(seconds=5)
            await run_once(runner)
            await settle(runner)
            await follow_prechecks_once(runner)

    asyncio.run(body())
    assert (commands / "count").read_text() == "begun\n"

"""The runner with real programs: starting, following, stopping, taking over, handing back."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from reconciler.control.access.secrets import SecretStore
from reconciler.control.dispatching.claim import claim_once
from reconciler.control.dispatching.context import RunnerContext, RunnerSettings
from reconciler.control.dispatching.follow import follow_once
from reconciler.control.dispatching.recover import recover_once
from reconciler.control.dispatching.runner import hand_back, renew_once, run_once, settle
from reconciler.control.dispatching.stop import stop, stop_once
from reconciler.control.runs.cancel import cancel
from reconciler.control.runs.launch import Order
from reconciler.core.runs.run import Run, Status
from reconciler.dispatch.base import no_hint
from reconciler.dispatch.command.termination import Graces
from reconciler.dispatch.registry import Runtimes
from reconciler.store.runs.leases import Lease, take
from reconciler.store.runs.runs import change_run
from tests.dispatch.builders import script
from tests.support.eventually import eventually_async
from tests.support.pids import is_gone
from tests.support.rig import COOLDOWN, KEY, Document, Rig, agent, autopilot, id_of, manifest

GRACES = Graces(term=0.4, kill=5, drain=0.2)
SECRET = "AUTOPILOT_SECRET_DEFAULT__TOKEN"


def program(name: str = "bot", *args: str, **spec: Any) -> Document:
    """An agent that is a program of that name."""
    return agent(name, runtime={"type": "command", "program": "work", "args": [*args]}, **spec)


@pytest.fixture
def work(rig: Rig, tmp_path: Path) -> Path:
    """A program that does what its arguments say: `sh -c`."""
    path = script(tmp_path, 'exec /bin/sh -c "$1"', "work")
    rig.commands = {"work": path}
    return path


@asynccontextmanager
async def stationed(
    rig: Rig,
    owner: str = "here",
    secrets: dict[str, str] | None = None,
    notify: Callable[[], None] = no_hint,
    **settings: Any,
) -> AsyncIterator[RunnerContext]:
    """One process's place of work; what it started ends with the block."""
    bound = rig.commands
    async with Runtimes(
        rig.clock, commands=bound, runs_dir=rig.runs_dir, graces=GRACES, notify=notify
    ) as runtimes:
        secret_store = SecretStore(Path("/nonexistent"), secrets or {})
        yield RunnerContext(
            rig.database, runtimes, secret_store, owner, KEY, RunnerSettings(**settings)
        )


def during(rig: Rig, body: Callable[[RunnerContext], Awaitable[None]], **settings: Any) -> None:
    """Run `body` with a station, and leave no process behind."""

    async def run() -> None:
        async with stationed(rig, **settings) as runner:
            await body(runner)

    try:
        asyncio.run(run())
    finally:
        for one in rig.runs():
            if one.handle and psutil.pid_exists(pid := one.handle["pid"]):
                psutil.Process(pid).kill()


async def began(runner: RunnerContext, rig: Rig, run: Run) -> Run:
    """One round, up to the point where the work has begun."""
    await run_once(runner)
    await settle(runner)
    found = rig.run_of(run.id)
    assert found.status is Status.RUNNING, found
    return found


async def until_ended(runner: RunnerContext, rig: Rig, run: Run) -> Run:
    """Rounds until the run has ended."""

    async def ended() -> bool:
        await run_once(runner)
        await settle(runner)
        return rig.run_of(run.id).ended

    await eventually_async(ended)
    return rig.run_of(run.id)


def lives(run: Run) -> bool:
    """Whether the process of a run is there."""
    assert run.handle is not None
    return not is_gone(run.handle["pid"])


@pytest.mark.usefixtures("work")
class TestTheWholeLife:
    @pytest.mark.parametrize(
        ("command", "mode", "ended"),
        [
            pytest.param("echo done", "create_session", ("completed", None, "done\n"), id="well"),
            pytest.param("echo done", "run_only", ("completed", None, "done\n"),
                         id="well, without a session"),
            pytest.param("echo oh; exit 3", "create_session", ("failed", "agent_failed", "oh\n"),
                         id="badly"),
        ],
    )  # fmt: skip
    def test_to_its_end(
        self, rig: Rig, command: str, mode: str, ended: tuple[str, str | None, str]
    ) -> None:
        rig.apply(program("bot", command), autopilot(executionMode=mode))
        run = rig.launch()

        async def body(runner: RunnerContext) -> None:
            await until_ended(runner, rig, run)
            assert (runner.jobs, runner.tasks, runner.leftovers) == ({}, {}, {})

        during(rig, body)
        found = rig.run_of(run.id)
        assert (found.status, found.reason, found.result) == ended
        assert (found.attempts, found.agent, found.lease_owner) == (1, "bot", None)
        assert (found.session_id is not None) == (mode == "create_session")
        assert found.started_at is not None

    def test_the_agent_gets_the_run(self, rig: Rig) -> None:
        rig.apply(program("bot", 'echo "$RUN_ID $RUN_AUTOPILOT $RUN_SOURCE"'), autopilot())
        run = rig.launch()

        async def body(runner: RunnerContext) -> None:
            await until_ended(runner, rig, run)

        during(rig, body)
        assert rig.run_of(run.id).result == f"{run.id} triage manual\n"

    def test_its_end_lets_the_next_one_in(self, rig: Rig) -> None:
        rig.apply(program("bot", "true"), autopilot(concurrencyPolicy="queue"))
        first, second = rig.launch(), rig.launch()

        async def body(runner: RunnerContext) -> None:
            await until_ended(runner, rig, first)
            await until_ended(runner, rig, second)

        during(rig, body)
        assert rig.run_of(second.id).admitted_at is not None


@pytest.mark.usefixtures("work")
class TestSoon:
    """What comes next waits for no clock: a look follows whatever a round or a start changed."""

    def test_one_round_ends_what_is_over_and_starts_what_waited_for_it(self, rig: Rig) -> None:
        rig.apply(program("bot", "true"), autopilot(concurrencyPolicy="queue"))
        first, second = rig.launch(), rig.launch()
        followed: list[str] = []

        async def body(runner: RunnerContext) -> None:
            await began(runner, rig, first)
            await eventually_async(lambda: heard(followed, "program"))
            await run_once(runner)
            assert rig.run_of(first.id).ended
            assert second.id in runner.tasks
            await settle(runner)
            assert rig.run_of(second.id).status is Status.RUNNING

        during(rig, body, notify=lambda: followed.append("program"))

    @pytest.mark.parametrize(
        ("changed", "looked"),
        [
            pytest.param(True, ["idle"], id="a start that was recorded"),
            pytest.param(False, [], id="a stop without proof: the next round asks again"),
            pytest.param(None, [], id="a mistake"),
        ],
    )
    def test_what_goes_on_beside_the_rounds_wakes_if_it_changed_something(
        self, rig: Rig, changed: bool | None, looked: list[str]
    ) -> None:
        rig.apply(program("bot", "true"), autopilot())
        run = rig.launch()
        followed: list[str] = []

        async def work(_station: RunnerContext, _run: Run) -> bool:
            if changed is None:
                raise ValueError("a mistake")
            return changed

        async def body(runner: RunnerContext) -> None:
            runner.notify = lambda: followed.append("busy" if runner.tasks else "idle")
            runner.spawn(run, work)
            await eventually_async(lambda: idle(runner))

        during(rig, body)
        assert followed == looked

    def test_a_run_that_goes_on_in_spite_of_a_cancel_does_not_keep_the_runner_awake(
        self, rig: Rig
    ) -> None:
        rig.apply(agent(runtime={"type": "http", "url": "http://127.0.0.1:1"}), autopilot())
        run = rig.launch()
        followed: list[str] = []

        async def body(runner: RunnerContext) -> None:
            now = rig.clock.now()
            held = {
                "status": Status.RUNNING, "agent": "bot", "attempts": 1,
                "handle": {}, "session_id": "s1",
                "lease_owner": runner.owner, "lease_until": now + runner.settings.lease,
            }  # fmt: skip
            rig.database.write(lambda tx: change_run(tx, run.id, held))
            rig.database.write(lambda tx: cancel(tx, run.id, "ada", now, COOLDOWN))
            runner.notify = lambda: followed.append("look")
            await stop_once(runner)
            await settle(runner)
            await eventually_async(lambda: idle(runner))

        during(rig, body)
        assert (rig.run_of(run.id).active, followed) == (True, [])


async def idle(runner: RunnerContext) -> bool:
    """Whether nothing goes on beside the rounds."""
    return not runner.tasks


async def heard(followed: list[str], what: str) -> bool:
    """Whether somebody said that a look would pay."""
    return what in followed


@pytest.mark.usefixtures("work")
class TestStopping:
    @pytest.mark.parametrize("command", ["sleep 60", "trap '' TERM; while :; do sleep 1; done"])
    def test_a_cancel_ends_on_proof(self, rig: Rig, command: str) -> None:
        rig.apply(program("bot", command), autopilot())
        run = rig.launch()

        async def body(runner: RunnerContext) -> None:
            running = await began(runner, rig, run)
            now = rig.clock.now()
            rig.database.write(lambda tx: cancel(tx, run.id, "ada", now, COOLDOWN))
            assert rig.run_of(run.id).active
            await until_ended(runner, rig, run)
            assert not lives(running)

        during(rig, body)
        ended = rig.run_of(run.id)
        assert (ended.reason, ended.failure_reason) == ("cancelled", "cancelled by ada")

    def test_a_deadline_ends_it(self, rig: Rig) -> None:
        rig.apply(program("bot", "sleep 60"), autopilot(timeout="5m"))
        run = rig.launch()

        async def body(runner: RunnerContext) -> None:
            running = await began(runner, rig, run)
            rig.clock.advance(minutes=5)
            await until_ended(runner, rig, run)
            assert not lives(running)

        during(rig, body)
        ended = rig.run_of(run.id)
        assert (ended.status, ended.reason) == (Status.FAILED, "timed_out")
        assert "its timeout of 5m" in (ended.failure_reason or "")

    def test_replace_never_has_two_alive(self, rig: Rig) -> None:
        rig.apply(program("bot", "sleep 60"), autopilot(concurrencyPolicy="replace"))
        old = rig.launch()

        async def body(runner: RunnerContext) -> None:
            running = await began(runner, rig, old)
            new = rig.launch()
            assert rig.run_of(new.id).waiting
            await until_ended(runner, rig, old)
            assert not lives(running)
            assert rig.run_of(new.id).active

        during(rig, body)
        assert rig.run_of(old.id).reason == "replaced"

    def test_a_handle_that_was_recorded_a_moment_ago_is_stopped_too(self, rig: Rig) -> None:
        """The row was read before its start recorded the process: the process is stopped."""
        rig.apply(program("bot", "sleep 60"), autopilot())
        run = rig.launch()

        async def body(runner: RunnerContext) -> None:
            before = replace(rig.run_of(run.id), agent="bot")
            running = await began(runner, rig, run)
            now = rig.clock.now()
            rig.database.write(lambda tx: cancel(tx, run.id, "ada", now, COOLDOWN))
            await stop(runner, before)
            assert rig.run_of(run.id).ended
            assert not lives(running)

        during(rig, body)

    def test_a_run_that_nobody_has_taken_ends_at_once(self, rig: Rig) -> None:
        rig.apply(program("bot", "true"), autopilot())
        run = rig.launch()
        now = rig.clock.now()
        rig.database.write(lambda tx: cancel(tx, run.id, "ada", now, COOLDOWN))
        during(rig, stop_once)
        assert rig.run_of(run.id).reason == "cancelled"
        assert rig.run_of(run.id).attempts == 0


@pytest.mark.usefixtures("work")
class TestSeveralServers:
    def test_two_take_each_run_once_and_no_more_than_the_agent_takes(self, rig: Rig) -> None:
        bot = program("bot", "sleep 60", maxConcurrency=8)
        rig.apply(bot, autopilot(maxConcurrency=20, maxActive=20))
        runs = [rig.launch() for _ in range(12)]

        async def body(runner: RunnerContext) -> None:
            async with stationed(rig, "there") as other:
                taken = await asyncio.gather(*(claim_once(one) for one in (runner, other) * 3))
                await asyncio.gather(settle(runner), settle(other))
                assert sorted(id_ for ids in taken for id_ in ids) == [one.id for one in runs[:8]]

        during(rig, body)
        assert [rig.run_of(one.id).attempts for one in runs] == [1] * 8 + [0] * 4

    def test_what_another_one_holds_is_left_to_it(self, rig: Rig) -> None:
        rig.apply(program("bot", "sleep 60"), autopilot())
        run = rig.launch()

        async def body(runner: RunnerContext) -> None:
            await began(runner, rig, run)
            async with stationed(rig, "there") as other:
                for _ in range(3):
                    await run_once(other)
                    await settle(other)
            assert rig.run_of(run.id).lease_owner == "here"

        during(rig, body)

    def test_a_lease_that_is_renewed_is_kept(self, rig: Rig) -> None:
        rig.apply(program("bot", "sleep 60"), autopilot())
        run = rig.launch()

        async def body(runner: RunnerContext) -> None:
            await began(runner, rig, run)
            for _ in range(4):
                rig.clock.advance(seconds=20)
                assert await renew_once(runner) == 1
            async with stationed(rig, "there") as other:
                assert await recover_once(other) == []

        during(rig, body)

    def test_work_of_a_dead_server_goes_on_under_another_one(self, rig: Rig) -> None:
        go = rig.runs_dir / "go"
        text = f"until [ -e {go} ]; do sleep 0.05; done; echo done"
        rig.apply(program("bot", text), autopilot())
        run = rig.launch()

        async def body(runner: RunnerContext) -> None:
            running = await began(runner, rig, run)
            await runner.runtimes.close()
            rig.clock.advance(seconds=31)
            async with stationed(rig, "there") as other:
                assert await recover_once(other) == [run.id]
                await settle(other)
                assert lives(running)
                go.touch()
                await until_ended(other, rig, run)
            assert await follow_once(runner) == []

        during(rig, body)
        ended = rig.run_of(run.id)
        assert (ended.status, ended.result) == (Status.COMPLETED, "done\n")

    def test_work_that_ended_while_no_server_lived_has_completed_also_after_its_deadline(
        self, rig: Rig
    ) -> None:
        rig.apply(program("bot", "echo done"), autopilot(timeout="1m"))
        run = rig.launch()

        async def body(runner: RunnerContext) -> None:
            running = await began(runner, rig, run)
            await runner.runtimes.close()
            assert running.handle is not None
            supervisor = running.handle["supervisor"]["pid"]

            async def ended() -> bool:
                return is_gone(supervisor)

            await eventually_async(ended)
            rig.clock.advance(hours=1)
            async with stationed(rig, "there") as other:
                await until_ended(other, rig, run)

        during(rig, body)
        ended = rig.run_of(run.id)
        assert (ended.status, ended.result) == (Status.COMPLETED, "done\n")

    def test_what_a_server_stopped_before_it_died_has_not_failed_by_itself(self, rig: Rig) -> None:
        rig.apply(program("bot", "echo half; sleep 60"), autopilot())
        run = rig.launch()

        async def body(runner: RunnerContext) -> None:
            running = await began(runner, rig, run)
            now = rig.clock.now()
            rig.database.write(lambda tx: cancel(tx, run.id, "ada", now, COOLDOWN))
            await runner.runtimes.close()
            assert running.handle is not None
            os.killpg(running.handle["pid"], signal.SIGTERM)
            rig.clock.advance(seconds=31)
            async with stationed(rig, "there") as other:
                await until_ended(other, rig, run)

        during(rig, body)
        assert rig.run_of(run.id).reason == "cancelled"

    def test_work_whose_supervisor_died_with_its_server_is_stopped_and_lost(self, rig: Rig) -> None:
        rig.apply(program("bot", "sleep 60"), autopilot())
        run = rig.launch()

        async def body(runner: RunnerContext) -> None:
            running = await began(runner, rig, run)
            handle = rig.run_of(run.id).handle
            assert handle is not None
            os.kill(handle["supervisor"]["pid"], signal.SIGKILL)
            rig.clock.advance(seconds=31)
            async with stationed(rig, "there") as other:
                await until_ended(other, rig, run)
                assert not lives(running)
            assert await follow_once(runner) == []

        during(rig, body)
        ended = rig.run_of(run.id)
        assert (ended.status, ended.reason) == (Status.FAILED, "lost")

    def test_a_lease_that_expired_before_anything_began_is_taken_again(self, rig: Rig) -> None:
        rig.apply(program("bot", "echo done"), autopilot())
        run = rig.launch()

        async def body(runner: RunnerContext) -> None:
            until = rig.clock.now() + runner.settings.lease
            rig.database.write(
                lambda tx: take(tx, [(rig.run_of(run.id), Lease("here", until, "bot"))])
            )
            rig.clock.advance(seconds=31)
            async with stationed(rig, "there") as other:
                await until_ended(other, rig, run)

        during(rig, body)
        ended = rig.run_of(run.id)
        assert (ended.status, ended.attempts) == (Status.COMPLETED, 2)

    def test_what_is_handed_back_is_free_at_once(self, rig: Rig) -> None:
        rig.apply(program("bot", "sleep 60"), autopilot())
        run = rig.launch()

        async def body(runner: RunnerContext) -> None:
            await began(runner, rig, run)
            assert await hand_back(runner) == 1
            async with stationed(rig, "there") as other:
                assert await recover_once(other) == [run.id]
                await settle(other)
                assert rig.run_of(run.id).lease_owner == "there"
                now = rig.clock.now()
                rig.database.write(lambda tx: cancel(tx, run.id, "ada", now, COOLDOWN))
                await until_ended(other, rig, run)

        during(rig, body)


@pytest.mark.usefixtures("work")
class TestRoom:
    def test_the_cap_over_all_makes_runs_wait(self, rig: Rig) -> None:
        rig.apply(program("bot", "sleep 60"), autopilot(maxConcurrency=5))
        runs = [rig.launch() for _ in range(3)]

        async def body(runner: RunnerContext) -> None:
            assert await claim_once(runner) == [one.id for one in runs[:2]]
            await settle(runner)
            assert rig.run_of(runs[2].id).waiting_for == "agent"
            assert await claim_once(runner) == []

        during(rig, body, max_active_runs=2)

    def test_workspaces_take_turns(self, rig: Rig) -> None:
        spec = {"title": "T", "assignee": {"type": "agent", "id": "bot"}, "maxConcurrency": 9}
        rig.apply(
            program("bot", "sleep 60"),
            autopilot(maxConcurrency=9),
            {**program("bot", "sleep 60"), "metadata": {"name": "bot", "workspace": "other"}},
            manifest("Autopilot", "quiet", spec, workspace="other"),
        )
        busy = [rig.launch() for _ in range(4)]
        quiet = rig.launcher.launch(Order(autopilot_id=id_of("quiet", "other")))

        async def body(runner: RunnerContext) -> None:
            assert set(await claim_once(runner)) == {busy[0].id, quiet.id}
            await settle(runner)
            handle = rig.run_of(quiet.id).handle
            assert handle is not None
            psutil.Process(handle["pid"]).kill()

        during(rig, body, max_active_runs=2)

    def test_round_robin_gives_each_member_its_turn(self, rig: Rig) -> None:
        squad = manifest("Squad", "crew", {"members": ["a", "b"], "strategy": "round_robin"})
        assignee = {"type": "squad", "id": "crew"}
        rig.apply(
            program("a", "true"),
            program("b", "true"),
            squad,
            autopilot(assignee=assignee, maxConcurrency=5),
        )
        runs = [rig.launch() for _ in range(4)]

        async def body(runner: RunnerContext) -> None:
            await claim_once(runner)
            await settle(runner)

        during(rig, body)
        assert [rig.run_of(one.id).agent for one in runs] == ["a", "b", "a", "b"]


@pytest.mark.usefixtures("work")
class TestFailures:
    def test_a_missing_secret_is_tried_again_as_the_policy_says(self, rig: Rig) -> None:
        env = {"AUTOPILOT_TOKEN": {"env": SECRET}}
        runtime = {
            "type": "command",
            "program": "work",
            "args": ["echo $AUTOPILOT_TOKEN"],
            "env": env,
        }
        retry = {"limit": 1, "backoff": "1m"}
        rig.apply(agent(runtime=runtime), autopilot(retry=retry))
        run = rig.launch()
        secrets: dict[str, str] = {"OTHER": "x"}

        async def body(runner: RunnerContext) -> None:
            await claim_once(runner)
            await settle(runner)
            waiting = rig.run_of(run.id)
            assert (waiting.status, waiting.waiting_for) == (Status.PENDING, "retry")
            assert waiting.next_attempt_at == rig.clock.now() + timedelta(minutes=1)
            assert await claim_once(runner) == []
            secrets[SECRET] = "t0ken"
            rig.clock.advance(minutes=1)
            await until_ended(runner, rig, run)

        during(rig, body, secrets=secrets)
        ended = rig.run_of(run.id)
        assert (ended.status, ended.result, ended.attempts) == (Status.COMPLETED, "t0ken\n", 2)

    def test_when_attempts_are_used_up_it_fails(self, rig: Rig) -> None:
        env = {"AUTOPILOT_TOKEN": {"env": SECRET}}
        runtime = {"type": "command", "program": "work", "args": ["true"], "env": env}
        rig.apply(agent(runtime=runtime), autopilot())
        run = rig.launch()

        async def body(runner: RunnerContext) -> None:
            await until_ended(runner, rig, run)

        during(rig, body)
        ended = rig.run_of(run.id)
        assert (ended.status, ended.reason) == (Status.FAILED, "dispatch_failed")
        assert SECRET in (ended.failure_reason or "")

    def test_an_agent_that_left_is_waited_for_until_the_deadline(self, rig: Rig) -> None:
        rig.apply(program("bot", "true"), program("other", "true"), autopilot(timeout="5m"))
        run = rig.launch()
        assignee = {"type": "agent", "id": "other"}
        rig.apply(program("other", "true"), autopilot(timeout="5m", assignee=assignee))

        async def body(runner: RunnerContext) -> None:
            await run_once(runner)
            assert rig.run_of(run.id).waiting_for == "agent"
            rig.clock.advance(minutes=5)
            await until_ended(runner, rig, run)

        during(rig, body)
        assert rig.run_of(run.id).reason == "target_unavailable"

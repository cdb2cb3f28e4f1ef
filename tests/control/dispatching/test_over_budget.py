"""`budget.perRun`: a run that says that it has cost more is stopped, or has failed at its end."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.control.dispatching.context import RunnerContext
from reconciler.control.dispatching.metering import meter
from reconciler.control.dispatching.workers import Claimed, heartbeat
from reconciler.control.runs.cancel import cancel
from reconciler.core.runs.run import Completed, Reason, Status
from reconciler.core.runs.usage import Usage
from tests.control.dispatching.test_http_end import rounds, server
from tests.control.dispatching.test_runner import during, until_ended
from tests.dispatch.builders import script
from tests.support.http_agent import HttpAgent
from tests.support.rig import COOLDOWN, Rig, agent, autopilot

LIMIT = {"perRun": 0.5}


@pytest.fixture
def http() -> Iterator[HttpAgent]:
    with HttpAgent() as made:
        yield made


def usage(dollars: float) -> Usage:
    return Usage(cost_micros=round(dollars * 1_000_000))


@pytest.fixture
def held(rig: Rig) -> Claimed:
    """A run under a budget, at a worker."""
    rig.apply(agent(), autopilot(budget=LIMIT))
    rig.launch()
    rig.round()
    (claimed,) = rig.claim()
    return claimed


def beat(rig: Rig, held: Claimed, dollars: float) -> bool:
    now = rig.clock.now()
    return rig.database.write(
        lambda tx: heartbeat(tx, held.run.id, held.lease_token, now, usage(dollars))
    ).cancel


def test_a_worker_is_told_to_stop_when_its_run_has_cost_too_much(rig: Rig, held: Claimed) -> None:
    assert not beat(rig, held, 0.5)
    assert rig.run_of(held.run.id).cost_micros == 500_000
    assert beat(rig, held, 0.51)
    run = rig.run_of(held.run.id)
    rig.complete(held, "failed", "stopped")
    run = rig.run_of(held.run.id)
    assert (run.status, run.reason, run.cost_micros) == ("failed", Reason.OVER_BUDGET, 510_000)
    assert run.failure_reason == "it has cost $0.51, $0.01 more than budget.perRun of $0.50"


def test_the_first_reason_to_stop_stands(rig: Rig, held: Claimed) -> None:
    now = rig.clock.now()
    rig.database.write(lambda tx: cancel(tx, held.run.id, "ann", now, COOLDOWN))
    assert beat(rig, held, 2)
    rig.complete(held, "completed", "x")
    assert rig.run_of(held.run.id).reason is Reason.CANCELLED
    assert rig.run_of(held.run.id).cost_micros == 2_000_000


def test_a_lower_report_takes_no_cost_back(rig: Rig, held: Claimed) -> None:
    """Neither a later one, nor an end by whoever read the run before the higher one came."""
    assert not beat(rig, held, 0.4)
    assert not beat(rig, held, 0.1)
    assert rig.run_of(held.run.id).cost_micros == 400_000
    assert held.run.cost_micros is None
    rig.end(held.run, Completed("the answer", usage(0.2)))
    run = rig.run_of(held.run.id)
    assert (run.status, run.cost_micros) == (Status.COMPLETED, 400_000)


def test_what_was_too_dear_before_its_last_report_is_too_dear(rig: Rig, held: Claimed) -> None:
    beat(rig, held, 0.75)
    rig.end(held.run, Completed("the answer", usage(0.2)))
    run = rig.run_of(held.run.id)
    assert (run.reason, run.cost_micros) == (Reason.OVER_BUDGET, 750_000)


def test_a_run_that_is_done_and_was_too_dear_has_failed_and_keeps_its_result(
    rig: Rig, held: Claimed
) -> None:
    rig.end(held.run, Completed("the answer", usage(0.75)))
    run = rig.run_of(held.run.id)
    assert (run.status, run.reason, run.result) == (
        Status.FAILED,
        Reason.OVER_BUDGET,
        "the answer",
    )
    assert rig.live().switches.failures == 0, "money is no failure of the agent"


def test_a_run_that_tells_its_cost_while_it_works_is_stopped(rig: Rig, http: HttpAgent) -> None:
    http.answer(202, {"sessionId": "s"})
    rig.apply(agent(runtime={"type": "http", "url": http.url}), autopilot(budget=LIMIT))
    run = rig.launch()

    async def body() -> None:
        async with server(rig) as runner:
            working = await rounds(runner, rig, run)
            assert working.status is Status.RUNNING
            now = rig.clock.now()
            rig.database.write(lambda tx: meter(tx, working, usage(0.6), now))
            http.answer(200, {"usage": {"costUsd": 0.65}})
            ended = await rounds(runner, rig, run)
            assert (ended.reason, ended.cost_micros) == (Reason.OVER_BUDGET, 650_000)
            assert "it has cost $0.65, $0.15 more" in (ended.failure_reason or "")

    asyncio.run(body())
    assert [request.method for request in http.requests] == ["POST", "DELETE"]


@pytest.mark.parametrize("fails", [False, True], ids=["it works on", "it has ended meanwhile"])
def test_a_command_that_tells_its_cost_while_it_works_is_stopped(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    monkeypatch.setattr("reconciler.dispatch.command.metering.METER_SECONDS", 0.0)
    line = '{"usage": {"costUsd": 0.65, "turns": 3}}'
    then = "exit 1" if fails else "exec sleep 600"
    text = f"printf 'half\\n%s\\nno\\n' '{line}'; {then}"  # written at once
    rig.commands = {"work": script(tmp_path, text, "work")}
    runtime = {"type": "command", "program": "work", "usage": "lastLine"}
    rig.apply(agent(runtime=runtime), autopilot(budget=LIMIT))
    run = rig.launch()

    async def body(runner: RunnerContext) -> None:
        await until_ended(runner, rig, run)

    during(rig, body)
    ended = rig.run_of(run.id)
    assert (ended.status, ended.reason, ended.cost_micros) == (
        Status.FAILED,
        Reason.OVER_BUDGET,
        650_000,
    )
    assert ended.failure_reason == "it has cost $0.65, $0.15 more than budget.perRun of $0.50"
    assert ended.result == "half\nno\n"
    assert ended.usage == {"costUsd": 0.65, "turns": 3}

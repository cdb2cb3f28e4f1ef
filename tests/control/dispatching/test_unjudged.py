"""A result that was told once is judged, whatever becomes of the server that took it."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.control.dispatching.jobs import run_token
from reconciler.control.dispatching.reports import Report, report_end
from reconciler.control.dispatching.runner import run_once
from reconciler.control.evaluation.expectations import Expectations
from reconciler.control.runs.approving import open_question
from reconciler.control.runs.cancel import cancel
from reconciler.control.runs.told import told
from reconciler.core.base.errors import NotFound
from reconciler.core.runs.lease import outcome_of
from reconciler.core.runs.run import Reason, Run, Status, WaitingFor
from tests.control.dispatching.test_expect import asked, unavailable
from tests.control.dispatching.test_http_end import methods, server
from tests.support.doomed_judge import Order
from tests.support.http_agent import HttpAgent
from tests.support.rig import COOLDOWN, KEY, Rig, agent, autopilot

__all__ = ["unavailable"]
ROOT = Path(__file__).parents[3]
SCHEMA = '{"properties": {"n": {"const": 1}}}'


@pytest.fixture
def http() -> Iterator[HttpAgent]:
    with HttpAgent() as made:
        yield made


def serve_to_its_death(url: str, order: Order) -> None:
    """Let a server take results, and be killed before it has judged one."""
    call = [sys.executable, "-m", "tests.support.doomed_judge", url]
    line = json.dumps(order)
    ended = subprocess.run(call, cwd=ROOT, input=line, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL


def manifests(http: HttpAgent, **spec: object) -> list[dict[str, object]]:
    """An autopilot of an agent that answers, and one of a worker, each with its expectation."""
    answers = {"type": "http", "url": http.url}
    return [
        agent("answers", runtime=answers),
        agent("works"),
        autopilot("asked", assignee=of("answers"), resultSchema=SCHEMA, maxConcurrency=2, **spec),
        autopilot("claimed", assignee=of("works"), resultSchema=SCHEMA),
    ]


def of(name: str) -> dict[str, str]:
    return {"type": "agent", "id": name}


def test_kill_9_between_an_answer_and_its_verdict(
    rig: Rig, http: HttpAgent, database_url: str
) -> None:
    """As the answer to a request, as a report with the run's own token, and as a worker's."""
    rig.apply(*manifests(http, executionMode="run_only"))
    http.answer(202, {"sessionId": "s"})
    reported, claimed = rig.launch("asked"), rig.launch("claimed")
    rig.round()
    (held,) = rig.claim("works", seconds=3600)
    assert rig.run_of(reported.id).status is Status.RUNNING
    answered = rig.launch("asked")
    http.answer(200, {"status": "completed", "result": {"n": 1}, "usage": {"costUsd": 0.5}})
    own = run_token(KEY, rig.run_of(reported.id))
    serve_to_its_death(
        database_url,
        {
            "at": rig.clock.now().isoformat(),
            "reports": [(claimed.id, held.lease_token, {"n": 2}), (reported.id, own, {"n": 1})],
            "judged": 3,
        },
    )
    for run in (answered, reported, claimed):
        waits = rig.run_of(run.id)
        assert (waits.ended, waits.unjudged_since) == (False, rig.clock.now())
        assert "its result waits to be judged" in told(waits, "run", rig.clock.now()).why

    rig.round(seconds=31)

    assert verdicts(rig, answered, reported) == [(Status.COMPLETED, None, {"n": 1})] * 2
    unmet = (Status.FAILED, Reason.EXPECTATION_UNMET, {"n": 2})
    assert verdicts(rig, claimed) == [unmet]
    assert rig.run_of(answered.id).cost_micros == 500_000
    assert rig.run_of(answered.id).unjudged_since is None
    assert methods(http).count("POST") == 2


def verdicts(rig: Rig, *runs: Run) -> list[tuple[Status, Reason | None, object]]:
    ended = [rig.run_of(run.id) for run in runs]
    return [(run.status, run.reason, run.result) for run in ended]


def answered_but_not_judged(rig: Rig, http: HttpAgent, judges: Expectations, **spec: object) -> Run:
    """A run whose agent has answered a server that could judge nothing, and that is gone."""
    rig.apply(*manifests(http, executionMode="run_only", **spec))
    http.answer(200, {"status": "completed", "result": {"n": 1}, "usage": {"costUsd": 0.5}})
    run = rig.launch("asked")

    async def body() -> None:
        async with server(rig) as runner:
            runner.expectations = judges
            await asked(runner, run, 1)

    asyncio.run(body())
    return run


def test_a_run_that_is_cancelled_before_its_verdict_keeps_its_result(
    rig: Rig, http: HttpAgent, unavailable: Expectations
) -> None:
    run = answered_but_not_judged(rig, http, unavailable)
    now = rig.clock.now()
    rig.database.write(lambda tx: cancel(tx, run.id, "ann", now, COOLDOWN))
    rig.round(seconds=31)
    assert verdicts(rig, run) == [(Status.FAILED, Reason.CANCELLED, {"n": 1})]


def test_a_result_that_no_server_can_judge_before_the_deadline_is_kept(
    rig: Rig, http: HttpAgent, unavailable: Expectations
) -> None:
    run = answered_but_not_judged(rig, http, unavailable, timeout="20s")
    rig.clock.advance(seconds=31)

    async def next_server() -> None:
        async with server(rig) as runner:
            runner.expectations = unavailable
            await run_once(runner)

    asyncio.run(next_server())
    assert verdicts(rig, run) == [(Status.FAILED, Reason.TIMED_OUT, {"n": 1})]
    assert "its agent was done, and until the deadline" in (rig.run_of(run.id).failure_reason or "")


def test_the_budget_of_a_run_holds_for_what_it_had_cost_before_its_verdict(
    rig: Rig, http: HttpAgent, unavailable: Expectations
) -> None:
    run = answered_but_not_judged(rig, http, unavailable, budget={"perRun": 0.25})
    rig.round(seconds=31)
    assert verdicts(rig, run) == [(Status.FAILED, Reason.OVER_BUDGET, {"n": 1})]


def test_an_agent_that_is_done_asks_nothing_any_more(rig: Rig, unavailable: Expectations) -> None:
    rig.apply(agent(), autopilot(resultSchema=SCHEMA, onApproval="wait", timeout="10m"))
    rig.launch()
    rig.round()
    (held,) = rig.claim()
    rig.beat(held, "May I push?")
    run_id = held.run.id
    assert rig.run_of(run_id).waiting_for is WaitingFor.APPROVAL
    rig.clock.advance(minutes=30)
    done = Report(run_id, held.lease_token, outcome_of("completed", {"n": 1}), lambda tx: None)
    waits = asyncio.run(report_end(rig.database, unavailable, done, COOLDOWN))
    assert (waits.ended, waits.waiting_for) == (False, None)
    assert waits.deadline_at == rig.clock.now() + timedelta(minutes=10)
    with pytest.raises(NotFound):
        rig.database.read(lambda tx: open_question(tx, run_id))
    rig.round(seconds=11)
    assert verdicts(rig, held.run) == [(Status.COMPLETED, None, {"n": 1})]

"""`expect`: what an agent calls done is judged before it is recorded, whatever the runtime is."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from reconciler.control.dispatching.context import RunnerContext
from reconciler.control.dispatching.runner import run_once, settle
from reconciler.control.evaluation.evaluator import Evaluator
from reconciler.control.evaluation.expectations import Expectations
from reconciler.core.runs.run import Reason, Run, Status
from tests.control.dispatching.test_http_end import rounds, server
from tests.control.dispatching.test_runner import during, program, until_ended
from tests.dispatch.builders import script
from tests.support.eventually import eventually_async
from tests.support.http_agent import HttpAgent
from tests.support.rig import Rig, agent, autopilot, schedule

EXPECT = 'result.status == "ok"'
GOOD, BAD = '{"status": "ok"}', '{"status": "nothing done"}'


def judged(run: Run) -> tuple[str, str | None]:
    return run.status, run.reason


UNMET = (Status.FAILED, Reason.EXPECTATION_UNMET)
MET = (Status.COMPLETED, None)


@pytest.mark.parametrize(("result", "verdict"), [(GOOD, MET), (BAD, UNMET), ("all done!", UNMET)])
def test_a_program_that_exits_with_0(
    rig: Rig, tmp_path: Path, result: str, verdict: tuple[str, str | None]
) -> None:
    rig.commands = {"work": script(tmp_path, 'exec /bin/sh -c "$1"', "work")}
    rig.apply(program("bot", f"echo '{result}'"), autopilot(expect=EXPECT))
    run = rig.launch()

    async def body(runner: RunnerContext) -> None:
        await until_ended(runner, rig, run)

    during(rig, body)
    ended = rig.run_of(run.id)
    assert judged(ended) == verdict
    assert ended.result == f"{result}\n"


@pytest.mark.parametrize(("status", "verdict"), [("ok", MET), ("no", UNMET)])
def test_an_http_answer(rig: Rig, status: str, verdict: tuple[str, str | None]) -> None:
    with HttpAgent() as http:
        http.answer(200, {"status": "completed", "result": {"status": status}})
        rig.apply(
            agent(runtime={"type": "http", "url": http.url}),
            autopilot(executionMode="run_only", expect=EXPECT),
        )
        run = rig.launch()

        async def body() -> None:
            async with server(rig) as runner:
                await rounds(runner, rig, run)

        asyncio.run(body())
    assert judged(rig.run_of(run.id)) == verdict


def claimed(rig: Rig, result: Any, **spec: Any) -> Run:
    """A run that a worker completed with this result."""
    rig.apply(agent(), autopilot("triage", schedule(), **{"expect": EXPECT, **spec}))
    rig.launch()
    rig.round()
    (held,) = rig.claim()
    return rig.complete(held, result=result)


@pytest.mark.parametrize(("result", "verdict"), [(GOOD, MET), (BAD, UNMET), (None, UNMET)])
def test_a_worker_that_reports_its_run_completed(
    rig: Rig, result: str | None, verdict: tuple[str, str | None]
) -> None:
    ended = claimed(rig, result)
    assert judged(ended) == verdict
    assert ended.result == result


def test_a_worker_that_reports_a_failure_is_believed(rig: Rig) -> None:
    rig.apply(agent(), autopilot(expect=EXPECT))
    rig.launch()
    rig.round()
    (held,) = rig.claim()
    assert rig.complete(held, "failed", "no").reason is Reason.AGENT_FAILED


def test_the_sentence_says_what_was_expected_and_what_came(rig: Rig) -> None:
    sentence = claimed(rig, BAD).failure_reason
    assert sentence is not None
    assert EXPECT in sentence
    assert "nothing done" in sentence


def test_the_run_is_read_too(rig: Rig) -> None:
    expect = 'run.source == "manual" && run.attempts == 1 && run.startedAt != null'
    assert judged(claimed(rig, None, expect=expect, executionMode="run_only")) == MET


def test_results_that_are_not_what_was_expected_open_the_breaker(rig: Rig) -> None:
    claimed(rig, BAD, pauseAfterFailures=1)
    assert rig.live().switches.breaker_opened_at is not None


def test_a_run_is_judged_by_the_manifest_that_it_was_triggered_with(rig: Rig) -> None:
    rig.apply(agent(), autopilot(expect=EXPECT))
    run = rig.launch()
    rig.apply(agent(), autopilot())
    rig.round()
    (held,) = rig.claim()
    assert judged(rig.complete(held, result=BAD)) == UNMET
    assert rig.run_of(run.id).reason is Reason.EXPECTATION_UNMET


def test_an_expression_that_takes_too_long_is_not_met(rig: Rig) -> None:
    deep = "result.l.all(a, result.l.all(b, result.l.all(c, a + b + c > 0)))"
    ended = claimed(rig, {"l": [1] * 300}, expect=deep)
    assert judged(ended) == UNMET
    assert "could not be evaluated" in (ended.failure_reason or "")


SCHEMA = '{"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}'


@pytest.mark.parametrize(
    ("result", "verdict"),
    [
        pytest.param({"n": 1}, MET, id="it fits"),
        pytest.param('```json\n{"n": 1}\n```', MET, id="in a code block"),
        pytest.param({"n": "one"}, UNMET, id="it does not fit"),
        pytest.param("All done!", UNMET, id="a text"),
        pytest.param(None, UNMET, id="nothing"),
    ],
)
def test_a_result_has_to_fit_the_schema(
    rig: Rig, result: Any, verdict: tuple[str, str | None]
) -> None:
    ended = claimed(rig, result, resultSchema=SCHEMA, expect="true")
    assert judged(ended) == verdict
    assert ended.result == result


def test_the_sentence_says_where_it_does_not_fit(rig: Rig) -> None:
    sentence = claimed(rig, {"n": "one"}, resultSchema=SCHEMA).failure_reason
    assert sentence is not None
    assert "$.n: 'one' is not of type 'integer'" in sentence


def test_what_fits_is_still_asked_for_more(rig: Rig) -> None:
    assert judged(claimed(rig, {"n": 1}, resultSchema=SCHEMA, expect="result.n > 1")) == UNMET


def test_a_pattern_that_never_ends_is_ended(rig: Rig) -> None:
    slow = '{"type": "string", "pattern": "^(a+)+$"}'
    ended = claimed(rig, "a" * 60 + "!", resultSchema=slow, expect="true")
    assert judged(ended) == UNMET
    assert "CPU time" in (ended.failure_reason or "")


@pytest.fixture
def unavailable() -> Expectations:
    """What judges while no process can be had."""
    evaluator = Evaluator()
    evaluator.close()
    return Expectations(evaluator)


async def asked(runner: RunnerContext, run: Run, times: int) -> None:
    """Do rounds until a result could not be judged so many times."""

    async def done() -> bool:
        await run_once(runner)
        await settle(runner)
        return run.id in runner.unjudged and runner.unjudged[run.id].times >= times

    await eventually_async(done)


@pytest.mark.parametrize(
    ("result", "verdict"), [('{"n": 1}', MET), ('{"n": "one"}', UNMET)], ids=["good", "bad"]
)
def test_a_want_of_processes_is_no_verdict(
    rig: Rig, unavailable: Expectations, tmp_path: Path, result: str, verdict: tuple[str, str]
) -> None:
    rig.commands = {"work": script(tmp_path, 'exec /bin/sh -c "$1"', "work")}
    rig.apply(program("bot", f"echo '{result}'"), autopilot(resultSchema=SCHEMA))
    run = rig.launch()

    async def body(runner: RunnerContext) -> None:
        able, runner.expectations = runner.expectations, unavailable
        await asked(runner, run, 1)
        await run_once(runner)
        assert runner.unjudged[run.id].times == 1  # not before a second has passed
        rig.clock.advance(seconds=1)
        await asked(runner, run, 2)
        waits = rig.run_of(run.id)
        assert (waits.status, waits.note) == (
            "running",
            "the result could not be judged: too many results wait to be checked",
        )
        runner.expectations = able
        rig.clock.advance(seconds=2)
        await until_ended(runner, rig, run)
        assert not runner.unjudged

    during(rig, body)
    ended = rig.run_of(run.id)
    assert judged(ended) == verdict
    assert (ended.note or "").startswith("its result could be judged only after that had failed 2")


def test_a_result_that_cannot_be_judged_before_the_deadline_is_kept(
    rig: Rig, unavailable: Expectations, tmp_path: Path
) -> None:
    rig.commands = {"work": script(tmp_path, 'exec /bin/sh -c "$1"', "work")}
    rig.apply(program("bot", "echo '{}'"), autopilot(resultSchema=SCHEMA, timeout="10m"))
    run = rig.launch()

    async def body(runner: RunnerContext) -> None:
        runner.expectations = unavailable
        await asked(runner, run, 1)
        rig.clock.advance(minutes=10)
        await run_once(runner)

    during(rig, body)
    ended = rig.run_of(run.id)
    assert judged(ended) == (Status.FAILED, Reason.TIMED_OUT)
    assert (ended.failure_reason or "").startswith("its agent was done, and until the deadline")
    assert ended.result == "{}\n"
    assert (ended.note or "").startswith("the result could not be judged: ")

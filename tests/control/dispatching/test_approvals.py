"""An agent that asks for permission: its run fails, or waits for a person who answers."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from reconciler.control.dispatching.context import RunnerContext
from reconciler.control.dispatching.jobs import run_token
from reconciler.control.dispatching.runner import hand_back
from reconciler.control.dispatching.workers import Beat, heartbeat
from reconciler.control.runs.approving import MOST_UNANSWERED, decide
from reconciler.control.runs.cancel import cancel
from reconciler.control.runs.told import told
from reconciler.core.base.errors import Conflict
from reconciler.core.runs.approval import Decision
from reconciler.core.runs.run import Completed, Failed, Reason, Run, Status
from reconciler.dispatch.base import (
    Answer,
    Answered,
    Ended,
    Handle,
    Job,
    NeedsApproval,
    NotAnswered,
    Observation,
    Started,
    Stopped,
    Working,
)
from reconciler.store.runs.approvals import last_approval
from tests.control.dispatching.test_proof import HTTP, Agents, rounds, runner
from tests.support.rig import COOLDOWN, KEY, Rig, agent, autopilot

ASKS = NeedsApproval("run `make deploy`?")


class Asked(Agents):
    """An agent of which each poll shows the same until it is told; what it was told is noted."""

    def __init__(self, rig: Rig, shows: Observation, answers: list[Answer] | None = None) -> None:
        super().__init__(rig.clock, [Started(Handle("s", {"pid": 1}))] * 9, [Stopped()])
        self.shows: Observation = shows
        self.answers = answers or []
        self.told: list[tuple[str, bool]] = []

    async def observe(self, jobs: Any) -> dict[str, Observation]:
        return {job.run_id: self.shows for job, _ in jobs}

    async def answer(self, job: Job, handle: Handle, question: str, approved: bool) -> Answer:
        self.told.append((question, approved))
        return self.answers.pop(0) if self.answers else Answered()


def during(rig: Rig, agents: Asked, body: Callable[[RunnerContext], Awaitable[None]]) -> None:
    """Run `body` with a server."""

    async def run() -> None:
        async with runner(rig, agents) as context:
            await body(context)

    asyncio.run(run())


def asking(rig: Rig, **spec: Any) -> Run:
    """A run of an autopilot that waits for people, unless the spec says otherwise."""
    wanted = {"timeout": "5m", "pauseAfterFailures": 1, "onApproval": "wait", **spec}
    rig.apply(agent(runtime=HTTP), autopilot(**wanted))
    return rig.launch()


def answer(rig: Rig, run: Run, decision: Decision = Decision.APPROVED, actor: str = "ada") -> Run:
    """A person answers."""
    now = rig.clock.now()
    return rig.database.write(lambda tx: decide(tx, run.id, decision, actor, now))


def test_by_default_a_run_that_asks_is_stopped_and_says_for_what(rig: Rig) -> None:
    rig.apply(agent(runtime=HTTP), autopilot(pauseAfterFailures=1))
    run = rig.launch()
    agents = Asked(rig, ASKS)
    during(rig, agents, lambda context: rounds(context, 3))
    ended = rig.run_of(run.id)
    assert (ended.status, ended.reason) == (Status.FAILED, Reason.APPROVAL_NEEDED)
    assert ended.failure_reason == "asked for permission: run `make deploy`?; onApproval is fail"
    assert "stop" in agents.asked
    # It says nothing about the work: the breaker stays closed.
    assert rig.live().switches.failures == 0


@pytest.mark.parametrize("decision", list(Decision))
def test_a_run_that_waits_is_answered_and_goes_on_with_what_was_left_of_its_time(
    rig: Rig, decision: Decision
) -> None:
    run = asking(rig)
    agents = Asked(rig, ASKS)

    async def body(context: RunnerContext) -> None:
        await rounds(context)
        waits = rig.run_of(run.id)
        assert (waits.status, str(waits.waiting_for)) == (Status.RUNNING, "approval")
        assert waits.note == (
            "asks for permission: run `make deploy`?; approve or reject it within 1d"
        )
        assert "its timeout does not run" in told(waits, "x", rig.clock.now()).why
        rig.clock.advance(hours=3)
        await rounds(context)
        assert rig.run_of(run.id).active
        assert agents.told == []
        answer(rig, run, decision)
        await rounds(context, 1)
        assert agents.told == [("run `make deploy`?", decision is Decision.APPROVED)]
        agents.shows = Working()
        await rounds(context)
        works = rig.run_of(run.id)
        assert works.waiting_for is None
        assert works.note == f"{decision} by ada: run `make deploy`?"
        assert works.deadline_at == rig.clock.now() + timedelta(minutes=5)
        agents.shows = Ended(Completed("done"))
        await rounds(context)

    during(rig, agents, body)
    assert rig.run_of(run.id).status is Status.COMPLETED


def test_nobody_answers_within_queue_ttl(rig: Rig) -> None:
    run = asking(rig, queueTtl="2h")

    async def body(context: RunnerContext) -> None:
        await rounds(context)
        rig.clock.advance(minutes=119)
        await rounds(context)
        assert rig.run_of(run.id).active
        rig.clock.advance(minutes=1)
        await rounds(context)

    during(rig, Asked(rig, ASKS), body)
    ended = rig.run_of(run.id)
    assert ended.reason is Reason.APPROVAL_NEEDED
    assert ended.failure_reason == (
        "nobody answered within queueTtl of 2h; asked for permission: run `make deploy`?"
    )


def test_another_question_again_and_again_does_not_stop_the_clock_for_ever(rig: Rig) -> None:
    run = asking(rig, queueTtl="2h")
    agents = Asked(rig, ASKS)
    stood = 0

    async def body(context: RunnerContext) -> None:
        nonlocal stood
        while rig.run_of(run.id).active and stood < 10:
            agents.shows = NeedsApproval(f"and what about file {stood}?")
            await rounds(context)
            rig.clock.advance(minutes=50)
            stood += 1
            await rounds(context)

    during(rig, agents, body)
    assert rig.run_of(run.id).reason is Reason.APPROVAL_NEEDED
    assert stood == 3, "2 h, shared by the questions that nobody answered"


def test_a_run_asks_so_many_questions_without_an_answer_and_no_more(rig: Rig) -> None:
    run = asking(rig)
    agents = Asked(rig, ASKS)

    async def body(context: RunnerContext) -> None:
        for number in range(MOST_UNANSWERED + 2):
            agents.shows = NeedsApproval(f"file {number}?")
            await rounds(context)
        assert not rig.run_of(run.id).active

    during(rig, agents, body)
    ended = rig.run_of(run.id)
    assert ended.reason is Reason.APPROVAL_NEEDED
    assert ended.failure_reason is not None
    assert f"asked {MOST_UNANSWERED} questions that nobody answered" in ended.failure_reason


def test_an_answer_at_the_agent_counts_as_well(rig: Rig) -> None:
    run = asking(rig)
    agents = Asked(rig, NeedsApproval("plan?", "in its session: `claude --resume s`"))

    async def body(context: RunnerContext) -> None:
        await rounds(context)
        assert "answer in its session: `claude --resume s` within 1d" in (
            rig.run_of(run.id).note or ""
        )
        with pytest.raises(Conflict, match="takes no answers from here; answer in its session"):
            answer(rig, run)
        rig.clock.advance(hours=1)
        agents.shows = Working()
        await rounds(context)
        works = rig.run_of(run.id)
        assert (works.waiting_for, works.note) == (None, "answered at the agent")
        with pytest.raises(Conflict, match="asks for nothing now"):
            answer(rig, run)

    during(rig, agents, body)
    assert agents.told == []


def test_an_answer_that_did_not_arrive_is_passed_on_again(rig: Rig) -> None:
    run = asking(rig)
    agents = Asked(rig, ASKS, [NotAnswered("no route to host")])

    async def body(context: RunnerContext) -> None:
        await rounds(context)
        answer(rig, run)
        await rounds(context)
        note = rig.run_of(run.id).note or ""
        assert note.endswith("the agent was not told yet: no route to host")
        assert len(agents.told) == 1  # not with every poll
        rig.clock.advance(seconds=15)
        await rounds(context)
        assert len(agents.told) == 2
        assert rig.run_of(run.id).waiting_for is None

    during(rig, agents, body)


def test_a_second_question_is_another_one(rig: Rig) -> None:
    run = asking(rig)
    agents = Asked(rig, ASKS)

    async def body(context: RunnerContext) -> None:
        await rounds(context)
        answer(rig, run)
        await rounds(context)  # the agent still shows what it was answered just now
        assert rig.run_of(run.id).waiting_for is None
        agents.shows = NeedsApproval("and push it?")
        await rounds(context)
        assert str(rig.run_of(run.id).waiting_for) == "approval"
        answer(rig, run, Decision.REJECTED)
        await rounds(context)

    during(rig, agents, body)
    assert agents.told == [("run `make deploy`?", True), ("and push it?", False)]


def test_another_server_takes_the_question_over(rig: Rig) -> None:
    run = asking(rig)
    agents = Asked(rig, ASKS)

    async def first(context: RunnerContext) -> None:
        await rounds(context)
        await hand_back(context)

    during(rig, agents, first)
    rig.clock.advance(hours=2)
    answer(rig, run)
    during(rig, agents, lambda context: rounds(context, 3))
    assert agents.told == [("run `make deploy`?", True)]
    works = rig.run_of(run.id)
    assert (works.status, works.waiting_for) == (Status.RUNNING, None)
    assert works.deadline_at == rig.clock.now() + timedelta(minutes=5)


def test_people_who_disagree_are_told_and_the_same_answer_twice_is_no_error(rig: Rig) -> None:
    run = asking(rig)
    agents = Asked(rig, ASKS)

    async def body(context: RunnerContext) -> None:
        await rounds(context)
        answer(rig, run)
        answer(rig, run, actor="eve")
        with pytest.raises(Conflict, match="ada has approved this already"):
            answer(rig, run, Decision.REJECTED, actor="eve")

    during(rig, agents, body)


def test_it_can_be_cancelled_while_it_waits(rig: Rig) -> None:
    run = asking(rig)
    agents = Asked(rig, ASKS)

    async def body(context: RunnerContext) -> None:
        await rounds(context)
        now = rig.clock.now()
        rig.database.write(lambda tx: cancel(tx, run.id, "ada", now, COOLDOWN))
        await rounds(context)

    during(rig, agents, body)
    assert rig.run_of(run.id).reason is Reason.CANCELLED
    with pytest.raises(Conflict, match="has ended already"):
        answer(rig, run)


class TestWorkers:
    """A worker tells with its heartbeats what its agent asks, and learns the answer from them."""

    @pytest.fixture
    def held(self, rig: Rig) -> Any:
        rig.apply(agent(), autopilot(timeout="5m", onApproval="wait"))
        rig.launch()
        rig.round()
        (claimed,) = rig.claim(seconds=3600)
        return claimed

    def test_the_answer_comes_with_a_heartbeat(self, rig: Rig, held: Any) -> None:
        assert rig.beat(held, "may I push?").approval is None
        waits = rig.run_of(held.run.id)
        assert str(waits.waiting_for) == "approval"
        rig.clock.advance(minutes=30)
        rig.round()  # the server polls nothing of it, and its timeout stands
        assert rig.run_of(held.run.id).active
        answer(rig, held.run)
        assert rig.beat(held, "may I push?").approval is Decision.APPROVED
        assert rig.beat(held, "may I push?").approval is Decision.APPROVED  # an answer may be lost
        assert rig.beat(held).approval is None
        works = rig.run_of(held.run.id)
        assert works.waiting_for is None
        assert works.deadline_at == rig.clock.now() + timedelta(minutes=5)
        assert rig.complete(held).status is Status.COMPLETED

    def test_nobody_may_be_asked(self, rig: Rig) -> None:
        rig.apply(agent(), autopilot())
        rig.launch()
        rig.round()
        (held,) = rig.claim()
        assert rig.beat(held, "may I push?").cancel
        ended = rig.complete(held, "failed", "stopped")
        assert ended.reason is Reason.APPROVAL_NEEDED
        assert ended.failure_reason == "asked for permission: may I push?; onApproval is fail"


def test_a_question_is_one_line_and_bounded(rig: Rig) -> None:
    run = asking(rig)
    during(rig, Asked(rig, NeedsApproval("a\n" * 5000 + "\x1b[31m")), rounds)
    asked = rig.database.read(lambda tx: last_approval(tx, run.id))
    assert asked is not None
    assert len(asked.question) <= 2001
    assert "\n" not in asked.question
    assert "\x1b" not in asked.question


def test_a_failure_while_it_asks_is_a_failure(rig: Rig) -> None:
    run = asking(rig)
    agents = Asked(rig, ASKS)

    async def body(context: RunnerContext) -> None:
        await rounds(context)
        agents.shows = Ended(Failed(Reason.AGENT_FAILED, "gave up"))
        await rounds(context)

    during(rig, agents, body)
    ended = rig.run_of(run.id)
    assert (ended.reason, ended.waiting_for, ended.remaining_ms) == (
        Reason.AGENT_FAILED,
        None,
        None,
    )
    asked = rig.database.read(lambda tx: last_approval(tx, run.id))
    assert asked is not None
    assert not asked.is_open


def test_what_an_agent_reports_by_itself_is_not_settled_by_polls(rig: Rig) -> None:
    """An agent behind a URL reports with the run's own token; its polls show nothing of it."""
    run = asking(rig)
    agents = Asked(rig, Working())

    async def body(context: RunnerContext) -> None:
        await rounds(context)
        token = run_token(KEY, rig.run_of(run.id))

        def beat(question: str | None) -> Beat:
            now = rig.clock.now()
            return rig.database.write(
                lambda tx: heartbeat(tx, run.id, token, now, question=question)
            )

        assert beat("may I push?") == Beat(cancel=False, lease_until=None, approval=None)
        await rounds(context)
        assert str(rig.run_of(run.id).waiting_for) == "approval"
        answer(rig, run)
        await rounds(context)
        assert beat("may I push?").approval is Decision.APPROVED
        assert beat(None).approval is None
        await rounds(context)
        assert rig.run_of(run.id).waiting_for is None

    during(rig, agents, body)
    assert agents.told == []

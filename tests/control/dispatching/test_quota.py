"""An agent whose plan or rate limit is used up: its runs wait, and nobody has failed."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from reconciler.control.dispatching.context import RunnerContext
from reconciler.control.dispatching.runner import hand_back
from reconciler.control.runs.cancel import cancel
from reconciler.control.runs.told import told
from reconciler.core.runs.run import Completed, Failed, Reason, Run, Status
from reconciler.dispatch.base import (
    Ended,
    Exhausted,
    Handle,
    Job,
    Observation,
    Start,
    Started,
    Stopped,
    TargetDown,
)
from reconciler.dispatch.cli.recipe import session_of
from reconciler.store.objects.agents import LiveAgent, find_agent
from tests.control.dispatching.test_proof import HTTP, Agents, rounds, runner
from tests.dispatch.builders import a_job, command
from tests.support.rig import COOLDOWN, Document, Rig, agent, autopilot

WORKS = Started(Handle("s", {"pid": 1}))
FULL = TargetDown("the agent answered 429", 3600.0, quota=True)


class Limited(Agents):
    """Agents of which each poll gives what is said, once there is something to say."""

    def __init__(self, rig: Rig, starts: list[Start], seen: list[Observation] | None = None):
        super().__init__(rig.clock, starts, [Stopped()])
        self.seen = seen or []

    async def observe(self, jobs: Any) -> dict[str, Observation]:
        return {job.run_id: self.seen.pop(0) for job, _ in jobs if self.seen}


def during(rig: Rig, agents: Limited, body: Callable[[RunnerContext], Awaitable[None]]) -> None:
    """Run `body` with a server."""

    async def run() -> None:
        async with runner(rig, agents) as context:
            await body(context)

    asyncio.run(run())


def bot(rig: Rig) -> LiveAgent:
    found = rig.database.read(lambda tx: find_agent(tx, "default", "bot"))
    assert found is not None
    return found


def applied(rig: Rig, *more: Document, **spec: Any) -> None:
    """One agent for two autopilots with a breaker that opens at once."""
    rig.apply(
        agent(runtime=HTTP),
        *(autopilot(name, timeout="5m", pauseAfterFailures=1, **spec) for name in ("a", "b")),
        *more,
    )


def waiting_for(run: Run) -> str | None:
    return str(run.waiting_for) if run.waiting_for else None


def test_all_runs_of_the_agent_wait_until_the_moment_that_it_names(rig: Rig) -> None:
    applied(rig)
    first = rig.launch("a")
    agents = Limited(rig, [FULL, WORKS, WORKS, WORKS])
    until = rig.clock.now() + timedelta(hours=1)

    async def body(context: RunnerContext) -> None:
        await rounds(context)
        others = [rig.launch("b")]
        await rounds(context)
        for run in (first, *others):
            waits = rig.run_of(run.id)
            assert (waits.status, waiting_for(waits)) == (Status.PENDING, "quota")
            assert waits.note is not None
            assert f"takes work again at {until:%Y-%m-%dT%H:%M:%SZ}: the agent answered 429" in (
                waits.note
            )
            assert "has quota again; its timeout does not run" in told(waits, "x", until).why
        assert (bot(rig).unavailable_until, bot(rig).out_of_quota) == (until, True)
        rig.clock.advance(minutes=59)
        await rounds(context)
        assert agents.asked == ["start"]
        rig.clock.advance(minutes=1)
        await rounds(context)
        for run in (first, *others):
            works = rig.run_of(run.id)
            assert (works.status, works.attempts, works.waiting_for) == (Status.RUNNING, 1, None)

    during(rig, agents, body)
    assert [rig.live(name).switches.failures for name in "ab"] == [0, 0]


def test_the_timeout_stands_meanwhile_and_then_goes_on(rig: Rig) -> None:
    """What was left of it is left: not more, and not less, however long the wait was."""
    applied(rig)
    run = rig.launch("a")
    agents = Limited(rig, [TargetDown("down"), FULL, WORKS])

    async def body(context: RunnerContext) -> None:
        await rounds(context)
        rig.clock.advance(minutes=2)  # an agent that is down costs time
        await rounds(context)
        assert waiting_for(rig.run_of(run.id)) == "quota"
        rig.clock.advance(hours=1)
        await rounds(context)
        works = rig.run_of(run.id)
        assert works.status is Status.RUNNING
        assert works.deadline_at == rig.clock.now() + timedelta(minutes=3)
        rig.clock.advance(minutes=3)
        await rounds(context)
        assert rig.run_of(run.id).reason is Reason.TIMED_OUT

    during(rig, agents, body)


def test_other_servers_and_the_next_one_know_it(rig: Rig) -> None:
    applied(rig)
    rig.launch("a")
    agents = Limited(rig, [FULL])

    async def first_server(context: RunnerContext) -> None:
        await rounds(context)
        await hand_back(context)

    during(rig, agents, first_server)
    rig.launch("b")
    again = Limited(rig, [])

    async def second_server(context: RunnerContext) -> None:
        await rounds(context)

    during(rig, again, second_server)
    assert again.asked == []
    assert {waiting_for(run) for name in "ab" for run in rig.runs(name)} == {"quota"}


def test_the_wait_is_bounded_by_queue_ttl(rig: Rig) -> None:
    applied(rig, queueTtl="2h")
    run = rig.launch("a")
    agents = Limited(rig, [TargetDown("resets in 2031", 1e9, quota=True)])

    async def body(context: RunnerContext) -> None:
        await rounds(context)
        rig.clock.advance(minutes=119)
        await rounds(context)
        assert waiting_for(rig.run_of(run.id)) == "quota"
        rig.clock.advance(minutes=1)
        await rounds(context)

    during(rig, agents, body)
    ended = rig.run_of(run.id)
    assert (ended.status, ended.reason) == (Status.FAILED, Reason.EXPIRED)
    assert ended.failure_reason == (
        "waited longer than queueTtl for the quota of bot: resets in 2031 "
        "(asked again after 7 days at the latest)"
    )
    assert rig.live("a").switches.failures == 0


def test_an_edit_of_the_agent_has_it_asked_at_once(rig: Rig) -> None:
    applied(rig)
    run = rig.launch("a")
    agents = Limited(rig, [FULL, WORKS])

    async def body(context: RunnerContext) -> None:
        await rounds(context)
        rig.apply(
            agent(runtime=HTTP, maxConcurrency=3),
            *(autopilot(name, timeout="5m", pauseAfterFailures=1) for name in ("a", "b")),
        )
        await rounds(context)

    during(rig, agents, body)
    works = rig.run_of(run.id)
    assert (works.status, works.waiting_for) == (Status.RUNNING, None)
    assert works.deadline_at == rig.clock.now() + timedelta(minutes=5)


def test_a_full_agent_is_not_one_without_quota(rig: Rig) -> None:
    """When the quota is there again, who finds no room waits for room, and its timeout runs."""
    rig.apply(
        agent(runtime=HTTP, maxConcurrency=1),
        *(autopilot(name, timeout="5m") for name in ("a", "b")),
    )
    first, second = rig.launch("a"), rig.launch("b")
    agents = Limited(rig, [FULL, WORKS])

    async def body(context: RunnerContext) -> None:
        await rounds(context)
        assert {waiting_for(rig.run_of(run.id)) for run in (first, second)} == {"quota"}
        rig.clock.advance(hours=1)
        await rounds(context)
        works, waits = rig.run_of(first.id), rig.run_of(second.id)
        assert (works.status, waiting_for(waits)) == (Status.RUNNING, "agent")
        assert waits.deadline_at == rig.clock.now() + timedelta(minutes=5)

    during(rig, agents, body)


def test_a_squad_goes_on_with_a_member_that_has_quota(rig: Rig) -> None:
    squad = {
        "apiVersion": "autopilots/v1",
        "kind": "Squad",
        "metadata": {"name": "team"},
        "spec": {"members": ["bot", "other"]},
    }
    assignee = {"type": "squad", "id": "team"}
    rig.apply(
        agent(runtime=HTTP), agent("other", runtime=HTTP), squad, autopilot(assignee=assignee)
    )
    run = rig.launch()
    agents = Limited(rig, [FULL, WORKS])

    async def body(context: RunnerContext) -> None:
        await rounds(context)
        second = rig.launch(force=True)
        await rounds(context)
        assert rig.run_of(second.id).agent == "other"

    during(rig, agents, body)
    assert waiting_for(rig.run_of(run.id)) == "quota"


class TestWorkThatEndedForWantOfQuota:
    """A coding agent says so when its process ends: 429, or a plan that is used up."""

    OUTCOME = Failed(Reason.TARGET_UNAVAILABLE, "the model's API did not answer (status 429)")

    def exhausted(self, rig: Rig, *, untouched: bool = True) -> Ended:
        until = rig.clock.now() + timedelta(hours=1)
        return Ended(self.OUTCOME, Exhausted("usage limit reached", until, untouched))

    def test_what_was_not_touched_begins_anew_later(self, rig: Rig) -> None:
        applied(rig)
        run = rig.launch("a")
        agents = Limited(rig, [WORKS, WORKS], [self.exhausted(rig)])

        async def body(context: RunnerContext) -> None:
            await rounds(context, 3)
            waits = rig.run_of(run.id)
            assert (waits.status, waiting_for(waits)) == (Status.RUNNING, "quota")
            assert (waits.handle, waits.session_id) == (None, None)
            assert agents.asked == ["start", "release"]
            # It is at nobody's place meanwhile: what else its server does goes on.
            second = rig.launch("b")
            await rounds(context)
            assert waiting_for(rig.run_of(second.id)) == "quota"
            rig.clock.advance(hours=1)
            agents.starts.append(WORKS)
            await rounds(context)
            works = rig.run_of(run.id)
            assert (works.attempts, works.session_id, works.waiting_for) == (1, "s", None)
            assert works.deadline_at == rig.clock.now() + timedelta(minutes=5)
            agents.seen = [Ended(Completed("done"))] * 2
            await rounds(context)

        during(rig, agents, body)
        assert rig.run_of(run.id).status is Status.COMPLETED

    def test_what_was_begun_has_failed_and_says_nothing_about_the_autopilot(self, rig: Rig) -> None:
        applied(rig)
        run = rig.launch("a")
        agents = Limited(rig, [WORKS], [self.exhausted(rig, untouched=False)])

        async def body(context: RunnerContext) -> None:
            await rounds(context, 3)

        during(rig, agents, body)
        assert rig.run_of(run.id).reason is Reason.TARGET_UNAVAILABLE
        assert rig.live("a").switches.failures == 0
        assert bot(rig).out_of_quota

    def test_it_can_be_cancelled_while_it_waits(self, rig: Rig) -> None:
        applied(rig)
        run = rig.launch("a")
        agents = Limited(rig, [WORKS], [self.exhausted(rig)])

        async def body(context: RunnerContext) -> None:
            await rounds(context, 3)
            rig.database.write(lambda tx: cancel(tx, run.id, "ada", rig.clock.now(), COOLDOWN))
            await rounds(context, 3)

        during(rig, agents, body)
        assert rig.run_of(run.id).reason is Reason.CANCELLED


def test_the_session_of_an_attempt_after_a_quota_is_another_one() -> None:
    """The attempt is not counted, and a coding agent refuses a session that it has seen."""
    job: Job = a_job(command())
    later = replace(job, deadline=job.deadline + timedelta(hours=1))
    assert session_of(job) == session_of(replace(job)) != session_of(later)


@pytest.mark.parametrize("seconds", [None, 30.0])
def test_one_that_names_no_moment_is_asked_each_minute(rig: Rig, seconds: float | None) -> None:
    applied(rig)
    run = rig.launch("a")
    agents = Limited(rig, [TargetDown("429", seconds, quota=True), FULL, WORKS])

    async def body(context: RunnerContext) -> None:
        await rounds(context)
        rig.clock.advance(minutes=1)
        await rounds(context)
        assert agents.asked == ["start", "start"]
        assert waiting_for(rig.run_of(run.id)) == "quota"

    during(rig, agents, body)

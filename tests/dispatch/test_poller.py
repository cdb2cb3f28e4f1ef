"""When an agent is asked again: by the clock, and sooner where it says that there is news."""

import asyncio

import pytest

from reconciler.dispatch.base import Observation, Working
from reconciler.dispatch.poller import HINTED, SHORTEST_PAUSE, Poller
from tests.support.clock import FakeClock

pytestmark = pytest.mark.anyio
EVERY = 5.0


class Agent:
    """Counts questions; says what it is told to say, when it may."""

    def __init__(self) -> None:
        self.asked = 0
        self.pause = 0.0
        self.notified = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.clock = FakeClock()
        self.poller = Poller(self._ask, EVERY, self.clock, self._notify)

    async def _ask(self) -> tuple[Observation, float]:
        self.asked += 1
        await self.may_answer.wait()
        return Working(), self.pause

    def _notify(self) -> None:
        self.notified += 1

    async def after(self, seconds: float) -> int:
        """The number of questions after a round so much later."""
        self.clock.advance(seconds=seconds)
        self.poller.poll()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return self.asked


async def test_a_hint_has_the_agent_asked_before_its_time() -> None:
    agent = Agent()
    assert await agent.after(0) == 1
    assert await agent.after(SHORTEST_PAUSE) == 1
    agent.poller.hint()
    assert agent.notified == 1
    assert await agent.after(0) == 2


async def test_a_flood_of_hints_is_one_question_each_pause() -> None:
    agent = Agent()
    for _ in range(100):
        agent.poller.hint()
        await agent.after(SHORTEST_PAUSE / 10)
    assert agent.asked == pytest.approx(11, abs=1)
    assert agent.notified <= agent.asked + 1


async def test_a_hint_during_a_question_leads_to_another_one() -> None:
    agent = Agent()
    agent.may_answer.clear()
    assert await agent.after(0) == 1
    agent.poller.hint()
    agent.may_answer.set()
    await asyncio.sleep(0)
    assert await agent.after(SHORTEST_PAUSE) == 2


async def test_no_hint_shortens_the_time_for_which_an_agent_wants_to_be_left_alone() -> None:
    agent = Agent()
    agent.pause = 60.0
    assert await agent.after(0) == 1
    for _ in range(59):
        agent.poller.hint()
        assert await agent.after(1) == 1
    assert await agent.after(1) == 2


async def test_an_agent_that_says_when_there_is_news_is_asked_less_often_and_still_asked() -> None:
    agent = Agent()
    agent.poller.hint()
    assert await agent.after(0) == 1
    assert await agent.after(EVERY * HINTED - 0.1) == 1
    assert await agent.after(0.1) == 2

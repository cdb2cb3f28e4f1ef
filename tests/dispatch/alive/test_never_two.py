"""Never two alive: for no run, and in no place, whatever is lost, slow or killed.

Everything happens at random: lost requests and answers, slow starts, cancels, and the death of
either side at any moment. The property is one for all runtimes; each brings its own bad luck.
"""

import asyncio
from pathlib import Path

import pytest

from reconciler.core.manifest.runtime import Runtime
from tests.dispatch.alive.aegis_double import LONG, AegisDouble
from tests.dispatch.alive.driver import play
from tests.dispatch.alive.forgetful_double import A2A, API, ForgetfulDouble
from tests.dispatch.alive.http_double import HttpDouble
from tests.dispatch.alive.process_double import Negligent, ProcessDouble
from tests.support.virtual_time import VirtualLoop


@pytest.mark.parametrize("seed", range(12))
def test_aegis(seed: int) -> None:
    """The agents of an Aegis that was killed work on."""

    async def body() -> None:
        double = AegisDouble()
        rows = await play(double, seed, steps=800, unlucky=600)
        assert [row for row in rows if row.ended is None] == []
        for row in rows:
            prompts = double.server.prompts(row.job.run_id)
            assert row.job.prompt == LONG or len(prompts) <= 1
            assert prompts or "Completed" not in (row.ended or "")

    with asyncio.Runner(loop_factory=VirtualLoop) as loop:
        loop.run(body())


@pytest.mark.parametrize("seed", range(12))
def test_http(seed: int) -> None:
    """An endpoint keeps its side: one piece of work for one key."""

    async def body() -> None:
        double = HttpDouble()
        rows = await play(double, seed, steps=500, unlucky=300)
        assert [row for row in rows if row.ended is None] == []

    with asyncio.Runner(loop_factory=VirtualLoop) as loop:
        loop.run(body())


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("spec", [API, A2A], ids=["an API of others", "a2a"])
def test_agents_that_begin_anew_with_each_request(spec: Runtime, seed: int) -> None:
    """No request is sent twice, whoever lost its answer."""

    async def body() -> None:
        double = ForgetfulDouble(spec)
        rows = await play(double, seed, steps=700, unlucky=300)
        assert [row for row in rows if row.ended is None] == []
        assert {len(double.of(row.job.run_id)) for row in rows} <= {0, 1}
        assert any("Completed" in (row.ended or "") for row in rows)

    with asyncio.Runner(loop_factory=VirtualLoop) as loop:
        loop.run(body())


@pytest.mark.parametrize("spec", [API, A2A], ids=["an API of others", "a2a"])
def test_the_property_finds_an_agent_that_denies_what_it_began(spec: Runtime) -> None:
    async def body() -> None:
        for seed in range(12):
            await play(ForgetfulDouble(spec, lists=False), seed, steps=300, unlucky=300)

    with (
        asyncio.Runner(loop_factory=VirtualLoop) as loop,
        pytest.raises(AssertionError, match=r"two alive for one run|a run that ended"),
    ):
        loop.run(body())


def test_the_property_finds_an_endpoint_that_begins_twice() -> None:
    async def body() -> None:
        for seed in range(12):
            await play(HttpDouble(forgetful=True), seed, steps=300, unlucky=300)

    with (
        asyncio.Runner(loop_factory=VirtualLoop) as loop,
        pytest.raises(AssertionError, match="two alive for one run"),
    ):
        loop.run(body())


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("cli", [False, True], ids=["command", "cli"])
def test_programs(tmp_path: Path, seed: int, cli: bool) -> None:
    """Real processes, in real time."""

    async def body() -> None:
        double = ProcessDouble(tmp_path, cli)
        # Steps in plenty: it is over once all is done, however slow the machine.
        rows = await play(double, seed, steps=1500, unlucky=40, deaths=0.1, cancels=0.1)
        assert [row for row in rows if row.ended is None] == []
        assert {row.job.run_id: double.alive(row.job.run_id) for row in rows} == dict.fromkeys(
            (row.job.run_id for row in rows), 0
        )

    asyncio.run(body())


@pytest.mark.parametrize("cli", [False, True], ids=["command", "cli"])
def test_the_property_finds_a_program_that_was_not_stopped(tmp_path: Path, cli: bool) -> None:
    async def body() -> None:
        # Works for longer than the play lasts: what was not stopped is at work.
        double = ProcessDouble(tmp_path, cli, Negligent, seconds=600)
        try:
            await play(double, 0, steps=60, unlucky=60, cancels=0.5)
        finally:
            double.end()

    with pytest.raises(AssertionError, match="at work for a run that ended"):
        asyncio.run(body())

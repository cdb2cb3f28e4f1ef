"""Deliveries are written by a process of its own while many come; nothing depends on it."""

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psutil
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from reconciler.control.webhooks import writer_process
from reconciler.control.webhooks.accept import Accepted, AcceptResult, Verified, accept_all
from reconciler.control.webhooks.group import GroupWriter, OutcomeUnknown
from reconciler.control.webhooks.recorder import MANY, MUCH, Recorder
from reconciler.control.webhooks.writer_process import SILENCE, WriterProcess
from reconciler.control.webhooks.writer_worker import Written
from reconciler.core.runs.run import Status
from reconciler.store.engine.database import Tx
from reconciler.store.engine.facts import Fact, RunEnded
from reconciler.store.webhooks.deliveries import list_deliveries
from tests.support.eventually import PATIENCE, eventually
from tests.support.pids import is_gone
from tests.support.rig import COOLDOWN, Rig, agent, autopilot, webhook
from tests.support.verified import verified


@pytest.fixture
def hook(rig: Rig) -> Rig:
    """An autopilot with a webhook, at the time of day: the child looks at the clock by itself."""
    rig.apply(agent(), autopilot("triage", webhook()))
    return rig


class Helped:
    """A helper on an event loop of its own, asked from outside."""

    def __init__(self, url: str, **more: Any) -> None:
        self.loop = asyncio.Runner()
        self.helper = WriterProcess(url, COOLDOWN, **more)

    def write(self, group: Sequence[Verified]) -> Written | None:
        """What the child wrote; None where it is not ready or could not."""

        async def ask() -> Written | None:
            return await self.helper.write(group) if await self.helper.is_ready() else None

        return self.loop.run(ask())

    def await_ready(self, silence: float = SILENCE) -> "Helped":
        """Wait until it has started; from now on it may be silent for so long."""
        self.helper._silence = silence
        eventually(lambda: self.write([]))
        return self

    def process(self) -> psutil.Process:
        """The child."""
        assert self.helper.pid is not None
        return psutil.Process(self.helper.pid)

    def close(self) -> None:
        """Let the child go."""
        self.loop.run(self.helper.close())
        self.loop.close()


@pytest.fixture
def helped(hook: Rig, database_url: str) -> Iterator[Helped]:
    """A process that is ready."""
    one = Helped(database_url).await_ready()
    yield one
    one.close()


def recorded(rig: Rig) -> set[str]:
    """The deliveries that are there."""
    return {one.id for one in rig.database.read(lambda tx: list_deliveries(tx, limit=200))}


def test_what_it_writes_is_there_and_answered_in_order(hook: Rig, helped: Helped) -> None:
    group = [verified(hook, key=key) for key in "abb"]
    written = helped.write(group)
    assert written is not None
    assert [one.run_id for one in written.results if isinstance(one, Accepted)] == [
        group[0].firing.id,
        group[1].firing.id,
    ]
    assert [run.reason for run in hook.runs()] == [None, "overlap"]
    assert recorded(hook) == {group[0].delivery.id, group[1].delivery.id}
    assert [(fact.status, fact.runs) for fact in written.facts] == [(Status.SKIPPED, 1)]  # type: ignore[union-attr]


def test_a_group_that_cannot_be_written_leaves_nothing(hook: Rig, helped: Helped) -> None:
    fresh, poisoned = verified(hook), verified(hook)
    assert helped.write([fresh, poisoned, poisoned]) is None
    assert recorded(hook) == set()
    assert isinstance(helped.write([fresh]), Written)


def test_no_secret_and_no_password_can_be_read_from_outside(
    hook: Rig, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOPILOT_SECRET_DEFAULT__CI", "s3cret")
    helped = Helped(database_url).await_ready()
    try:
        child = helped.process()
        assert "AUTOPILOT_SECRET_DEFAULT__CI" not in child.environ()
        assert database_url not in " ".join(child.cmdline())
    finally:
        helped.close()
    assert not child.is_running()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_for_the_whole_group_is_the_parents_business(
    hook: Rig, helped: Helped, number: signal.Signals
) -> None:
    helped.process().send_signal(number)
    assert helped.write([verified(hook)]) is not None


def test_one_that_ended_between_groups_is_not_missed(hook: Rig, helped: Helped) -> None:
    first = helped.process()
    first.kill()
    first.wait(60)
    fresh = verified(hook)
    assert helped.write([fresh]) is None
    assert recorded(hook) == set()
    written = eventually(lambda: helped.write([fresh]))
    assert written is not None
    assert [type(result) for result in written.results] == [Accepted]
    assert helped.process().pid != first.pid


def test_one_that_does_not_answer_is_ended_and_nobody_knows(hook: Rig, database_url: str) -> None:
    helped = Helped(database_url).await_ready()
    child = helped.process()
    child.suspend()
    helped.helper._deadline = 0.2
    with pytest.raises(OutcomeUnknown):
        helped.write([verified(hook)])
    assert not child.is_running()
    assert helped.write([verified(hook)]) is None
    helped.close()


def test_one_that_is_stopped_holds_nobody_up_and_another_one_takes_its_place(
    hook: Rig, database_url: str
) -> None:
    helped = Helped(database_url).await_ready()
    recorder = Recorder(hook.database, COOLDOWN, helped.helper)
    child = helped.process()
    child.suspend()
    helped.helper._silence = 0.2
    results = helped.loop.run(recorder.record([verified(hook) for _ in range(MANY)]))
    assert [type(result) for result in results] == [Accepted] * MANY
    assert len(hook.runs()) == MANY
    assert not child.is_running()
    helped.await_ready()
    assert helped.process().pid != child.pid
    helped.close()


def test_one_that_waits_for_somebody_who_writes_gives_signs_of_life(
    hook: Rig, database_url: str
) -> None:
    # Many signs in the time after which it would be given up, however busy the machine is.
    helped = Helped(database_url, silence=0.3).await_ready(silence=1.5)

    async def body(locked: threading.Event, release: threading.Event) -> Written | None:
        await asyncio.to_thread(locked.wait)
        writing = asyncio.create_task(helped.helper.write([verified(hook)]))
        done, _ = await asyncio.wait([writing], timeout=2.0)  # longer than it may be silent
        assert not done
        release.set()
        return await writing

    with holding(hook) as (locked, release):
        assert helped.loop.run(body(locked, release)) is not None
    helped.close()


@contextmanager
def holding(rig: Rig) -> Iterator[tuple[threading.Event, threading.Event]]:
    """A transaction that has locked the autopilot; the events: it has, it shall end."""
    locked, release = threading.Event(), threading.Event()
    edit = text("UPDATE autopilot SET title = title")

    def hold(tx: Tx) -> None:
        tx.execute(edit)
        locked.set()
        release.wait(60)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(rig.database.write, hold)
        try:
            yield locked, release
        finally:
            release.set()


def test_killed_again_and_again_under_load_nothing_is_lost_or_doubled(
    hook: Rig, helped: Helped
) -> None:
    """Each delivery is answered as taken, and is there once, whatever the child was doing."""
    recorder = Recorder(hook.database, COOLDOWN, helped.helper)
    writer = GroupWriter(recorder.record, most=4 * MANY)
    keyed = [verified(hook, key=f"key-{n}" if n % 2 else None) for n in range(40 * MANY)]
    killed: set[int] = set()

    async def kill() -> None:
        while len(killed) < 3:
            ready = await helped.helper.is_ready()
            pid = helped.helper.pid
            if ready and pid is not None and pid not in killed:
                killed.add(pid)
                psutil.Process(pid).kill()
            await asyncio.sleep(0)

    async def send() -> list[AcceptResult]:
        results: list[AcceptResult] = []
        while len(killed) < 3:
            fresh = [verified(hook, key=f"key-{len(results)}-{n}") for n in range(4 * MANY)]
            results += await asyncio.gather(*map(writer.submit, fresh))
        return results

    async def body() -> list[AcceptResult]:
        submitted = asyncio.gather(*map(writer.submit, keyed))
        _, sent, others = await asyncio.gather(kill(), send(), submitted)
        return [*sent, *others]

    results = helped.loop.run(body())
    assert {type(result) for result in results} == {Accepted}
    assert len(hook.runs()) == len(results)
    assert len(killed) == 3


@pytest.mark.parametrize("steps", range(6))
def test_however_far_its_start_has_come_nothing_of_it_is_left_once_it_is_closed(steps: int) -> None:
    before = children_of_this_process()

    async def body() -> None:
        helper = WriterProcess("sqlite:///none.db", COOLDOWN)
        await helper.is_ready()  # which begins to start it
        for _ in range(steps):
            await asyncio.sleep(0)
        await helper.close()
        assert children_of_this_process() <= before

    asyncio.run(body())


def test_a_close_that_is_given_up_leaves_nothing_of_it_either(
    hook: Rig, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_process, "KILLED", PATIENCE)  # a busy system takes its time
    helped = Helped(database_url).await_ready()
    child = helped.process()
    child.suspend()  # it takes no leave

    async def body() -> None:
        closing = asyncio.create_task(helped.helper.close())
        for _ in range(10):  # until it waits for the child
            await asyncio.sleep(0)
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)
        assert not child.is_running()

    helped.loop.run(body())
    helped.close()


def children_of_this_process() -> set[int]:
    """Their pids, also of those that have ended and that nobody has asked how."""
    return {child.pid for child in psutil.Process().children()}


def test_it_ends_with_its_parent(hook: Rig, database_url: str) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, database_url],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert parent.stderr is not None
    child = psutil.Process(int(parent.stderr.readline()))
    parent.kill()
    parent.communicate()
    eventually(lambda: is_gone(child.pid))


PARENT = """
import asyncio, sys
from datetime import timedelta
from reconciler.control.webhooks.writer_process import SILENCE, WriterProcess

async def main():
    helper = WriterProcess(sys.argv[1], timedelta())
    while not await helper.is_ready():
        await asyncio.sleep(0.01)
    print(helper.pid, file=sys.stderr, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


class Counting(WriterProcess):
    """Notes the sizes of the groups that the child wrote."""

    def __init__(self, url: str) -> None:
        super().__init__(url, COOLDOWN)
        self.sizes: list[int] = []

    async def write(self, group: Sequence[Verified]) -> Written | None:
        """As before."""
        written = await super().write(group)
        self.sizes += [len(group)] if written else []
        return written


def test_few_are_written_here_and_many_there_once_it_is_up(hook: Rig, database_url: str) -> None:
    seen: list[Fact] = []
    hook.database.observe = seen.append
    recorder = Recorder(hook.database, COOLDOWN, helper := Counting(database_url))

    async def record(size: int) -> None:
        results = await recorder.record([verified(hook) for _ in range(size)])
        assert [type(one) for one in results] == [Accepted] * size

    async def body() -> int:
        try:
            await record(MANY - 1)
            assert helper.pid is None
            total = MANY - 1
            while not helper.sizes:
                await record(MANY)
                total += MANY
            return total
        finally:
            await recorder.close()

    total = asyncio.run(body())
    assert helper.sizes == [MANY]
    assert len(hook.runs()) == total
    ended = [fact.runs for fact in seen if isinstance(fact, RunEnded)]
    assert sum(ended) == total - 1  # all but the first were skipped, wherever they were written


def test_large_bodies_are_not_carried_over(hook: Rig, helped: Helped) -> None:
    helped.process().suspend()
    recorder = Recorder(hook.database, COOLDOWN, helped.helper)
    large = verified(hook)
    large = large._replace(delivery=large.delivery._replace(body_size=MUCH))
    group = [large, *(verified(hook) for _ in range(MANY))]
    assert len(helped.loop.run(recorder.record(group))) == len(group)
    helped.process().resume()


def test_a_poisoned_one_fails_alone_wherever_it_is_written(hook: Rig, helped: Helped) -> None:
    poison = verified(hook)
    hook.database.write(lambda tx: accept_all(tx, [poison], hook.database.now, COOLDOWN))
    group = [*(verified(hook) for _ in range(MANY)), poison]
    writer = GroupWriter(Recorder(hook.database, COOLDOWN, helped.helper).record)

    async def body() -> list[object]:
        return await asyncio.gather(*map(writer.submit, group), return_exceptions=True)

    *rest, failed = helped.loop.run(body())
    assert [type(one) for one in rest] == [Accepted] * MANY
    assert isinstance(failed, IntegrityError)

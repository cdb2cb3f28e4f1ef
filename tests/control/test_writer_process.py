"""Deliveries are written by a process of its own while many come; nothing depends on it."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import count

import psutil
import pytest
from sqlalchemy.exc import IntegrityError

from reconciler.control.accept import Taken, Verified, accept_all
from reconciler.control.group import GroupWriter, OutcomeUnknown
from reconciler.control.recorder import MANY, Recorder
from reconciler.control.writer_process import WriterProcess
from reconciler.control.writer_worker import Written
from reconciler.core.run import Status
from reconciler.store.deliveries import list_deliveries
from reconciler.store.facts import Fact, RunEnded
from tests.support.eventually import eventually
from tests.support.rig import COOLDOWN, Rig, agent, autopilot, webhook
from tests.support.verified import verified


@pytest.fixture
def hook(rig: Rig) -> Rig:
    """An autopilot with a webhook, at the time of day: the child looks at the clock by itself."""
    rig.apply(agent(), autopilot("triage", webhook()))
    return rig


@pytest.fixture
def helper(hook: Rig, database_url: str) -> Iterator[WriterProcess]:
    """A process that is ready."""
    one = WriterProcess(database_url, COOLDOWN)
    eventually(lambda: one.write([]))
    yield one
    one.close()


def recorded(rig: Rig) -> set[str]:
    """The deliveries that are there."""
    return {one.id for one in rig.database.read(lambda tx: list_deliveries(tx, limit=200))}


def process_of(helper: WriterProcess) -> psutil.Process:
    """The child."""
    assert helper.pid is not None
    return psutil.Process(helper.pid)


def test_what_it_writes_is_there_and_answered_in_order(hook: Rig, helper: WriterProcess) -> None:
    group = [verified(hook, key=key) for key in "abb"]
    written = helper.write(group)
    assert written is not None
    assert [one.run_id for one in written.results if isinstance(one, Taken)] == [
        group[0].firing.id,
        group[1].firing.id,
    ]
    assert [run.reason for run in hook.runs()] == [None, "overlap"]
    assert recorded(hook) == {group[0].delivery.id, group[1].delivery.id}
    assert [(fact.status, fact.runs) for fact in written.facts] == [(Status.SKIPPED, 1)]  # type: ignore[union-attr]


def test_a_group_that_cannot_be_written_leaves_nothing(hook: Rig, helper: WriterProcess) -> None:
    fresh, poisoned = verified(hook), verified(hook)
    assert helper.write([fresh, poisoned, poisoned]) is None
    assert recorded(hook) == set()
    assert isinstance(helper.write([fresh]), Written)


def test_no_secret_and_no_password_can_be_read_from_outside(
    hook: Rig, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOPILOT_SECRET_DEFAULT__CI", "s3cret")
    helper = WriterProcess(database_url, COOLDOWN)
    try:
        eventually(lambda: helper.write([]))
        child = process_of(helper)
        assert "AUTOPILOT_SECRET_DEFAULT__CI" not in child.environ()
        assert database_url not in " ".join(child.cmdline())
    finally:
        helper.close()
    assert not child.is_running()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_for_the_whole_group_is_the_parents_business(
    hook: Rig, helper: WriterProcess, number: signal.Signals
) -> None:
    process_of(helper).send_signal(number)
    assert helper.write([verified(hook)]) is not None


def test_one_that_ended_between_groups_is_not_missed(hook: Rig, helper: WriterProcess) -> None:
    process_of(helper).kill()
    process_of(helper).wait(10)
    assert helper.write([verified(hook)]) is None
    assert helper.pid is None
    assert recorded(hook) == set()


def test_one_that_does_not_answer_is_ended_and_nobody_knows(hook: Rig, database_url: str) -> None:
    helper = WriterProcess(database_url, COOLDOWN, deadline=0.2)
    eventually(lambda: helper.write([]))
    child = process_of(helper)
    child.suspend()
    with pytest.raises(OutcomeUnknown):
        helper.write([verified(hook)])
    assert not child.is_running()
    assert helper.write([verified(hook)]) is None
    assert helper.pid is None  # another one is not tried at once


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
    psutil.wait_procs([child], timeout=20)
    assert not child.is_running()


PARENT = """
import sys, time
from datetime import timedelta
from reconciler.control.writer_process import WriterProcess
helper = WriterProcess(sys.argv[1], timedelta())
while helper.write([]) is None:
    time.sleep(0.01)
print(helper.pid, file=sys.stderr, flush=True)
time.sleep(60)
"""


class Counting(WriterProcess):
    """Notes the sizes of the groups that the child wrote."""

    def __init__(self, url: str) -> None:
        super().__init__(url, COOLDOWN)
        self.sizes: list[int] = []

    def write(self, group: Sequence[Verified]) -> Written | None:
        """As before."""
        written = super().write(group)
        self.sizes += [len(group)] if written else []
        return written


def test_few_are_written_here_and_many_there_once_it_is_up(hook: Rig, database_url: str) -> None:
    seen: list[Fact] = []
    hook.database.observe = seen.append
    recorder = Recorder(hook.database, COOLDOWN, helper := Counting(database_url))

    async def record(size: int) -> None:
        results = await recorder.record([verified(hook) for _ in range(size)])
        assert [type(one) for one in results] == [Taken] * size

    async def body() -> int:
        await record(MANY - 1)
        assert helper.pid is None
        for rounds in count(1):
            await record(MANY)
            if helper.sizes:
                return rounds
        raise AssertionError

    try:
        total = MANY - 1 + asyncio.run(body()) * MANY
    finally:
        recorder.close()
    assert helper.sizes == [MANY]
    assert len(hook.runs()) == total
    ended = [fact.runs for fact in seen if isinstance(fact, RunEnded)]
    assert sum(ended) == total - 1  # all but the first were skipped, wherever they were written


def test_a_poisoned_one_fails_alone_wherever_it_is_written(
    hook: Rig, helper: WriterProcess
) -> None:
    poison = verified(hook)
    hook.database.write(lambda tx: accept_all(tx, [poison], hook.clock.now(), COOLDOWN))
    group = [*(verified(hook) for _ in range(MANY)), poison]
    writer = GroupWriter(Recorder(hook.database, COOLDOWN, helper).record)

    async def body() -> list[object]:
        return await asyncio.gather(*map(writer.submit, group), return_exceptions=True)

    *rest, failed = asyncio.run(body())
    assert [type(one) for one in rest] == [Taken] * MANY
    assert isinstance(failed, IntegrityError)

"""Group commit: what arrives together is written together, and a poisoned one fails alone."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from reconciler.control.webhooks.group import Full, GroupWriter, OutcomeUnknown


@dataclass
class Disk:
    """Writes groups of texts when it is let; refuses every group that holds `poison`."""

    groups: list[list[str]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def write(self, group: Sequence[str]) -> Sequence[str]:
        """Keep a group, all or nothing."""
        await self.gate.wait()
        if "poison" in group:
            raise ValueError("poison")
        self.groups.append([*group])
        return [item.upper() for item in group]

    @property
    def written(self) -> list[str]:
        """All that is kept."""
        return [item for group in self.groups for item in group]


def open_disk() -> Disk:
    """A disk that writes at once."""
    disk = Disk()
    disk.gate.set()
    return disk


async def start(*work: asyncio.Task[str]) -> None:
    """Let tasks come as far as they can."""
    for _ in range(3 + len(work)):
        await asyncio.sleep(0)


def test_one_alone_is_written_at_once() -> None:
    async def body() -> None:
        disk = open_disk()
        assert await GroupWriter(disk.write).submit("a") == "A"
        assert disk.groups == [["a"]]

    asyncio.run(body())


def test_what_arrives_during_a_write_waits_together() -> None:
    async def body() -> None:
        disk = Disk()
        writer = GroupWriter(disk.write)
        tasks = [asyncio.create_task(writer.submit(item)) for item in "abcd"]
        await start(*tasks)
        assert writer.depth == 0
        late = [asyncio.create_task(writer.submit(item)) for item in "ef"]
        await start(*late)
        assert writer.depth == 2
        disk.gate.set()
        assert await asyncio.gather(*tasks, *late) == [*"ABCDEF"]
        assert disk.groups == [[*"abcd"], [*"ef"]]

    asyncio.run(body())


def test_groups_have_a_largest_size() -> None:
    async def body() -> None:
        disk = open_disk()
        writer = GroupWriter(disk.write, most=2)
        await asyncio.gather(*(writer.submit(item) for item in "abcde"))
        assert max(map(len, disk.groups)) == 2
        assert disk.written == [*"abcde"]

    asyncio.run(body())


def test_a_poisoned_one_fails_alone() -> None:
    async def body() -> None:
        disk = open_disk()
        writer = GroupWriter(disk.write)
        items = ["a", "poison", "b"]
        results = await asyncio.gather(*map(writer.submit, items), return_exceptions=True)
        assert results[0] == "A"
        assert isinstance(results[1], ValueError)
        assert results[2] == "B"
        assert sorted(disk.written) == ["a", "b"]
        assert await writer.submit("c") == "C"

    asyncio.run(body())


def test_what_nobody_knows_is_not_tried_again() -> None:
    tried: list[list[str]] = []

    async def lose(group: Sequence[str]) -> Sequence[str]:
        tried.append([*group])
        raise OutcomeUnknown

    async def body() -> None:
        writer = GroupWriter(lose)
        results = await asyncio.gather(*map(writer.submit, "ab"), return_exceptions=True)
        assert [type(one) for one in results] == [OutcomeUnknown] * 2
        assert tried == [["a", "b"]]

    asyncio.run(body())


def test_more_than_fits_is_refused_and_what_waits_is_written() -> None:
    async def body() -> None:
        disk = Disk()
        writer = GroupWriter(disk.write, capacity=2)
        tasks = [asyncio.create_task(writer.submit(item)) for item in "ab"]
        await asyncio.sleep(0)
        with pytest.raises(Full):
            await writer.submit("c")
        disk.gate.set()
        assert await asyncio.gather(*tasks) == [*"AB"]

    asyncio.run(body())


def test_who_leaves_early_does_not_undo_the_write() -> None:
    async def body() -> None:
        disk = Disk()
        writer = GroupWriter(disk.write)
        gone = asyncio.create_task(writer.submit("a"))
        stays = asyncio.create_task(writer.submit("b"))
        await start(gone, stays)
        gone.cancel()
        disk.gate.set()
        assert await stays == "B"
        assert disk.written == ["a", "b"]

    asyncio.run(body())


def test_closing_waits_for_what_was_submitted() -> None:
    async def body() -> None:
        disk = Disk()
        writer = GroupWriter(disk.write)
        task = asyncio.create_task(writer.submit("a"))
        await start(task)
        closing = asyncio.create_task(writer.close())
        await start()
        assert not closing.done()
        disk.gate.set()
        await closing
        assert disk.written == ["a"]
        assert await task == "A"

    asyncio.run(body())

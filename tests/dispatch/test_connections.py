"""Connections to agents: used again, and never for the answer to another request."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpx
import pytest

from reconciler.dispatch.connections import Connections


@dataclass
class Server:
    """Answers each request with its path; `/held` once it is released, `/last` closes after it."""

    url: str = ""
    opened: int = 0
    open_now: int = 0
    holds: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until the client closes it."""
        await self.count(opened=1, open_now=1)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                path = head.split(b" ", 2)[1]
                if path == b"/held":
                    await self.count(holds=1)
                    await self.released.wait()
                last = b"connection: close\r\n" if path == b"/last" else b""
                size = b"content-length: %d\r\n" % len(path)
                writer.write(b"HTTP/1.1 200 OK\r\n" + last + size + b"\r\n" + path)
                if last:
                    break
        writer.close()
        await self.count(open_now=-1)

    async def count(self, **by: int) -> None:
        """Count something, and tell whoever waits for it."""
        async with self.changed:
            for name, difference in by.items():
                setattr(self, name, getattr(self, name) + difference)
            self.changed.notify_all()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until the counts are so."""
        async with asyncio.timeout(60), self.changed:
            await self.changed.wait_for(holds)


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    """A server on a free port."""
    server = Server()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        server.released.set()
        listener.close()


def with_server(
    body: Callable[[Server, httpx.AsyncClient], Awaitable[None]], **options: float
) -> None:
    """Run `body` with a server and a client of these connections."""

    async def scenario() -> None:
        async with serving() as server:
            connections = Connections(**options)  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=connections, trust_env=False) as client:
                await body(server, client)
            await server.until(lambda: server.open_now == 0)

    asyncio.run(scenario())


async def get(server: Server, client: httpx.AsyncClient, path: str) -> None:
    """Make a request, which gets its own answer."""
    assert (await client.get(f"{server.url}{path}", timeout=None)).text == path


def test_one_after_the_other_they_share_a_connection() -> None:
    async def body(server: Server, client: httpx.AsyncClient) -> None:
        for number in range(5):
            await get(server, client, f"/{number}")
        assert server.opened == 1

    with_server(body)


def test_all_at_once_each_has_its_own_and_they_are_used_again() -> None:
    async def body(server: Server, client: httpx.AsyncClient) -> None:
        held = [asyncio.create_task(get(server, client, "/held")) for _ in range(8)]
        await server.until(lambda: server.holds == 8)
        server.released.set()
        await asyncio.gather(*held)
        await asyncio.gather(*(get(server, client, f"/{number}") for number in range(8)))
        assert server.opened == 8

    with_server(body)


def test_one_that_the_server_closes_is_replaced() -> None:
    async def body(server: Server, client: httpx.AsyncClient) -> None:
        await get(server, client, "/last")
        await server.until(lambda: server.open_now == 0)
        await get(server, client, "/next")
        assert server.opened == 2

    with_server(body)


def test_a_late_answer_reaches_no_other_request() -> None:
    async def body(server: Server, client: httpx.AsyncClient) -> None:
        await get(server, client, "/first")
        given_up = asyncio.create_task(get(server, client, "/held"))
        await server.until(lambda: server.holds == 1)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        server.released.set()
        await get(server, client, "/second")
        assert server.opened == 2

    with_server(body)


def test_an_answer_that_is_not_read_to_its_end_leaves_nothing_behind() -> None:
    async def body(server: Server, client: httpx.AsyncClient) -> None:
        async with client.stream("GET", f"{server.url}/unread"):
            pass
        await get(server, client, "/second")

    with_server(body)


@pytest.mark.parametrize(
    ("options", "left"),
    [
        pytest.param({"most_idle": 3}, 3, id="so many are kept"),
        pytest.param({"idle_seconds": -1.0}, 0, id="none that was idle for too long"),
    ],
)
def test_what_is_idle_is_bounded(options: dict[str, float], left: int) -> None:
    async def body(server: Server, client: httpx.AsyncClient) -> None:
        held = [asyncio.create_task(get(server, client, "/held")) for _ in range(8)]
        await server.until(lambda: server.holds == 8)
        server.released.set()
        await asyncio.gather(*held)
        await server.until(lambda: server.open_now == left)

    with_server(body, **options)


def test_each_server_has_its_own_connections() -> None:
    async def body(server: Server, client: httpx.AsyncClient) -> None:
        async with serving() as other:
            for _ in range(3):
                await get(server, client, "/a")
                await get(other, client, "/b")
            assert (server.opened, other.opened) == (1, 1)

    with_server(body)

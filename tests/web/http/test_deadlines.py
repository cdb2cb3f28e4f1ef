"""Deadlines of a connection, by a clock that jumps: nothing waits, and no machine is too slow."""

import asyncio
from typing import Any

import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from uvicorn.server import ServerState

from reconciler.web.http.connection import HEAD_DEADLINE, protocol_of
from reconciler.web.http.connections import Connections
from reconciler.web.http.lingering import LINGER
from tests.support.virtual_time import VirtualLoop

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
KEPT_ALIVE = 30
"""Seconds for which a connection may be idle: more than a head may take."""
ROUNDS = 10
"""Rounds of the loop that an answer without I/O takes at most."""


class Wire(asyncio.Transport):
    """The side of the server: what it wrote, and when it ended it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.closed_at: float | None = None

    def write(self, data: Any) -> None:
        self.sent += data

    def is_closing(self) -> bool:
        return self.closed_at is not None

    def close(self) -> None:
        self.closed_at = asyncio.get_running_loop().time()

    def abort(self) -> None:
        self.close()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """The end of what is sent is not looked at here."""

    def pause_reading(self) -> None:
        """Nothing comes by itself."""

    def resume_reading(self) -> None:
        """Nothing comes by itself."""


def dialogue(*steps: bytes | float) -> Wire:
    """What becomes of a connection on which these bytes come, after these seconds."""

    async def play() -> Wire:
        config = uvicorn.Config(
            PlainTextResponse("ok"),
            lifespan="off",
            log_config=None,
            ws="none",
            timeout_keep_alive=KEPT_ALIVE,
        )
        config.load()
        protocol = protocol_of(Connections(10))(config, ServerState(), {})
        assert isinstance(protocol, asyncio.Protocol)
        wire = Wire()
        protocol.connection_made(wire)
        for step in steps:
            if isinstance(step, bytes):
                protocol.data_received(step)
                for _ in range(ROUNDS):
                    await asyncio.sleep(0)
            else:
                await asyncio.sleep(step)
        closed_at = wire.closed_at
        protocol.connection_lost(None)  # it ends what still waits
        wire.closed_at = closed_at
        return wire

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(play())


@pytest.mark.parametrize(
    ("sent", "answer", "closed_at"),
    [
        pytest.param(b"", b"", HEAD_DEADLINE, id="nothing is said"),
        pytest.param(b"GET /heal", b"HTTP/1.1 408 ", HEAD_DEADLINE + LINGER, id="half a line"),
        pytest.param(HEAD[:-6], b"HTTP/1.1 408 ", HEAD_DEADLINE + LINGER, id="half a head"),
    ],
)
def test_a_head_that_does_not_come_is_not_waited_for(
    sent: bytes, answer: bytes, closed_at: float
) -> None:
    wire = dialogue(sent, 60.0) if sent else dialogue(60.0)
    assert wire.sent[: len(answer) or 1] == answer
    assert b"\r\nconnection: close\r\n" in wire.sent.lower() or not wire.sent
    assert wire.closed_at == closed_at


def test_bytes_that_drip_do_not_move_the_deadline() -> None:
    dripping: list[bytes | float] = [b"G", HEAD_DEADLINE / 10] * 9
    assert dialogue(*dripping).sent == b""
    late = dialogue(*dripping, b"G", HEAD_DEADLINE / 10 + 0.1)
    assert late.sent.startswith(b"HTTP/1.1 408 ")


def test_the_second_request_of_a_connection_has_a_deadline_too() -> None:
    wire = dialogue(HEAD, b"GET /healthz HTT", HEAD_DEADLINE + 0.1)
    assert [part[:3] for part in wire.sent.split(b"HTTP/1.1 ")[1:]] == [b"200", b"408"]


def test_a_connection_that_is_kept_alive_serves_many() -> None:
    idle = (HEAD_DEADLINE + KEPT_ALIVE) / 2
    wire = dialogue(HEAD, idle, HEAD, idle, HEAD, idle)
    assert wire.sent.count(b"HTTP/1.1 200 ") == 3
    assert wire.closed_at is None

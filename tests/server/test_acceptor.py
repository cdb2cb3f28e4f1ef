"""Connections that come in the moment of the stop."""

import asyncio
import socket

import pytest
import uvicorn

from reconciler.server.http_server import HttpServer, listen
from reconciler.web.http.connections import Connections


def uvicorn_config() -> uvicorn.Config:
    """A server of nothing, as `http_server` configures it where a stop is concerned."""

    async def nothing(_scope: object, _receive: object, _send: object) -> None: ...

    config = uvicorn.Config(
        nothing,
        lifespan="off",
        log_config=None,
        http="h11",
        ws="none",
        timeout_graceful_shutdown=12,
    )
    config.load()
    return config


@pytest.mark.parametrize("rounds", range(4))
def test_who_is_accepted_in_the_moment_of_the_stop_does_not_hold_it_up(rounds: int) -> None:
    """Between the accepted socket and its connection lie some rounds of the event loop."""

    async def body() -> bytes:
        connections = Connections(10)
        listener = listen("127.0.0.1", 0)
        config = uvicorn_config()
        server = HttpServer(config, connections)
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[listener])
        loop, client = asyncio.get_running_loop(), socket.socket()
        with client:
            client.setblocking(False)
            connecting = asyncio.create_task(loop.sock_connect(client, listener.getsockname()))
            while not connections.count:  # noqa: ASYNC110 - rounds of the loop are what counts
                await asyncio.sleep(0)
            for _ in range(rounds):
                await asyncio.sleep(0)
            await asyncio.wait_for(server.shutdown(sockets=[listener]), 60)
            await connecting
            return await asyncio.wait_for(loop.sock_recv(client, 1), 60)

    assert asyncio.run(body()) == b""

"""A stand-in Aegis server: its HTTP surface, faults included, as facts about the real one say.

`python -m tests.support.aegis --port 0 --key KEY…` serves and prints its URL as the first line.
`running()` starts it as a process of its own; `Aegis.control` is how a test changes what it does:

    aegis.control(script={"hold": True})                      see `Script`
    aegis.control(fault={"endpoint": "send", "status": 429})  see `Fault`, `aegis_api.ROUTES`
    aegis.control(session="run-1", status="error", detail="API Error")
    aegis.control(session="run-1", finish="Done.")  or  die=True
    aegis.control(plant=[{"name": "x", "workDir": "/srv/demo", "key": "key-2", "status": "idle"}])
    aegis.control(restart=True) | aegis.control(reset=True) | aegis.control(forget_calls=True)
"""

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.support.aegis_api import routes
from tests.support.aegis_control import control
from tests.support.aegis_events import events
from tests.support.aegis_world import Json, World


def application(keys: tuple[str, ...]) -> Starlette:
    """The server as an ASGI application."""
    world = World()
    return Starlette(
        routes=[
            *routes(world, keys),
            Route("/v1/health", _health(world)),
            Route("/v1/events", events(world)),
            Route("/_control", control(world), methods=["GET", "POST"]),
        ]
    )


def _health(world: World) -> Callable[[Request], Awaitable[Response]]:
    async def health(_request: Request) -> Response:
        uptime = time.time() - world.started
        return JSONResponse({"status": "ok", "version": "0.6.6-preview.1", "uptime": uptime})

    return health


@dataclass(frozen=True)
class Aegis:
    """A running stand-in, seen from a test."""

    url: str
    keys: tuple[str, ...]
    process: "subprocess.Popen[str]"

    def control(self, **order: Any) -> dict[str, Json]:
        """Give an order; the state afterwards."""
        host, _, port = self.url.removeprefix("http://").partition(":")
        connection = HTTPConnection(host, int(port), timeout=30)
        try:
            connection.request("POST", "/_control", json.dumps(order))
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        assert response.status == 200, (order, response.status)
        return dict(json.loads(body))

    @property
    def calls(self) -> dict[str, int]:
        """How often each endpoint was called."""
        return dict(self.control()["calls"])

    @property
    def made(self) -> dict[str, int]:
        """How many sessions were ever made, by name; ended ones too."""
        return dict(self.control()["made"])

    @property
    def worked(self) -> dict[str, int]:
        """How many prompts agents ever worked on, by the name of their session."""
        return dict(self.control()["worked"])

    @property
    def sessions(self) -> list[dict[str, Json]]:
        """All sessions, with what the API does not show: key, prompts, extra."""
        return list(self.control()["sessions"])


@contextmanager
def running(*keys: str) -> Iterator[Aegis]:
    """The stand-in as a process of its own."""
    keys = keys or ("key-1", "key-2")
    call = [sys.executable, "-m", "tests.support.aegis", "--port", "0", "--key", *keys]
    process = subprocess.Popen(
        call, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield Aegis(process.stdout.readline().strip(), keys, process)
    finally:
        process.kill()
        process.communicate()


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description="a stand-in Aegis server")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", nargs="+", default=["key-1", "key-2"])
    options = parser.parse_args()
    listener = socket.create_server(("127.0.0.1", options.port))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)  # noqa: T201
    app = application(tuple(options.key))
    config = uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off")
    asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


if __name__ == "__main__":
    main()

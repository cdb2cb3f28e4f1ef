"""Serve: `python -m tests.support.aegis --port 0 --key KEY…` prints its URL as the first line."""

import argparse
import asyncio
import signal
import socket
from pathlib import Path

import uvicorn

from tests.support.aegis.server import application
from tests.support.aegis.world import World


class _Server(uvicorn.Server):
    """SIGTERM kills every agent, at once."""

    world: World

    def handle_exit(self, sig: int, frame: object) -> None:
        if sig == signal.SIGTERM:
            self.world.terminate()
        super().handle_exit(sig, None)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description="a stand-in Aegis server")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", nargs="+", default=["key-1", "key-2"])
    parser.add_argument("--witness", type=Path, help="a file of agents, which outlive this server")
    options = parser.parse_args()
    listener = socket.create_server(("127.0.0.1", options.port))
    world = World(witness=options.witness)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)  # noqa: T201
    app = application(world, tuple(options.key))
    config = uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off")
    server = _Server(config)
    server.world = world
    asyncio.run(server.serve(sockets=[listener]))


if __name__ == "__main__":
    main()

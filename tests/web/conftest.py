"""The HTTP application on a fresh SQLite database, with a clock that stands still."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.store.engine.database import Database
from tests.support.clock import FakeClock
from tests.support.rig import Rig
from tests.support.web import Web


@pytest.fixture
def rig(sqlite_template: Path, tmp_path: Path) -> Iterator[Rig]:
    """A system on SQLite; what differs between databases is tested in tests/store."""
    clock, path = FakeClock(), shutil.copy(sqlite_template, tmp_path / "state.db")
    with Database.open(f"sqlite:///{path}", clock=clock.now) as database:
        one = Rig(database, clock)
        yield one
        one.close()


@pytest.fixture
def web(rig: Rig) -> Web:
    """The application without a tokens file."""
    return Web(rig)


Ask = Callable[..., httpx.Response]


@pytest.fixture
def ask(web: Web) -> Iterator[Ask]:
    """`ask("GET", "/v1/runs", …)`: one request to the application, all on one event loop."""
    with asyncio.Runner() as runner:

        def ask_(method: str, path: str, **options: Any) -> httpx.Response:
            async def send() -> httpx.Response:
                async with web.client() as client:
                    return await client.request(method, path, **options)

            return runner.run(send())

        yield ask_
        runner.run(web.close())

"""The HTTP application on a fresh SQLite database, with a clock that stands still."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.store.engine.database import Database
from tests.support.browser import chromium, is_wrong
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


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One Chromium for all tests of a file."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def url(web: Web) -> Iterator[str]:
    """The server's address."""
    with web.served() as url:
        yield url


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page that fails the test for anything that its policy forbids or that it cannot find."""
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    page, wrong = context.new_page(), []
    page.on("console", lambda line: wrong.append(line.text) if is_wrong(line) else None)
    page.on("request", lambda asked: None if is_ours(asked.url) else wrong.append(asked.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    context.close()
    assert wrong == []


def is_ours(url: str) -> bool:
    """Whether an address is of the server under test, or none of a network."""
    return url.startswith(("http://127.0.0.1:", "about:", "blob:", "data:"))

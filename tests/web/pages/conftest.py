"""Pages in a real browser, each test with a context of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import chromium, is_wrong
from tests.support.following import reconcile
from tests.support.rig import Rig
from tests.support.yaml_styles import AGENT
from tests.web.api.test_write_back import TEXT

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One Chromium for all tests of a file."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def opened(browser: Any) -> Iterator[Open]:
    """`opened(url, …)`: a page that fails the test for what its policy forbids, for errors of its
    scripts, and for requests that go elsewhere."""
    contexts, wrong = [], []

    def open_(url: str, **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1240, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda line: wrong.append(line.text) if is_wrong(line) else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda sent: None if is_ours(sent.url) else wrong.append(sent.url))
        page.goto(url)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert wrong == []


def is_ours(url: str) -> bool:
    """Whether a request stays on this machine's loopback."""
    return url.startswith(("http://127.0.0.1:", "data:"))


@pytest.fixture
def folder(rig: Rig, tmp_path: Path) -> Path:
    """What the server follows, in force."""
    folder = tmp_path / "autopilots"
    folder.mkdir()
    (folder / "agents.yaml").write_bytes(AGENT)
    (folder / "all.yaml").write_text(TEXT)
    reconcile(rig, folder)
    return folder

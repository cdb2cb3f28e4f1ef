"""A headless Chromium for tests of pages: Debian's, driven by playwright."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

SENTENCE = "Chromium is not installed (Debian: apt install chromium)"


def find_chromium() -> str:
    """The path of the browser. Without one the test is skipped, but never in CI."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        if os.environ.get("CI", "").lower() in ("", "0", "false"):
            pytest.skip(SENTENCE)
        pytest.fail(SENTENCE)
    return found


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser; each test opens a context of its own in it."""
    from playwright.sync_api import sync_playwright

    path = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        try:
            yield browser
        finally:
            browser.close()

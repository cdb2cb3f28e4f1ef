"""A headless Chromium for tests of pages: Debian's, driven by playwright."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

SENTENCE = "Chromium is not installed (Debian: apt install chromium)"


def find_chromium() -> str:
    """The path of the browser. Without one the test is skipped, but never in CI."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    return found or _missing(SENTENCE)


def _missing(sentence: str) -> Any:
    if os.environ.get("CI", "").lower() in ("", "0", "false"):
        pytest.skip(sentence)
    pytest.fail(sentence)


@cache
def axe() -> str:
    """The rules of axe-core as a script. Without them the test is skipped, but never in CI."""
    npm = shutil.which("npm")
    if npm is not None:
        done = subprocess.run(
            [npm, "root", "--global"], capture_output=True, text=True, check=False
        )
        script = Path(done.stdout.strip()) / "axe-core" / "axe.min.js"
        if script.is_file():
            return script.read_text("utf-8")
    return str(_missing("axe-core is not installed (npm install -g axe-core)"))


def violations(page: Any) -> list[str]:
    """What the page does that shuts somebody out: rules of serious or critical impact."""
    page.evaluate(axe())
    result = page.evaluate("axe.run({ resultTypes: ['violations'] })")
    return [
        f"{rule['id']}: {node['html'][:120]}: {node['failureSummary'][:300]}"
        for rule in result["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"][:3]
    ]


def sideways(page: Any) -> list[str]:
    """What has to be scrolled sideways to be read: the page itself, or a part of it.

    Code and tables are meant to be, and so are pictures in a region of their own.
    """
    return list(page.evaluate(_SIDEWAYS))


_SIDEWAYS = """() => {
  const wide = (each) => each.scrollWidth > each.clientWidth + 1;
  const scrolls = (each) => ["auto", "scroll"].includes(getComputedStyle(each).overflowX);
  const meant = "pre, code, textarea, table, [role=region]";
  const parts = [...document.body.querySelectorAll("*")];
  const those = parts.filter((each) => wide(each) && scrolls(each) && !each.matches(meant));
  if (wide(document.documentElement)) those.unshift(document.documentElement);
  return those.map((each) => `${each.tagName} ${each.className}: ${each.scrollWidth}`);
}"""


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


def is_wrong(line: Any) -> bool:
    """Whether a line of the console is an error of the page.

    A page that is still open when the server of its test has stopped looks for it in vain.
    """
    return line.type == "error" and "ERR_CONNECTION_REFUSED" not in line.text

"""The dashboard in a real browser, on a real server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from reconciler.core.runs.run import Source
from tests.e2e.ledger import Ledger
from tests.support.browser import chromium
from tests.support.eventually import eventually
from tests.support.process import Serving, Site, site
from tests.support.rig import autopilot, schedule, webhook

pytestmark = pytest.mark.browser

HOSTILE = "<script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\">"


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Serving]]:
    """A server with a schedule that fired, and an autopilot whose texts are hostile."""
    folder: Path = tmp_path_factory.mktemp("dashboard")
    with site(folder, f"sqlite:///{folder}/state.db") as made:
        made.write(
            "all.yaml",
            made.agent(),
            autopilot("clock", schedule(None, every="1s"), title="The clock"),
            autopilot("nightly", schedule("0 9 * * MON-FRI", timezone="Europe/Rome"), webhook()),
            autopilot("hostile", webhook("hook"), title=HOSTILE, description=HOSTILE),
        )
        server = made.serve()
        eventually(lambda: Ledger(made).completed("clock", Source.SCHEDULE))
        yield made, server


@pytest.fixture(scope="module")
def page(serving: tuple[Site, Serving]) -> Iterator[Page]:
    """A tab that fails the test for any error on its console."""
    with chromium() as browser:
        tab = browser.new_page(base_url=serving[1].url)
        errors: list[str] = []
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        yield tab
        assert errors == []


def row(page: Page, name: str) -> str:
    """The text of an autopilot's row."""
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=name)).inner_text()


def test_the_overview_shows_triggers_last_run_next_run_and_health(page: Page) -> None:
    page.goto("/")
    assert "At 09:00, Monday through Friday" in row(page, "nightly")
    assert "webhook" in row(page, "nightly")
    shown = row(page, "clock")
    assert "Every 1s" in shown
    assert "healthy" in shown
    assert "never" not in shown


def test_an_autopilot_leads_to_its_runs_and_a_run_to_its_result(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="clock", exact=True).click()
    page.wait_for_url("**/autopilots/*")
    assert "clock" in page.get_by_role("heading", level=1).inner_text()
    assert "The clock" in page.inner_text("main")
    page.locator("table.runs a[href^='/runs/']").first.click()
    page.wait_for_url("**/runs/*")
    assert "clock" in page.inner_text("main")


def test_what_a_manifest_or_a_sender_writes_stays_text(
    page: Page, serving: tuple[Site, Serving]
) -> None:
    site, _ = serving
    assert site.cli("run", "hostile", "--payload", f'{{"text": "{HOSTILE[:40]}"}}').returncode == 0
    (run,) = eventually(lambda: Ledger(site).completed("hostile", Source.MANUAL))
    for path in ("/", f"/autopilots/{run.autopilot_id}", f"/runs/{run.id}"):
        page.goto(path)
        assert page.title() != "pwned"
        assert "<script>" in page.inner_text("main")
        assert page.locator("main script, main img").count() == 0


def test_the_page_fits_a_telephone(page: Page) -> None:
    page.set_viewport_size({"width": 380, "height": 800})
    page.goto("/")
    wide = page.evaluate("document.documentElement.scrollWidth")
    page.set_viewport_size({"width": 1280, "height": 900})
    assert wide <= 380


def test_nothing_comes_from_another_host_and_the_policy_forbids_it(
    page: Page, serving: tuple[Site, Serving]
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    answer = page.goto("/")
    assert answer is not None
    assert all(url.startswith(serving[1].url) for url in asked)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy

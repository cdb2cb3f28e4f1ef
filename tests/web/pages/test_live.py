"""Pages that keep themselves current, and say so when they cannot."""

from pathlib import Path
from typing import Any

import pytest

from reconciler.control.access.tokens import Tokens
from reconciler.core.access.token_hash import token_hash
from reconciler.core.runs.run import Failed, Reason
from tests.support.rig import Rig, agent, autopilot, id_of, schedule
from tests.support.web import Web

pytestmark = pytest.mark.browser
TOKEN = f"rct_live{'x' * 40}"


def test_what_happens_is_shown_when_it_happens(rig: Rig, page: Any, url: str) -> None:
    """By the server's events: this page asks for nothing by itself."""
    page.add_init_script("window.setInterval = () => 0")
    rig.apply(agent(), autopilot())
    page.goto(url)
    assert page.title() == "Autopilots · reconciler"
    with page.expect_response("**/v1/events"):
        page.reload()
    rig.end(rig.launch(), Failed(Reason.AGENT_FAILED, "no such model"))
    page.get_by_text("The last run failed: no such model").wait_for()
    assert page.title() == "(1) Autopilots · reconciler"


def test_a_server_that_is_gone_is_told_and_one_that_is_back(rig: Rig, browser: Any) -> None:
    rig.apply(agent(), autopilot())
    context = browser.new_context()
    page = context.new_page()
    with Web(rig).served() as url:
        page.goto(url)
        assert page.locator("#banner").is_hidden()
        page.route(url + "/", lambda route: route.abort())
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        page.get_by_text("The server cannot be reached.").wait_for()
        assert "how things stood at" in page.inner_text("#banner")
        page.unroute(url + "/")
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        page.locator("#banner").wait_for(state="hidden")
    page.get_by_text("The server cannot be reached.").wait_for()
    context.close()


def test_a_session_that_ended_is_told(rig: Rig, browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text(f'[[token]]\nname = "ada"\nrole = "viewer"\nsha256 = "{token_hash(TOKEN)}"\n')
    tokens = Tokens(path, rig.clock)
    context = browser.new_context()
    page = context.new_page()
    with Web(rig, authority=tokens).served() as url:
        page.goto(f"{url}/runs")
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/runs")
        context.clear_cookies()
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        page.get_by_text("Your session has ended.").wait_for()
        page.get_by_role("link", name="Sign in again").click()
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/runs")
    context.close()


def test_a_page_that_waits_for_its_reader_says_how_old_it_is(rig: Rig, page: Any, url: str) -> None:
    rig.apply(agent(), autopilot())
    page.clock.install()
    page.goto(url)
    page.get_by_label("Search").focus()
    page.clock.fast_forward(50_000)
    assert page.locator("#banner").is_hidden()
    page.clock.run_for(20_000)
    page.get_by_text("it waits while you are at work on it").wait_for()
    page.get_by_role("link", name="Load it again").click()
    page.locator("#banner").wait_for(state="hidden")


def test_times_are_those_of_the_viewer_where_they_wish(rig: Rig, browser: Any, url: str) -> None:
    rig.apply(agent(), autopilot("triage", schedule("0 9 * * *")))
    context = browser.new_context(timezone_id="America/New_York", locale="en-GB")
    page = context.new_page()
    page.goto(f"{url}/autopilots/{id_of('triage')}")
    assert "2 Nov, 09:00 UTC" in page.inner_text("main")
    page.get_by_role("button", name="Show times of America/New_York").click()
    page.get_by_text("2 Nov, 04:00").first.wait_for()
    exact = page.locator("time", has_text="04:00").first
    assert "09:00:00 UTC" in exact.get_attribute("title")
    page.goto(url)
    assert "Times are those of America/New_York" in page.inner_text("footer")
    page.get_by_role("button", name="Show UTC").click()
    page.get_by_text("All times are UTC.").wait_for()
    context.close()
    context = browser.new_context(timezone_id="UTC")
    page = context.new_page()
    page.goto(url)
    assert page.locator("[data-zone]").is_hidden()
    context.close()


def test_words_of_time_are_by_the_clock_of_the_server(rig: Rig, page: Any, url: str) -> None:
    """The browser's own clock is weeks away from that of the test's server."""
    rig.apply(agent(), autopilot("triage", schedule("0 9 * * *")))
    page.goto(f"{url}/autopilots/{id_of('triage')}")
    assert "in 1 hour" in page.inner_text("dl.facts")
    rig.clock.advance(minutes=2)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.get_by_text("in 58 minutes").first.wait_for()

"""The dashboard in a real browser: clicked, without a script, narrow, under its own policy."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from reconciler.control.access.tokens import Tokens
from reconciler.core.access.token_hash import token_hash
from reconciler.core.runs.run import Failed, Reason
from tests.support.browser import sideways, violations
from tests.support.rig import Rig, agent, autopilot, id_of, schedule, webhook
from tests.support.web import Web

pytestmark = pytest.mark.browser

EVIL = "<script>document.title = 'taken'</script><img src=x onerror=alert(1)>"
TOKEN = "rct_browser"


@pytest.fixture
def full(rig: Rig) -> str:
    """An autopilot with every kind of trigger; its id."""
    rig.apply(
        agent(),
        autopilot(
            "nightly-triage",
            schedule("0 9 * * MON-FRI", "weekdays", timezone="Europe/Rome"),
            webhook("ci"),
            {"name": "release", "kind": "api"},
            title="Nightly issue triage",
            maxConcurrency=5,
        ),
    )
    return id_of("nightly-triage")


def test_an_empty_server_says_what_to_do(page: Any, url: str) -> None:
    page.goto(url)
    assert page.get_by_role("heading", name="No autopilots yet").is_visible()
    assert "reconciler apply" in page.inner_text("main")


def test_the_list_tells_triggers_last_run_next_run_and_health(
    rig: Rig, full: str, page: Any, url: str
) -> None:
    rig.end(rig.launch("nightly-triage"), Failed(Reason.AGENT_FAILED, "no"))
    page.goto(url)
    row = page.get_by_role("row", name=re.compile("nightly-triage"))
    text = " ".join(row.inner_text().split())
    for part in ("schedule", "webhook", "api", "At 09:00, Monday through Friday", "failed"):
        assert part in text
    assert "degraded" in text
    times = {
        t.get_attribute("datetime"): t.get_attribute("title") for t in row.locator("time").all()
    }
    exactly = "Tue, 3 Nov 2026, 08:00:00 UTC (Tue 09:00 in Europe/Rome)"
    assert times["2026-11-03T08:00:00Z"] == exactly


def test_from_the_list_to_a_run_by_hand(rig: Rig, full: str, page: Any, url: str) -> None:
    page.goto(url)
    page.get_by_role("link", name="nightly-triage").click()
    page.wait_for_url("**/autopilots/*")
    assert page.get_by_role("heading", name=re.compile("nightly-triage")).is_visible()
    page.get_by_role("button", name="Run now").click()
    page.wait_for_url("**/runs/*")
    (run,) = rig.runs("nightly-triage")
    assert run.id in page.inner_text("main")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Asked to stop").first.wait_for()


def test_pausing_with_a_reason_and_resuming(full: str, page: Any, url: str) -> None:
    page.goto(f"{url}/autopilots/{full}")
    page.get_by_text("Pause", exact=True).first.click()
    page.get_by_label("Why?").fill("holidays")
    page.get_by_role("button", name="Pause").click()
    page.get_by_text("holidays").first.wait_for()
    assert page.get_by_role("button", name="Run now").count() == 0
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Run now").wait_for()


def test_triggers_are_told_with_zone_next_times_and_scheme(full: str, page: Any, url: str) -> None:
    page.goto(f"{url}/autopilots/{full}")
    text = page.inner_text("main")
    for part in ("Europe/Rome", "09:00 in Europe/Rome", "0 9 * * MON-FRI", "anybody who knows"):
        assert part in text
    page.get_by_text("Show", exact=True).click()
    assert "/v1/webhooks/whk_" in page.inner_text("main")


def test_what_others_wrote_is_text(rig: Rig, page: Any, url: str) -> None:
    rig.apply(agent(), autopilot("triage", title=EVIL[:200], description=EVIL))
    run = rig.launch(payload={"a": EVIL})
    rig.end(run, Failed(Reason.AGENT_FAILED, EVIL, EVIL))
    for path in ("/", f"/autopilots/{id_of('triage')}", f"/runs/{run.id}", "/runs"):
        page.goto(f"{url}{path}")
        assert page.title() != "taken"
        assert page.locator("main img").count() == 0
        assert "<script>" in page.inner_text("main")


def test_missed_occurrences_are_told(rig: Rig, page: Any, url: str) -> None:
    rig.apply(agent(), autopilot("triage", schedule("*/10 * * * *")))
    rig.tick(hours=5)
    page.goto(f"{url}/autopilots/{id_of('triage')}")
    section = page.get_by_role("region", name="Occurrences that did not run").first
    assert "missed" in section.inner_text()


def test_a_page_keeps_itself_current(rig: Rig, full: str, page: Any, url: str) -> None:
    page.goto(f"{url}/autopilots/{full}")
    assert "It has not run yet." in page.inner_text("main")
    rig.launch("nightly-triage")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.locator("table.runs").get_by_text("pending").wait_for()


def test_everything_works_without_a_script(rig: Rig, full: str, browser: Any, url: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(url)
    page.get_by_role("link", name="nightly-triage").click()
    page.get_by_role("button", name="Run now").click()
    page.wait_for_url("**/runs/*")
    assert len(rig.runs("nightly-triage")) == 1
    context.close()


def test_no_page_is_wider_than_its_window(rig: Rig, full: str, page: Any, url: str) -> None:
    rig.launch("nightly-triage")
    for path in ("/", "/runs", "/sources", f"/autopilots/{full}", "/docs"):
        page.goto(url + path)
        for width in (320, 390, 768, 1400):
            page.set_viewport_size({"width": width, "height": 700})
            assert sideways(page) == [], f"{path} at {width}"


def test_filters_fold_away_on_a_phone_and_stand_in_one_row_on_a_desk(
    rig: Rig, full: str, page: Any, url: str
) -> None:
    for path, first, field in (("/", "Search", "Trigger"), ("/runs", "Autopilot", "Status")):
        page.goto(f"{url}{path}")
        form, fold = page.get_by_role("search"), page.locator("summary", has_text="Filters")
        row = form.get_by_label(first).bounding_box()["y"]
        assert form.get_by_label(field).bounding_box()["y"] == row
        assert not fold.is_visible()
        page.set_viewport_size({"width": 390, "height": 844})
        assert not form.get_by_label(field).is_visible()
        fold.press("Enter")
        form.get_by_label(field).select_option(index=1)
        assert sideways(page) == []
        assert violations(page) == []
        fold.press("Enter")
        form.get_by_role("button", name="Show").press("Enter")
        page.get_by_text("Filters (1)").wait_for()
        page.set_viewport_size({"width": 1200, "height": 800})
        assert form.get_by_label(field).input_value() != ""
        assert violations(page) == []


def test_the_keyboard_reaches_everything(full: str, page: Any, url: str) -> None:
    page.goto(url)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == "nightly-triage":
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/autopilots/*")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_both_schemes(
    rig: Rig, full: str, browser: Any, url: str, scheme: str
) -> None:
    """WCAG AA: 4.5 to 1 for all text."""
    rig.end(rig.launch("nightly-triage"), Failed(Reason.AGENT_FAILED, "no"))
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    for path in ("/", f"/autopilots/{full}", "/runs", "/sources"):
        page.goto(url + path)
        assert page.evaluate(CONTRAST) == []
    context.close()


def test_landmarks_and_headings(full: str, page: Any, url: str) -> None:
    for path in ("/", f"/autopilots/{full}", "/runs", "/sources", "/docs"):
        page.goto(url + path)
        assert page.locator("main").count() == 1
        assert page.locator("h1").count() == 1
        assert page.get_by_role("banner").count() == 1
        assert page.locator("html").get_attribute("lang") == "en"
        for table in page.locator("table").all():
            assert table.locator("thead th:not([scope])").count() == 0


def test_signing_in_with_a_token(rig: Rig, browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text(f'[[token]]\nname = "ada"\nrole = "viewer"\nsha256 = "{token_hash(TOKEN)}"\n')
    context = browser.new_context()
    page = context.new_page()
    with Web(rig, authority=Tokens(path, rig.clock)).served() as url:
        page.goto(f"{url}/runs")
        page.get_by_label("Token").fill("rct_wrong")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("alert").wait_for()
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/runs")
        assert "ada" in page.inner_text("header")
        (cookie,) = context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/login")
    context.close()


def test_another_site_cannot_send_our_forms(rig: Rig, full: str, browser: Any, url: str) -> None:
    """A page of another origin posts to us, as a browser does it."""
    context = browser.new_context()
    page = context.new_page()
    page.set_content(f'<form method="post" action="{url}/autopilots/{full}/run"></form>')
    with page.expect_navigation():
        page.evaluate("document.forms[0].submit()")
    assert "origin-refused" in page.content()
    assert rig.runs("nightly-triage") == []
    context.close()


CONTRAST = """
() => {
  const channel = v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const painted = colours => {
    pen.clearRect(0, 0, 1, 1);
    for (const colour of colours) { pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); }
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const behind = element => {
    const found = [];
    for (let e = element; e; e = e.parentElement) {
      found.unshift(getComputedStyle(e).backgroundColor);
    }
    return found;
  };
  const wrong = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || !element.checkVisibility() || element.closest(".skip, .off")) continue;
    const back = behind(element), front = getComputedStyle(element).color;
    const [a, b] = [light(painted(back)), light(painted([...back, front]))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) wrong.push(`${element.textContent.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return wrong;
}
"""


def test_the_page_of_an_error_is_a_page(page: Any, url: str) -> None:
    answer = page.request.get(f"{url}/autopilots/00000000-0000-4000-8000-000000000000")
    assert answer.status == 404
    assert "<h1>Not Found</h1>" in answer.text()
    unknown = page.request.get(f"{url}/nothing", headers={"Accept": "text/html"})
    assert unknown.status == 404
    assert "<h1>" in unknown.text()
    assert json.loads(page.request.get(f"{url}/v1/nothing").text())["code"] == "not-found"

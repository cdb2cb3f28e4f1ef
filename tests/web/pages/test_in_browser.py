"""The bad day and the editor in a real browser: clicked, by keyboard, without a script, narrow."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from reconciler.control.apply.write_back import WriteChecks
from reconciler.control.apply.write_git import GitWriter
from reconciler.core.manifest.checks import OFFLINE
from reconciler.core.runs.run import Failed, Reason
from reconciler.manifest.git.mirror import Mirror
from reconciler.settings import Settings
from tests.support.bad_day import BY_ADA, TROUBLES, bad_day
from tests.support.browser import sideways, violations
from tests.support.following import following, reconcile
from tests.support.hub import Hub
from tests.support.rig import Rig, hash_of, id_of
from tests.support.web import Web
from tests.support.yaml_styles import AGENT
from tests.web.api.test_write_back import TEXT
from tests.web.api.test_write_git import reconcile as reconcile_git

pytestmark = pytest.mark.browser
PATIENCE = 60_000
"""Milliseconds after which what a script shows does not come any more."""
EDIT = f"/autopilots/{id_of('triage')}/edit"
HOSTILE = '"><img src=x onerror=alert(1)></textarea><script>document.title="taken"</script>'


NEW = """\
apiVersion: autopilots/v1
kind: Autopilot
metadata: {name: deploy}
spec:
  title: Ship it
  assignee: {type: agent, id: bot}
  limits: {perHour: 3}
  budget: {perRun: 0.5}
  notify:
    - "on": [failed]
      to: log
  triggers:
    - name: schedule
      kind: schedule
      cron: "0 9 * * MON-FRI"
    - name: api
      kind: api
"""


@pytest.fixture
def editing(rig: Rig, folder: Path) -> Iterator[str]:
    """A server that writes into the folder that it follows; its URL."""
    with following(rig, folder).served() as url:
        yield url


def test_a_bad_day_is_told_on_the_first_screen(
    rig: Rig, page: Any, url: str, record_property: Any
) -> None:
    """Two hundred autopilots, ten in trouble: what, since when, whose change, and one click on."""
    bad_day(rig)
    page.set_viewport_size({"width": 1440, "height": 900})
    assert page.goto(url).ok
    timing = page.evaluate("performance.getEntriesByType('navigation')[0].toJSON()")
    record_property("first byte, ms", round(timing["responseStart"]))
    record_property("whole page, ms", round(timing["duration"]))
    assert page.title() == "(10) Autopilots · reconciler"
    troubled = page.locator("tbody.troubled")
    assert troubled.count() == len(TROUBLES)
    for row in troubled.all():
        box = row.bounding_box()
        assert box["y"] + box["height"] <= 900 + 60, "below the first screen"
        name = row.locator("th a").inner_text()
        assert TROUBLES[name] in row.inner_text()
    broken = troubled.first.inner_text()
    assert "The breaker opened after 3 failures in a row: no such model: opus-9" in broken
    assert f"First under {BY_ADA.id[:10]} by {BY_ADA.author}" in broken
    page.get_by_role("link", name=re.compile("43 minutes ago")).first.click()
    page.wait_for_url("**/runs/*")
    assert "no such model: opus-9" in page.inner_text("main")


def test_counts_and_filters_are_clicked(rig: Rig, page: Any, url: str) -> None:
    bad_day(rig, healthy=60)
    page.goto(url)
    with page.expect_navigation():
        page.get_by_role("link", name="8 degraded").click()
    assert page.locator("tbody").count() == 8
    with page.expect_navigation():
        page.get_by_role("link", name="71 all").click()
    with page.expect_navigation():
        page.get_by_role("link", name="Next", exact=True).click()
    assert "51–71 of 71" in page.inner_text("nav.pages")
    page.get_by_label("Search").fill("certificates")
    with page.expect_navigation():
        page.get_by_role("button", name="Show", exact=True).click()
    assert page.locator("tbody th").all_inner_texts() == ["never-fired"]


def test_an_edit_shows_its_plan_while_one_types_and_is_one_line_of_the_file(
    folder: Path, page: Any, editing: str
) -> None:
    page.goto(f"{editing}{EDIT}")
    page.get_by_label("Title", exact=True).fill("Triage, nightly")
    page.get_by_text("Update default/triage").wait_for()
    page.get_by_label("When", exact=True).fill("30 7 * * MON-FRI")
    page.get_by_text("At 07:30, Monday through Friday").wait_for()
    page.get_by_label("When", exact=True).fill("0 9 * * *")
    page.locator("del", has_text="Triage").wait_for()
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved in all.yaml, and in force.").wait_for()
    expected = TEXT.replace('"Triage"   #', '"Triage, nightly"   #')
    assert (folder / "all.yaml").read_text() == expected


def test_an_edit_is_a_commit_also_when_somebody_pushed_meanwhile(
    rig: Rig, page: Any, tmp_path: Path
) -> None:
    hub = Hub.make(tmp_path)
    hub.clone.write("autopilots/agents.yaml", AGENT)
    hub.clone.write("autopilots/all.yaml", TEXT)
    hub.push("First")
    mirror = Mirror.below(tmp_path / "mirrors", str(hub.bare))
    reconcile_git(rig, mirror)
    checks = WriteChecks(
        database=rig.database, source_id="default", policy=OFFLINE, token_hash=hash_of
    )
    writer = GitWriter(
        mirror=mirror, branch="main", path="autopilots", checks=checks, now=rig.clock.now
    )
    more: dict[str, Any] = {"writer": lambda _source: writer}
    with Web(rig, settings=Settings(write_policy="commit"), more=more).served() as url:
        page.goto(f"{url}{EDIT}")
        page.get_by_label("Title", exact=True).fill("Mine")
        hub.clone.write("autopilots/all.yaml", TEXT.replace('"0 9 * * *"', '"0 8 * * *"'))
        theirs = hub.push("Earlier")
        reconcile_git(rig, mirror)
        page.get_by_role("button", name="Commit").click()
        page.get_by_role("heading", name="Somebody changed it while you edited").wait_for()
        assert page.get_by_label("When", exact=True).input_value() == "0 8 * * *"
        page.get_by_role("button", name="Commit").click()
        page.get_by_text("Saved as commit").wait_for()
    head = hub.git("rev-parse", "main")
    assert hub.git("rev-parse", "main^") == theirs
    assert hub.git("diff", "--numstat", theirs, head) == "1\t1\tautopilots/all.yaml"
    assert '+  title: "Mine"   # what people see' in hub.git("show", head)


def test_a_new_autopilot_by_keyboard_alone(folder: Path, page: Any, editing: str) -> None:
    """With two triggers, a budget and somebody who is told: no field needs a mouse."""
    page.goto(editing)
    page.get_by_role("link", name="New autopilot").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/autopilots/new")
    page.get_by_label("Name", exact=True).focus()
    page.keyboard.type("deploy")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type("Ship it")
    page.get_by_text("Create default/deploy").wait_for()

    def press(target: Any) -> None:
        target.focus()
        page.keyboard.press("Enter")

    for kind in ("schedule", "API"):
        with page.expect_navigation():
            press(page.get_by_role("button", name=kind, exact=True))
    press(page.locator("#limits > summary"))
    page.keyboard.press("Tab")
    page.keyboard.type("3")
    for _ in range(2):
        page.keyboard.press("Tab")
    page.keyboard.type("a lot")
    wrong = page.locator("[data-wrong='spec.budget.perRun']")
    wrong.get_by_text("expected US dollars as a number such as 5 or 2.50").wait_for()
    page.keyboard.press("Control+a")
    page.keyboard.type("0.50")
    page.get_by_text("At most $36.00 a day.").wait_for()
    expect(wrong).to_have_text("", timeout=PATIENCE)
    press(page.locator("#notify > summary"))
    with page.expect_navigation():
        press(page.get_by_role("button", name="Add a channel"))
    page.get_by_role("group", name="Channel 1").get_by_label("it works again").focus()
    page.keyboard.press("Space")
    press(page.get_by_role("button", name="Save"))
    page.get_by_text("Saved in default/deploy.yaml").wait_for()
    assert (folder / "default" / "deploy.yaml").read_text() == NEW


def test_the_editor_works_without_a_script(folder: Path, browser: Any, editing: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{editing}{EDIT}")
    page.get_by_label("Title", exact=True).fill("By hand")
    with page.expect_navigation():
        page.get_by_role("button", name="schedule", exact=True).click()
    page.get_by_role("group", name="Trigger 2: schedule").get_by_label("When", exact=True).fill(
        "@weekly"
    )
    page.locator("#failures > summary").click()
    page.get_by_label("Longest time of a run").fill("2h")
    with page.expect_navigation():
        page.get_by_role("button", name="Preview").last.click()
    assert "spec.timeout 1h30m 2h" in page.inner_text("#preview")
    assert "Every Sunday" in page.inner_text("#preview") or "weekly" in page.inner_text("#preview")
    with page.expect_navigation():
        page.get_by_role("button", name="YAML").click()
    assert "title: By hand" in page.get_by_label("The manifest").input_value()
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**?saved=yes")
    assert '"By hand"' in (folder / "all.yaml").read_text()
    assert "timeout: 2h" in (folder / "all.yaml").read_text()
    context.close()


def test_hostile_text_in_the_editor_is_text(page: Any, editing: str) -> None:
    page.goto(f"{editing}{EDIT}")
    page.get_by_label("What the agent is asked to do").fill(HOSTILE)
    page.locator("#around > summary").click()
    page.get_by_label("What a good result is").fill(HOSTILE)
    page.locator("[data-wrong='spec.expect'] .wrong").wait_for()
    page.get_by_label("What a good result is").fill("")
    page.get_by_text("Update default/triage").wait_for()
    with page.expect_navigation():
        page.get_by_role("button", name="YAML").click()
    assert HOSTILE in page.get_by_label("The manifest").input_value().replace("''", "'")
    assert page.title() != "taken"
    assert page.locator("main img").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_shuts_anybody_out(
    rig: Rig, folder: Path, browser: Any, editing: str, scheme: str
) -> None:
    """axe-core: nothing of serious or critical impact; no wider than a phone."""
    run = rig.launch()
    rig.end(run, Failed(Reason.AGENT_FAILED, "no"))
    rig.launch("other")
    context = browser.new_context(color_scheme=scheme, viewport={"width": 390, "height": 844})
    page = context.new_page()
    triage = f"/autopilots/{id_of('triage')}"
    mine = ("/", triage, f"{triage}/edit", "/autopilots/new")
    others = (
        "/runs",
        f"/runs/{run.id}",
        "/sources",
        "/timeline",
        "/deliveries",
        "/agents",
        "/usage",
    )
    told = {}
    for path in (*mine, *others):
        page.goto(f"{editing}{path}")
        told[path] = violations(page)
        assert sideways(page) == [], path
        if path in mine:
            page.set_viewport_size({"width": 1280, "height": 900})
            told[f"{path}, wide"] = violations(page)
            page.set_viewport_size({"width": 390, "height": 844})
    context.close()
    assert {path: rules for path, rules in told.items() if rules} == {}


def test_no_state_of_the_editor_shuts_anybody_out(
    rig: Rig, folder: Path, page: Any, editing: str
) -> None:
    """With every trigger, with what is wrong, as YAML, and while two changes are merged."""
    page.goto(f"{editing}{EDIT}")
    told = {}
    for kind in ("webhook", "API"):
        with page.expect_navigation():
            page.get_by_role("button", name=kind, exact=True).click()
    page.locator("#notify > summary").click()
    with page.expect_navigation():
        page.get_by_role("button", name="Add a channel").click()
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    told["all of it"] = violations(page)
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_label("Time zone").fill("Berlin")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("alert").first.wait_for()
    told["wrong"] = violations(page)
    page.get_by_label("Time zone").fill("Europe/Berlin")
    edited = (folder / "all.yaml").read_text().replace('"0 9 * * *"', '"0 8 * * *"')
    (folder / "all.yaml").write_text(edited.replace('"Triage"', '"Theirs"'))
    reconcile(rig, folder)
    page.get_by_label("Title", exact=True).fill("Mine")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("heading", name="Somebody changed it while you edited").wait_for()
    told["merge"] = violations(page)
    with page.expect_navigation():
        page.get_by_role("button", name="Take theirs").click()
    with page.expect_navigation():
        page.get_by_role("button", name="YAML").click()
    assert "title: Theirs" in page.get_by_label("The manifest").input_value()
    told["YAML"] = violations(page)
    assert {state: rules for state, rules in told.items() if rules} == {}

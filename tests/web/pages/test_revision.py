"""A revision with its plan: on its page and in the API, whole, in part, and not recorded."""

import re

from sqlalchemy import delete

from reconciler.core.access.roles import Caller, Role
from reconciler.core.base.identity import Revision
from reconciler.core.runs.run import Completed, Failed, Reason
from reconciler.store.revisions.revisions import find_attempt
from reconciler.store.tables import revision_plan
from reconciler.web.models.revision import read_revision
from tests.support.rig import Rig, agent, autopilot, schedule
from tests.web.conftest import Ask

PROMPT = "\n".join(f"Line {n} of what the agent is asked to do." for n in range(60))
EVIL = "<script>document.title='taken'</script>"


def _lines(page: str) -> list[str]:
    return re.findall(r'<span class="(?:added|removed|place|changed)">(.*?)</span>', page)


def test_a_revision_shows_what_it_changed_field_by_field(rig: Rig, ask: Ask) -> None:
    url = {"type": "http", "url": "https://old:mellon@example.org", "headers": {"X-Key": "mellon"}}
    before = autopilot("triage", schedule("0 9 * * *"), description=PROMPT)
    rig.apply(agent(runtime=url), before)
    changed = PROMPT.replace("Line 30", "Row 30").replace("Line 3 ", f"{EVIL} ")
    after = autopilot("triage", schedule("*/5 * * * *"), description=changed)
    moved = url | {"url": "https://new:mellon@example.org", "headers": {"X-Key": "mellon, new"}}
    commit = Revision("c0ffee", "Ada Lovelace", "Ask for more", rig.clock.now())
    rig.apply(agent(runtime=moved), after, revision=commit)

    page = ask("GET", "/revision?id=2").text
    lines = _lines(page)
    assert "  + Row 30 of what the agent is asked to do." in lines
    assert "  - Line 30 of what the agent is asked to do." in lines
    assert not any("Line 45" in line for line in lines)
    assert any("every 5 minutes" in line.lower() for line in lines)
    assert any("https://***@example.org" in line for line in lines)
    assert (EVIL in page, "mellon" in page) == (False, False)
    assert f'<a href="/autopilots/{rig.live().id}">default/triage</a>' in page
    assert "/revision?id=2" in ask("GET", "/sources").text

    told = ask("GET", "/v1/revisions/2").json()
    assert (told["author"], told["counts"]["update"], told["moreChanges"]) == ("Ada Lovelace", 2, 0)
    assert [(change["kind"], change["name"]) for change in told["changes"]] == [
        ("Agent", "bot"),
        ("Autopilot", "triage"),
    ]
    fields = {field["path"]: field for field in told["changes"][1]["fields"]}
    assert fields["spec.triggers[clock].cron"] == {
        "path": "spec.triggers[clock].cron",
        "before": "0 9 * * *",
        "after": "*/5 * * * *",
    }
    assert told["changes"][1]["consequences"]["runsPerDay"] == {"before": 1, "after": 288}
    for wrong in ("999", "0", "x", "1" * 30):
        assert ask("GET", f"/v1/revisions/{wrong}").status_code == 404


def test_from_an_autopilot_that_fails_and_its_run_a_click_leads_to_the_change(
    rig: Rig, ask: Ask
) -> None:
    rig.apply(agent(), autopilot(), revision=Revision("a" * 40, author="Bob"))
    rig.end(rig.launch(), Completed("yes"))
    bad = Revision("b" * 40, author="Ada", subject="Use the new model")
    rig.apply(agent(), autopilot("triage", title="Other"), revision=bad)
    rig.end(run := rig.launch(), Failed(Reason.AGENT_FAILED, "no such model"))
    link = f'<a href="/revision?of={bad.id}">'
    for path in ("/", f"/autopilots/{rig.live().id}", f"/runs/{run.id}"):
        assert link in ask("GET", path).text, path
    assert "<strong>Failing</strong> since" in ask("GET", f"/runs/{run.id}").text
    page = ask("GET", f"/revision?of={bad.id}").text
    assert "Use the new model" in page
    assert any("Other" in line for line in _lines(page))
    for wrong in ("of=nobody", "id=99", ""):
        assert ask("GET", f"/revision?{wrong}").status_code == 404
    limited = frozenset({"elsewhere"})
    assert rig.database.read(lambda tx: find_attempt(tx, bad.id, limited)) is None


def test_what_drifted_is_told_field_by_field_with_a_link(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot())
    by_hand = "UPDATE autopilot SET title = 'By hand'"
    rig.database.write(lambda tx: tx.exec_driver_sql(by_hand))
    page = ask("GET", "/sources").text
    assert "One object is no longer what was applied" in page
    assert "The next time that the source is read puts it back." in page
    assert f'<a href="/autopilots/{rig.live().id}">default/triage</a>' in page
    assert "- spec.title: &#34;Triage&#34;" in page
    assert "+ spec.title: &#34;By hand&#34;" in page


def test_a_revision_from_before_plans_were_recorded_says_so(rig: Rig, ask: Ask) -> None:
    rig.apply(agent())
    rig.database.write(lambda tx: tx.execute(delete(revision_plan)))
    assert "Its plan was not recorded" in ask("GET", "/revision?id=1").text
    told = ask("GET", "/v1/revisions/1").json()
    assert (told["planRecorded"], told["changes"]) == (False, [])


def test_who_is_limited_to_a_workspace_sees_the_changes_of_that_one(rig: Rig) -> None:
    blue = agent("blue-bot")
    blue["metadata"]["workspace"] = "blue"
    rig.apply(agent(), blue)
    limited = Caller("ada", Role.VIEWER, frozenset({"blue"}))
    seen = rig.database.read(lambda tx: read_revision(tx, 1, limited))
    assert (seen.partial, [change.name for change in seen.changes]) == (True, ["blue-bot"])

"""A revision with its plan: on its page and in the API, whole, in part, and not recorded."""

import re

from sqlalchemy import delete

from reconciler.core.access.roles import Caller, Role
from reconciler.core.base.identity import Revision
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

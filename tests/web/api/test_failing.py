"""`status.failingSince`, and what the page of a failing autopilot says."""

from reconciler.core.base.identity import Revision
from reconciler.core.manifest.fields import format_instant
from reconciler.core.runs.run import Completed, Failed, Reason
from tests.support.rig import Rig, agent, autopilot, id_of
from tests.web.conftest import Ask

GOOD, BAD = "a" * 40, "b" * 40


def test_a_failing_streak_names_its_first_revision(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot(), revision=Revision(GOOD, "Ada <ada@example.org>"))
    rig.end(rig.launch(), Completed("ok"))
    address = f"/v1/autopilots/{id_of('triage')}"
    assert ask("GET", address).json()["status"]["failingSince"] is None
    rig.clock.advance(minutes=1)
    rig.apply(
        agent(), autopilot(title="Broken"), revision=Revision(BAD, "Bob <bob@example.org>", "Hm")
    )
    run = rig.launch()
    rig.end(run, Failed(Reason.AGENT_FAILED, "it cannot"))
    expected = {
        "revision": BAD,
        "commit": BAD,
        "author": "Bob <bob@example.org>",
        "runId": run.id,
        "at": format_instant(run.triggered_at),
        "failures": 1,
        "revert": f"git revert {BAD}",
    }
    assert ask("GET", address).json()["status"]["failingSince"] == expected
    listed = ask("GET", "/v1/autopilots").json()["items"]
    assert [item["status"]["failingSince"] for item in listed] == [expected]
    page = ask("GET", f"/autopilots/{id_of('triage')}").text
    assert f"git revert {BAD}" in page
    assert f'href="/runs/{run.id}"' in page
    assert "Bob &lt;bob@example.org&gt;" in page

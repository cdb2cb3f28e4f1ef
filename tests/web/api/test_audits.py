"""`GET /v1/audit`: the same as the command, within what the caller may see."""

import pytest
from sqlalchemy import text

from tests.support.rig import Rig, agent, autopilot, schedule
from tests.web.conftest import Ask

DAY = {"from": "2026-11-02T00:00:00Z", "to": "2026-11-03T00:00:00Z"}


def test_every_occurrence_is_told_with_what_became_of_it(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot("triage", schedule("*/10 * * * *")))
    rig.tick(minutes=10)
    rig.tick(minutes=10)
    rig.clock.advance(minutes=2)
    audit = ask("GET", "/v1/audit", params=DAY).json()
    assert audit["complete"] is True
    assert audit["summary"]["occurrences"] == {"pending": 1, "skipped": 1}
    assert [item["runId"] for item in audit["items"]] == [run.id for run in rig.runs()]
    first = rig.runs()[0].id
    delete = text("DELETE FROM autopilot_run WHERE id = :id")
    rig.database.write(lambda tx: tx.execute(delete, {"id": first}))
    audit = ask("GET", "/v1/audit", params=DAY).json()
    assert audit["complete"] is False
    assert [missing["trigger"] for missing in audit["missing"]] == ["clock"]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        pytest.param({}, "parameter-invalid", id="no time"),
        pytest.param({"from": DAY["to"], "to": DAY["from"]}, "stretch-invalid", id="backwards"),
        pytest.param(
            {"from": "2027-01-01T00:00:00Z", "to": "2027-01-02T00:00:00Z"},
            "stretch-invalid",
            id="ahead",
        ),
    ],
)
def test_a_stretch_that_is_none_is_refused(ask: Ask, params: dict[str, str], code: str) -> None:
    answer = ask("GET", "/v1/audit", params=params)
    assert (answer.status_code, answer.json()["code"]) == (400, code)

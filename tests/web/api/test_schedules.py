"""Time over HTTP: what comes, what happened, why; and any cron expression, tried out."""

import pytest

from tests.support.rig import Rig, agent, autopilot, id_of, schedule
from tests.web.conftest import Ask


@pytest.fixture
def path(rig: Rig) -> str:
    """The address of an autopilot with two schedules and a call."""
    rome = schedule("30 2 * * *", "rome", timezone="Europe/Rome")
    off = schedule("@daily", "off", enabled=False)
    rig.apply(
        agent(),
        autopilot("triage", schedule("0 9 * * *"), rome, off, {"name": "call", "kind": "api"}),
    )
    return f"/v1/autopilots/{id_of('triage')}"


def test_next_merges_the_schedules_that_are_on(path: str, ask: Ask) -> None:
    found = ask("GET", f"{path}/next", params={"count": 2}).json()
    assert [(one["trigger"], one["utc"]) for one in found["items"]] == [
        ("clock", "2026-11-02T09:00:00Z"),
        ("rome", "2026-11-03T01:30:00Z"),
        ("clock", "2026-11-03T09:00:00Z"),
        ("rome", "2026-11-04T01:30:00Z"),
    ]
    assert found["items"][1]["local"] == "2026-11-03T02:30:00+01:00"


def test_next_says_what_a_clock_change_does(path: str, ask: Ask) -> None:
    params = {"after": "2027-03-27T12:00:00Z", "count": 1}
    found = ask("GET", f"{path}/next", params=params).json()["items"]
    (rome,) = [one for one in found if one["trigger"] == "rome"]
    assert rome["utc"] == "2027-03-28T01:00:00Z"
    assert "moved" in rome["note"]


def test_preview(ask: Ask) -> None:
    params = {"cron": "0 9 * * MON-FRI", "timezone": "Europe/Rome", "count": 2}
    found = ask("GET", "/v1/preview", params=params).json()
    assert [one["utc"] for one in found["items"]] == [
        "2026-11-03T08:00:00Z",
        "2026-11-04T08:00:00Z",
    ]
    assert found["nextCursor"] is None


@pytest.mark.parametrize(
    ("params", "code"),
    [
        pytest.param({}, "parameter-invalid", id="none"),
        pytest.param({"cron": "61 * * * *"}, "cron-invalid", id="no minute"),
        pytest.param({"cron": "0 0 31 2 *"}, "cron-never-fires", id="never"),
        pytest.param({"cron": "x" * 301}, "parameter-invalid", id="endless"),
        pytest.param({"cron": "@daily", "timezone": "Berlin"}, "timezone-unknown", id="no zone"),
        pytest.param({"cron": "@daily", "count": "201"}, "parameter-invalid", id="too many"),
        pytest.param({"cron": "@daily", "after": "9999-12-31T23:59:59Z"}, None, id="no more"),
    ],
)
def test_previews_that_do_not_do(ask: Ask, params: dict[str, str], code: str | None) -> None:
    answer = ask("GET", "/v1/preview", params=params)
    if code is None:
        assert answer.json()["items"] == []
    else:
        assert (answer.status_code, answer.json()["code"]) == (400, code), answer.text


def test_why_names_the_run(rig: Rig, path: str, ask: Ask) -> None:
    rig.tick(hours=1)
    (run,) = rig.runs()
    found = ask("GET", f"{path}/why", params={"at": "2026-11-02T09:00:00Z"}).json()
    assert found["at"] == "2026-11-02T09:00:00Z"
    assert found["steps"][0]["verdict"] == "in force"
    assert run.id in [step["run"] for step in found["steps"]]


def test_why_now_by_default(path: str, ask: Ask) -> None:
    assert ask("GET", f"{path}/why").json()["at"] == "2026-11-02T08:00:00Z"


def test_the_timeline_has_runs_and_what_was_missed(rig: Rig, path: str, ask: Ask) -> None:
    rig.tick(hours=1)
    rig.tick(days=2, hours=2)
    params = {"from": "2026-11-02T00:00:00Z"}
    found = ask("GET", f"{path}/timeline", params=params).json()
    assert len(found["runs"]) == 1
    assert {one["reason"] for one in found["missed"]} == {"missed"}
    assert (found["from"], found["to"]) == ("2026-11-02T00:00:00Z", "2026-11-04T11:00:00Z")
    assert found["complete"] is True


@pytest.mark.parametrize(
    "params",
    [
        {"from": "2026-11-03T00:00:00Z", "to": "2026-11-02T00:00:00Z"},
        {"from": "2020-01-01T00:00:00Z"},
        {"from": "yesterday"},
        {"to": "0001-01-01T00:00:00Z", "from": "2026-11-03T00:00:00Z"},
    ],
)
def test_timelines_that_do_not_do(path: str, ask: Ask, params: dict[str, str]) -> None:
    assert ask("GET", f"{path}/timeline", params=params).status_code == 400


def test_the_beginning_of_time(path: str, ask: Ask) -> None:
    found = ask("GET", f"{path}/timeline", params={"to": "0001-01-01T00:00:00Z"})
    assert found.status_code == 200
    assert found.json()["runs"] == []


def test_what_takes_no_work_announces_no_next_run(path: str, ask: Ask) -> None:
    assert ask("GET", path).json()["status"]["nextRunAt"] is not None
    assert ask("POST", f"{path}/pause", json={"reason": "release day"}).status_code == 200
    status = ask("GET", path).json()["status"]
    assert status["nextRunAt"] is None
    assert {trigger["nextRunAt"] for trigger in status["triggers"]} == {None}
    assert "release day" in status["notInForceReason"]
    coming = ask("GET", f"{path}/next").json()
    assert (coming["items"], "release day" in coming["notInForceReason"]) == ([], True)
    assert ask("GET", f"{path}/next", params={"after": "2026-11-02T08:00:00Z"}).json()["items"]
    page = ask("GET", path.replace("/v1", ""), headers={"accept": "text/html"})
    assert "none: paused at" in page.text
    assert "none: paused at" in ask("GET", "/", headers={"accept": "text/html"}).text
    ask("POST", f"{path}/resume")
    assert ask("GET", path).json()["status"]["nextRunAt"] is not None

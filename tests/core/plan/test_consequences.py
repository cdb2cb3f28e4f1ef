"""The plan says what follows: fire times before and after, and what is newly reached."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import assume, given

from reconciler.core.manifest.state import Desired
from reconciler.core.plan.changes import Archive, Blocked, Create, Restore
from reconciler.core.plan.consequences import Consequences
from reconciler.core.plan.forecast import Forecast, Forecaster
from reconciler.core.plan.plan import make_plan
from reconciler.core.plan.report import report_of
from tests.support.strategies import desired_sets
from tests.support.worlds import (
    agent,
    apply_to,
    archived,
    autopilot,
    current,
    declared,
    desired,
    row,
    schedule,
    squad,
)

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
SECRET = {"env": "AUTOPILOT_SECRET_DEFAULT__A"}
NAMES = {"secrets", "hosts", "programs", "permission_modes", "env", "folders"}


def follows(rows: Any, wanted: Any) -> dict[str, Consequences]:
    plan = make_plan(current(*rows), desired(*wanted), at=NOW)
    return {change.key.name: plan.consequences[change.id] for change in plan.changes}


def fires(consequences: Consequences, when: str) -> list[str]:
    forecast = getattr(consequences, when)
    return [fire.at.isoformat() for fire in forecast.fires]


def reached(consequences: Consequences) -> dict[str, list[str]]:
    new = consequences.newly_reached
    return {name: sorted(getattr(new, name)) for name in NAMES if getattr(new, name)}


def aegis(name: str = "bot", **runtime: Any) -> Any:
    runtime = {"type": "aegis", "workDir": "/srv/a", **runtime}
    return declared("Agent", name, {"runtime": runtime})


def test_an_edit_of_a_schedule_shows_both_times() -> None:
    before = autopilot("x", triggers=[schedule("a", "0 9 * * *")])
    after = autopilot("x", triggers=[schedule("a", "0 10 * * *")])
    shown = follows([row(agent()), row(before)], [agent(), after])["x"]
    assert fires(shown, "before")[0] == "2026-11-29T09:00:00+00:00"
    assert fires(shown, "after")[0] == "2026-11-29T10:00:00+00:00"


def test_what_is_archived_fires_no_more_and_what_comes_back_fires_again() -> None:
    x = autopilot("x", triggers=[schedule("a")])
    gone = follows([row(agent()), row(x)], [agent()])["x"]
    assert (len(fires(gone, "before")), fires(gone, "after")) == (3, [])
    back = follows([row(agent()), archived(x)], [agent(), x])["x"]
    assert (fires(back, "before"), len(fires(back, "after"))) == ([], 3)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(
            aegis(), aegis(permissionMode="acceptEdits"), {"permission_modes": ["acceptEdits"]},
            id="a permission mode",
        ),
        pytest.param(
            aegis(env={"A": SECRET}),
            aegis(env={"A": SECRET, "B": "x", "C": {"file": "token"}}),
            {"secrets": ["file token"], "env": ["B", "C"]},
            id="variables and their secrets",
        ),
        pytest.param(
            aegis(), aegis(url="https://u:pw@agents.example:8443/secret-path"),
            {"hosts": ["https://agents.example:8443"]},
            id="a host, without user and path",
        ),
        pytest.param(aegis(), aegis(workDir="/srv/b"), {"folders": ["/srv/b"]}, id="a folder"),
        pytest.param(
            agent(),
            declared("Agent", "bot", {"runtime": {"type": "command", "program": "report"}}),
            {"programs": ["report"]},
            id="a program",
        ),
        pytest.param(aegis(permissionMode="plan"), aegis(), {}, id="less is nothing new"),
    ],
)  # fmt: skip
def test_what_an_agent_newly_reaches(before: Any, after: Any, expected: Any) -> None:
    assert reached(follows([row(before)], [after])["bot"]) == expected


def test_the_program_of_a_precheck_is_newly_reached() -> None:
    precheck = {"program": "new-issues", "args": ["--all"]}
    autopilot = {"title": "T", "assignee": {"type": "agent", "id": "bot"}, "precheck": precheck}
    shown = reached(follows([], [declared("Autopilot", "triage", autopilot)])["triage"])
    assert shown == {"programs": ["new-issues"]}


def test_a_map_of_texts_is_never_taken_for_a_reference() -> None:
    runtime = {"type": "command", "program": "run", "env": {"env": "hunter2", "file": "hunter3"}}
    shown = reached(follows([], [declared("Agent", "bot", {"runtime": runtime})])["bot"])
    assert shown == {"programs": ["run"], "env": ["env", "file"]}
    headers = {"url": "hunter2", "program": "hunter3"}
    http = {"type": "http", "url": "https://h.example", "headers": headers}
    shown = reached(follows([], [declared("Agent", "bot", {"runtime": http})])["bot"])
    assert shown == {"hosts": ["https://h.example"]}


def test_another_assignee_brings_what_that_agent_reaches() -> None:
    tame, wild = agent("tame"), aegis("wild", permissionMode="acceptEdits", env={"T": SECRET})
    rows = [row(tame), row(wild), row(autopilot("x", assignee=("agent", "tame")))]
    shown = follows(rows, [tame, wild, autopilot("x", assignee=("agent", "wild"))])
    assert reached(shown["x"]) == {
        "permission_modes": ["acceptEdits"],
        "secrets": ["env AUTOPILOT_SECRET_DEFAULT__A"],
        "env": ["T"],
        "hosts": ["http://127.0.0.1:9100"],
        "folders": ["/srv/a"],
    }


def test_a_new_member_of_a_squad_brings_what_it_reaches() -> None:
    tame, wild = agent("tame"), aegis("wild", permissionMode="acceptEdits")
    rows = [row(tame), row(wild), row(squad("s", "tame"))]
    shown = follows(rows, [tame, wild, squad("s", "tame", "wild")])
    assert reached(shown["s"])["permission_modes"] == ["acceptEdits"]


def test_a_name_that_passes_to_another_object_is_told_apart() -> None:
    old = autopilot("x", triggers=[schedule("a")])
    new = autopilot("x", former=["y"], triggers=[schedule("a", "0 10 * * *")])
    rows = current(row(agent()), row(old), row(autopilot("y")))
    plan = make_plan(rows, desired(agent(), new), at=NOW)
    after = {type(c).__name__: plan.consequences[c.id].after for c in plan.changes}
    assert after == {"Move": Forecaster(NOW)(new.document), "Archive": Forecast()}


def test_an_agent_of_another_source_is_reached_too() -> None:
    theirs = row(aegis("theirs"), source="other")
    shown = follows([theirs], [autopilot("x", assignee=("agent", "theirs"))])
    assert reached(shown["x"])["folders"] == ["/srv/a"]


def test_a_new_secret_of_a_webhook_is_newly_reached() -> None:
    hook = {"name": "h", "kind": "webhook"}
    before = {**hook, "signature": {"scheme": "github", "secrets": [SECRET]}}
    after = {**hook, "signature": {"scheme": "github", "secrets": [SECRET, {"file": "old"}]}}
    rows = [row(agent()), row(autopilot("x", triggers=[before]))]
    shown = follows(rows, [agent(), autopilot("x", triggers=[after])])
    assert reached(shown["x"]) == {"secrets": ["file old"]}


def test_time_is_no_part_of_the_digest_nor_of_equality() -> None:
    rows, wanted = current(), desired(agent(), autopilot("x", triggers=[schedule("a")]))
    early, late = (make_plan(rows, wanted, at=at) for at in (NOW, NOW.replace(year=NOW.year + 1)))
    assert early == late == make_plan(rows, wanted)
    assert early.digest == late.digest == make_plan(rows, wanted).digest
    assert report_of(early) != report_of(late)


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({}, id="no fields"),
        pytest.param({"status": "active", "triggers": [{}], "limits": {}}, id="an empty trigger"),
        pytest.param({"status": "active", "triggers": "none", "limits": {}}, id="a text"),
        pytest.param(
            {"status": "active", "triggers": [], "limits": [], "assignee": {}},
            id="an empty assignee",
        ),
    ],
)
def test_of_a_row_that_was_edited_by_hand_nothing_is_known(spec: Any) -> None:
    x = autopilot("x", triggers=[schedule("a")])
    edited = replace(row(x), document={**x.document, "spec": spec}, digest="0" * 64)
    plan = make_plan(current(row(agent()), edited), desired(agent(), x), at=NOW)
    shown = plan.consequences[x.id]
    assert shown.before == Forecast()
    assert len(fires(shown, "after")) == 3


def test_without_a_moment_nothing_is_said() -> None:
    plan = make_plan(current(), desired(agent()))
    assert plan.consequences == {}
    assert report_of(plan).changes[0].consequences is None


@given(desired_sets(), desired_sets())
def test_every_change_says_what_the_scheduler_does_before_and_after(
    first: Desired, second: Desired
) -> None:
    before = make_plan(current(), first)
    assume(not before.blocked)  # no database holds two objects of one id
    plan = make_plan(apply_to(current(), before), second, at=NOW)
    forecast = Forecaster(NOW)
    for change in plan.changes:
        if isinstance(change, Blocked):
            continue
        shown = plan.consequences[change.id]
        if change.key.kind != "Autopilot":
            assert (shown.before, shown.after) == (None, None)
            continue
        match change:
            case Create(after) | Restore(_, after):
                expected = (Forecast(), forecast(after.document))
            case Archive(row_before):
                expected = (forecast(row_before.document), Forecast())
            case _:
                expected = (forecast(change.before.document), forecast(change.after.document))
        assert (shown.before, shown.after) == expected


EVERY_HOUR = [schedule("a", "0 * * * *")]
DOLLAR = 1_000_000


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        pytest.param([agent(), autopilot("x", triggers=EVERY_HOUR)], None, id="no budget"),
        pytest.param(
            [agent(), autopilot("x", triggers=EVERY_HOUR, budget={"perRun": 0.5})],
            12 * DOLLAR,
            id="perRun times the runs",
        ),
        pytest.param(
            [agent(), autopilot("x", triggers=EVERY_HOUR, budget={"perRun": 0.5, "perDay": 5})],
            5 * DOLLAR,
            id="perDay is less",
        ),
        pytest.param(
            [agent(), autopilot("x", triggers=EVERY_HOUR, budget={"perMonth": 3, "perDay": 5})],
            3 * DOLLAR,
            id="the month is less than a day",
        ),
        pytest.param(
            [agent(budget={"perDay": 2}), autopilot("x", triggers=EVERY_HOUR)],
            2 * DOLLAR,
            id="the agent's",
        ),
        pytest.param(
            [agent(), autopilot("x", triggers=[], budget={"perDay": 5})], 0, id="nothing fires"
        ),
    ],
)
def test_the_most_dollars_a_day(objects: list[Any], expected: int | None) -> None:
    after = follows([], objects)["x"].after
    assert after is not None
    assert after.micros_per_day == expected

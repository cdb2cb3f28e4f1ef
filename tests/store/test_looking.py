"""What people and machines look at, on both databases: autopilots, agents, changes, gauges."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.control.runs import switches
from reconciler.core.manifest.model import AutopilotStatus, Kind
from reconciler.core.runs.condition import Health
from reconciler.core.runs.run import Failed, Reason
from reconciler.store.engine.database import Database, Tx
from reconciler.store.feed import Marks, read_feed
from reconciler.store.gauges import read_gauges
from reconciler.store.objects.autopilot_filter import AutopilotFilter
from reconciler.store.objects.members import list_members
from reconciler.store.objects.overview import Overview, get_overview, list_overviews
from reconciler.store.runs.lists import RunFilter, find_runs
from tests.support.plans import plan_of
from tests.support.rig import Rig, agent, autopilot, id_of, manifest, schedule

NOW = datetime(2026, 11, 2, 8, tzinfo=UTC)


def names(found: list[Overview]) -> list[str]:
    """The names of autopilots."""
    return [one.stored.key.name for one in found]


def test_pages_follow_each_other_by_name_and_id(rig: Rig) -> None:
    manifests = []
    for workspace in ("red", "blue"):
        manifests.append(
            manifest("Agent", "bot", {"runtime": {"type": "worker"}}, workspace=workspace)
        )
        for name in ("a", "b", "c"):
            one = autopilot(name)
            one["metadata"]["workspace"] = workspace
            manifests.append(one)
    rig.apply(*manifests)
    found: list[Overview] = []
    while True:
        after = found[-1].place if found else None
        page = rig.database.read(
            lambda tx, after=after: list_overviews(tx, AutopilotFilter(), limit=4, after=after)  # type: ignore[misc]
        )
        found += page
        if len(page) < 4:
            break
    assert names(found) == ["a", "a", "b", "b", "c", "c"]
    assert len({one.stored.id for one in found}) == 6


def test_an_overview_has_everything_of_one_autopilot(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule("0 9 * * *"), concurrencyPolicy="queue"))
    rig.launch()
    rig.launch()
    found = rig.database.read(lambda tx: get_overview(tx, id_of("triage")))
    assert found is not None
    assert (found.active, found.waiting) == (1, 1)
    assert found.next_run_at == rig.clock.now() + timedelta(hours=1)
    assert [run.id for run in found.runs] == [run.id for run in reversed(rig.runs())]
    assert found.created_by == "tester"
    assert rig.database.read(lambda tx: get_overview(tx, id_of("other"))) is None


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        pytest.param(AutopilotFilter(), ["off", "on"], id="without archived ones"),
        pytest.param(AutopilotFilter(status=AutopilotStatus.PAUSED), ["off"], id="by status"),
        pytest.param(AutopilotFilter(status=AutopilotStatus.ARCHIVED), ["gone"], id="archived"),
        pytest.param(AutopilotFilter(text="SPÄT"), [], id="another text"),
        pytest.param(AutopilotFilter(text="hip_it"), [], id="a wildcard is a character"),
        pytest.param(AutopilotFilter(text="ship it"), ["on"], id="a part, in any case"),
        pytest.param(AutopilotFilter(workspaces=frozenset()), [], id="no workspace at all"),
        pytest.param(AutopilotFilter(assignee=("agent", "bot")), ["off", "on"], id="by assignee"),
    ],
)
def test_filters(rig: Rig, where: AutopilotFilter, expected: list[str]) -> None:
    on, off = autopilot("on", title="Ship it"), autopilot("off", status="paused")
    rig.apply(agent(), on, off, autopilot("gone"))
    rig.apply(agent(), on, off)
    found = rig.database.read(lambda tx: list_overviews(tx, where))
    assert names(found) == expected


def test_agents_tell_their_load(rig: Rig) -> None:
    rig.apply(agent("bot"), agent("ann"), autopilot("triage", maxConcurrency=3))
    rig.launch()
    rig.launch()
    rig.round()
    ann, bot = rig.database.read(lambda tx: list_members(tx, Kind.AGENT))
    assert (ann.load.active, bot.load.active) == (0, 2)
    page = rig.database.read(lambda tx: list_members(tx, Kind.AGENT, after=ann.place))
    assert [one.stored.key.name for one in page] == ["bot"]


def test_runs_for_tables_are_without_payload(rig: Rig) -> None:
    rig.apply(agent(), autopilot())
    rig.launch(payload={"a": 1})
    (run,) = rig.database.read(lambda tx: find_runs(tx, RunFilter(), limit=5))
    assert run.payload is None


def test_a_look_finds_open_runs_recent_ones_and_those_that_were_open(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", maxConcurrency=5))
    old = rig.launch()
    rig.clock.advance(hours=1)
    open_ = rig.launch()
    rig.end(rig.run_of(old.id), Failed(Reason.AGENT_FAILED, "no"))
    rig.clock.advance(hours=1)
    recent = rig.launch()
    since = rig.clock.now() - timedelta(minutes=1)
    found = rig.database.read(lambda tx: read_feed(tx, since, [], 0))
    assert set(found.runs) == {open_.id, recent.id}
    found = rig.database.read(lambda tx: read_feed(tx, since, [old.id], found.revisions[-1].id))
    assert set(found.runs) == {old.id, open_.id, recent.id}
    assert found.revisions == []
    assert found.autopilots.by_id[id_of("triage")].name == "triage"


def test_marks_are_made_anew_whenever_something_of_an_autopilot_changes(rig: Rig) -> None:
    rig.apply(agent(), autopilot("one", pauseAfterFailures=1), autopilot("two"))
    marks: Marks | None = None

    def changed(what: Callable[[], object]) -> list[str]:
        nonlocal marks
        rig.clock.advance(minutes=1)
        what()
        before, now = marks, rig.clock.now()
        marks = rig.database.read(lambda tx: read_feed(tx, now, [], 0, before)).autopilots
        if before is marks:
            return []
        known = before.by_id if before else {}
        return sorted(m.name for m in marks.by_id.values() if known.get(m.id) != m)

    def switch(write: Callable[..., None], name: str, *more: str | None) -> None:
        rig.database.write(lambda tx: write(tx, id_of(name), *more, rig.clock.now()))

    assert changed(lambda: None) == ["one", "two"]
    assert changed(lambda: rig.launch("two")) == []
    assert changed(lambda: switch(switches.pause, "two", "ada", None)) == ["two"]
    assert changed(lambda: switch(switches.resume, "two")) == ["two"]
    assert changed(lambda: rig.end(rig.launch("one"), Failed(Reason.LOST, "no"))) == ["one"]
    rig.clock.advance(hours=1)
    assert changed(lambda: rig.launch("one")) == ["one"]
    assert changed(lambda: rig.apply(agent(), autopilot("one", title="Other"))) == ["one", "two"]
    assert changed(lambda: rig.apply(agent(), autopilot("one", title="Other"))) == []


@pytest.mark.parametrize(
    ("read", "index"),
    [
        pytest.param(lambda tx: read_feed(tx, NOW, [], 0), "ix_run_open", id="open runs"),
        pytest.param(lambda tx: read_gauges(tx, NOW), "ix_autopilot_broken", id="open breakers"),
        pytest.param(
            lambda tx: list_overviews(tx, AutopilotFilter(may_be=(Health.FAILING, NOW))),
            "ix_autopilot_broken",
            id="what fails",
        ),
    ],
)
def test_what_is_asked_all_the_time_is_read_by_an_index(
    sqlite_template: Path, read: Callable[[Tx], object], index: str
) -> None:
    with Database.open(f"sqlite:///{sqlite_template}") as database:
        plan = plan_of(database, read)
    assert any(f"INDEX {index}" in line for line in plan), plan
    assert not any("SCAN autopilot_run USING INDEX sqlite" in line for line in plan), plan


def test_gauges(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule(), concurrencyPolicy="queue"))
    rig.launch()
    rig.launch()
    rig.clock.advance(minutes=2)
    found = rig.database.read(lambda tx: read_gauges(tx, rig.clock.now()))
    assert (found.due_triggers, found.queue_depth, found.breakers_open) == (1, 1, 0)
    assert found.applied == {"default": "sha256:1"}

"""What people and machines look at, on both databases: autopilots, agents, changes, gauges."""

from datetime import timedelta

import pytest

from reconciler.core.model import AutopilotStatus, Kind
from reconciler.core.run import Failed, Reason
from reconciler.store.autopilot_filter import AutopilotFilter
from reconciler.store.crew import list_members
from reconciler.store.feed import look
from reconciler.store.gauges import read_gauges
from reconciler.store.overview import Overview, get_overview, list_overviews
from reconciler.store.run_lists import RunFilter, find_runs
from tests.support.rig import Rig, agent, autopilot, id_of, manifest, schedule


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
    found = rig.database.read(lambda tx: look(tx, since, [], 0))
    assert set(found.runs) == {open_.id, recent.id}
    found = rig.database.read(lambda tx: look(tx, since, [old.id], found.revisions[-1].id))
    assert set(found.runs) == {old.id, open_.id, recent.id}
    assert found.revisions == []
    assert found.autopilots[id_of("triage")].name == "triage"


def test_gauges(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule(), concurrencyPolicy="queue"))
    rig.launch()
    rig.launch()
    rig.clock.advance(minutes=2)
    found = rig.database.read(lambda tx: read_gauges(tx, rig.clock.now()))
    assert (found.due_triggers, found.queue_depth, found.breakers_open) == (1, 1, 0)
    assert found.applied == {"default": "sha256:1"}

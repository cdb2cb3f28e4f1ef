"""Agents and squads as the runner sees them."""

from datetime import timedelta
from typing import Any

import pytest

from reconciler.core.manifest.runtime import CommandRuntime, WorkerRuntime
from reconciler.store.objects.agents import (
    find_agent,
    find_agents,
    find_squad,
    mark_unavailable,
    save_turn,
)
from tests.support.rig import Rig, agent, autopilot, manifest
from tests.support.vandal import scribble

SQUAD = manifest("Squad", "crew", {"members": ["bot", "other"], "strategy": "round_robin"})


def test_an_agent_with_its_runtime(rig: Rig) -> None:
    runtime = {"type": "command", "program": "work", "args": ["a"]}
    rig.apply(agent("bot", maxConcurrency=3, runtime=runtime))
    actual = rig.database.read(lambda tx: find_agent(tx, "default", "bot"))
    assert actual is not None
    assert (actual.name, actual.workspace, actual.max_concurrency) == ("bot", "default", 3)
    assert isinstance(actual.runtime, CommandRuntime)
    assert actual.runtime.args == ("a",)


def test_one_that_is_archived_or_of_another_workspace_is_not_found(rig: Rig) -> None:
    rig.apply(agent(), agent("other"), autopilot())
    read = rig.database.read
    assert read(lambda tx: find_agent(tx, "elsewhere", "bot")) is None
    rig.apply(agent(), autopilot())
    assert read(lambda tx: find_agent(tx, "default", "other")) is None
    actual = read(lambda tx: find_agents(tx, "default", ["bot", "other", "nobody"]))
    assert [*actual] == ["bot"]
    assert isinstance(actual["bot"].runtime, WorkerRuntime)


def test_a_squad_and_whose_turn_it_is(rig: Rig) -> None:
    rig.apply(agent(), agent("other"), SQUAD)
    read, write = rig.database.read, rig.database.write
    squad = read(lambda tx: find_squad(tx, "default", "crew"))
    assert squad is not None
    assert (squad.members, squad.strategy, squad.turn) == (("bot", "other"), "round_robin", 0)
    write(lambda tx: save_turn(tx, "default", "crew", 1))
    squad = read(lambda tx: find_squad(tx, "default", "crew"))
    assert squad is not None
    assert squad.turn == 1
    assert read(lambda tx: find_squad(tx, "default", "none")) is None


def test_who_cannot_be_reached_is_left_alone_until_an_edit(rig: Rig) -> None:
    rig.apply(agent())
    until = rig.clock.now() + timedelta(seconds=15)
    write = rig.database.write
    write(lambda tx: mark_unavailable(tx, "default", "bot", until, "connection refused"))

    def seen() -> tuple[object, object]:
        actual = rig.database.read(lambda tx: find_agent(tx, "default", "bot"))
        assert actual is not None
        return actual.unavailable_until, actual.unavailable_reason

    assert seen() == (until, "connection refused")
    rig.apply(agent(maxConcurrency=2))
    assert seen() == (None, None)


def test_what_runs_change_is_no_drift(rig: Rig) -> None:
    rig.apply(agent(), agent("other"), SQUAD)
    until, write = rig.clock.now(), rig.database.write
    write(lambda tx: mark_unavailable(tx, "default", "bot", until, "away"))
    write(lambda tx: save_turn(tx, "default", "crew", 1))
    assert rig.apply(agent(), agent("other"), SQUAD).plan.is_empty


@pytest.mark.parametrize("spec", [[], "x", None, {}, {"runtime": 5, "members": 5}])
def test_what_cannot_be_read_is_not_there(rig: Rig, spec: Any) -> None:
    rig.apply(agent(), agent("other"), SQUAD)
    scribble(rig, "agent", "spec", spec, "bot")
    scribble(rig, "squad", "spec", spec, "crew")
    read = rig.database.read
    assert read(lambda tx: find_agent(tx, "default", "bot")) is None
    assert [*read(lambda tx: find_agents(tx, "default", ["bot", "other"]))] == ["other"]
    assert read(lambda tx: find_squad(tx, "default", "crew")) is None

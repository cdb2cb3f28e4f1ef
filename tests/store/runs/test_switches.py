"""What can be read of every row: its name and its switches."""

from typing import Any

import pytest

from reconciler.control.runs.switches import pause, resume
from reconciler.core.manifest.model import AutopilotStatus
from reconciler.store.runs.occupancy import read_live
from reconciler.store.runs.switches import read_switches
from tests.support.rig import Rig, agent, autopilot, id_of
from tests.support.vandal import SPECS, scribble

NAMES = ("one", "two", "three")


def test_they_are_those_that_the_run_side_sees(rig: Rig) -> None:
    rig.apply(agent(), autopilot("one"), autopilot("two", status="paused"), autopilot("three"))
    rig.database.write(lambda tx: pause(tx, id_of("one"), "ada", "why", rig.clock.now()))
    rig.apply(agent(), autopilot("one"), autopilot("two", status="paused"))
    ids = [id_of(name) for name in NAMES]
    found = rig.database.read(lambda tx: read_switches(tx, [*ids, "nobody"]))
    lives = rig.database.read(lambda tx: read_live(tx, ids))
    assert {id_: one.switches for id_, one in found.items()} == {
        id_: one.switches for id_, one in lives.items()
    }
    assert found[id_of("three")].switches.archived
    assert found[id_of("two")].switches.status is AutopilotStatus.PAUSED
    assert (found[id_of("one")].workspace, found[id_of("one")].name) == ("default", "one")


@pytest.mark.parametrize("spec", SPECS)
def test_an_unreadable_row_can_be_paused_and_resumed(rig: Rig, spec: Any) -> None:
    rig.apply(agent(), autopilot("one"))
    scribble(rig, "autopilot", "spec", spec, "one")
    now, id_ = rig.clock.now(), id_of("one")

    def paused() -> bool:
        found = rig.database.read(lambda tx: read_switches(tx, [id_]))
        return found[id_].switches.paused_at is not None

    rig.database.write(lambda tx: pause(tx, id_, "ada", None, now))
    assert paused()
    rig.database.write(lambda tx: resume(tx, id_, now))
    assert not paused()

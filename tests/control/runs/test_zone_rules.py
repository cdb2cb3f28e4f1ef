"""Moments that were worked out by zone rules that have changed since."""

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

import pytest
from sqlalchemy import text

from reconciler.control.runs.correct import reschedule_once
from reconciler.store.engine.database import Database
from tests.support.clock import FakeClock
from tests.support.rig import Rig, agent, autopilot, schedule

DAY = datetime(2026, 11, 3, tzinfo=UTC)
LATER = """
import json, sys
from datetime import datetime
from reconciler.control.runs.correct import reschedule_once
from reconciler.store.engine.database import Database
from tests.support.clock import FakeClock
from tests.support.rig import Rig

clock = FakeClock(datetime.fromisoformat(sys.argv[2]))
with Database.open(sys.argv[1], clock=clock.now) as database:
    rig = Rig(database, clock)
    if "start" in sys.argv:
        reschedule_once(database)
    rig.tick()
    print(json.dumps([run.scheduled_for.isoformat() for run in rig.runs()]))
    rig.close()
"""


@pytest.fixture
def other_rules(tmp_path: Path) -> Path:
    """Zone data of another version, in which Rome is an hour further ahead of Greenwich."""
    tree = tmp_path / "zones" / "tzdata"
    with resources.as_file(resources.files("tzdata")) as package:
        shutil.copytree(package, tree)
    zones = tree / "zoneinfo"
    shutil.copy(zones / "Etc" / "GMT-2", zones / "Europe" / "Rome")
    init = tree / "__init__.py"
    init.write_text(init.read_text() + '\nIANA_VERSION = "2099z"\n')
    return tree.parent


def later(url: str, zones: Path, at: datetime, *how: str) -> list[str]:
    """Another process, with these zones, does a round at that moment; the runs that there are."""
    path = os.pathsep.join([str(zones), str(Path(__file__).parents[3])])
    done = subprocess.run(
        [sys.executable, "-c", LATER, url, at.isoformat(), *how],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return list(json.loads(done.stdout.splitlines()[-1]))


def test_a_nine_o_clock_that_moved_earlier_is_not_missed(
    database_url: str, other_rules: Path
) -> None:
    with Database.open(database_url, clock=FakeClock(DAY).now) as database:
        rig = Rig(database, FakeClock(DAY))
        rig.apply(agent(), autopilot("triage", schedule("0 9 * * *", timezone="Europe/Rome")))
        assert rig.triggers()["clock"].next_run_at == DAY + timedelta(hours=8)
        rig.close()
    half_past_seven = DAY + timedelta(hours=7, minutes=30)
    assert later(database_url, other_rules, half_past_seven) == []
    runs = later(database_url, other_rules, half_past_seven, "start")
    assert runs == [(DAY + timedelta(hours=7)).isoformat()]


def test_rows_that_do_not_know_their_rules_are_worked_out_again(rig: Rig) -> None:
    """They were written by an older version, or by hand."""
    rig.apply(agent(), autopilot("triage", schedule("0 9 * * *")))
    assert reschedule_once(rig.database) == 0
    wrong = text("UPDATE autopilot_trigger SET zone_rules = NULL, next_run_at = :at")
    rig.database.write(lambda tx: tx.execute(wrong, {"at": "2026-11-02T11:00:00.000000Z"}) and None)
    assert reschedule_once(rig.database) == 1
    assert rig.triggers()["clock"].next_run_at == datetime(2026, 11, 2, 9, tzinfo=UTC)
    assert reschedule_once(rig.database) == 0

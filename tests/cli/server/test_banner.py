"""What `serve` prints once it is up, and what it keeps to itself where it is guarded."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.cli.server.banner import banner
from reconciler.control.runs.switches import pause
from reconciler.core.webhooks.token import webhook_token
from reconciler.store.engine.database import Database
from reconciler.store.tables import autopilot as autopilot_table
from reconciler.store.tables import autopilot_trigger
from tests.support.clock import FakeClock
from tests.support.rig import COOLDOWN, KEY, Rig, agent, autopilot, id_of, schedule, webhook
from tests.support.vandal import break_column

URL = "http://127.0.0.1:8484"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A schedule, a webhook that is signed and one that anybody may call."""
    clock = FakeClock()
    with Database.open(f"sqlite:///{tmp_path}/state.db", clock=clock.now) as database:
        database.migrate()
        rig = Rig(database, clock)
        signed = {"scheme": "github", "secrets": [{"env": "AUTOPILOT_SECRET_DEFAULT__CI"}]}
        rig.apply(
            agent(),
            autopilot("a", webhook() | {"signature": signed}),
            autopilot("triage", schedule("0 9 * * *"), webhook()),
        )
        yield rig
        rig.close()


def test_the_next_run_and_a_line_to_paste(rig: Rig) -> None:
    said = banner(rig.database, KEY, URL, COOLDOWN)
    assert f"Dashboard:  {URL}/\n" in said
    assert "default/triage/clock at 2026-11-02T09:00:00Z, in 3600 s" in said
    (line,) = [line for line in said.splitlines() if line.startswith("curl ")]
    token = webhook_token(KEY, rig.triggers()["hook"].id, 1)
    assert f"{URL}/v1/webhooks/{token}" in shlex.split(line)


def test_a_guarded_server_prints_no_token(rig: Rig) -> None:
    said = banner(rig.database, None, URL, COOLDOWN)
    assert "whk_" not in said
    assert "reconciler webhook url default/a/hook" in said


def test_what_is_paused_is_not_announced(rig: Rig) -> None:
    now = rig.clock.now()
    rig.database.write(lambda tx: pause(tx, id_of("triage"), "ada", None, now))
    assert "Next:" not in banner(rig.database, KEY, URL, COOLDOWN)


def test_a_row_that_somebody_broke_by_hand_ends_no_server_that_is_up(rig: Rig) -> None:
    break_column(rig, autopilot_table.c.paused_at, "'0'", id_of("triage"))
    assert banner(rig.database, KEY, URL, COOLDOWN) == f"\nDashboard:  {URL}/\n"


def test_a_next_moment_that_somebody_broke_by_hand_is_not_announced(rig: Rig) -> None:
    before = banner(rig.database, KEY, URL, COOLDOWN).splitlines()
    break_column(rig, autopilot_trigger.c.next_run_at, "'0'", rig.triggers()["clock"].id)
    left = banner(rig.database, KEY, URL, COOLDOWN).splitlines()
    assert [line for line in before if line not in left] == before[2:3]
    assert before[2].startswith("Next:")

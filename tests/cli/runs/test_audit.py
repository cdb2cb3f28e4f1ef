"""`reconciler audit`: what is missing is named, and the exit code says so."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

from reconciler.store.engine.database import Database
from tests.support.cli import BOT, Cli, autopilot
from tests.support.clock import FakeClock
from tests.support.rig import Rig

CLOCK = """\
  triggers:
    - {{name: clock, kind: schedule, cron: "{} * * * *"}}
"""


def test_what_is_missing_is_named_and_the_exit_code_is_1(cli: Cli) -> None:
    # Half an hour away: none is due between the apply, by the clock on the wall, and the rounds.
    minute = (datetime.now(UTC).minute + 30) % 60
    cli.write(agent=BOT, triage=autopilot("triage", more=CLOCK.format(minute)))
    cli.apply()
    began = datetime.now(UTC)
    clock = FakeClock(began)
    with (
        Database.open(f"sqlite:///{cli.database}", clock=clock.now) as database,
        closing(Rig(database, clock)) as rig,
    ):
        for _ in range(3):
            rig.tick(hours=1)
    with closing(sqlite3.connect(cli.database)) as raw, raw:
        # All of it three hours and more ago, so that the command's own clock finds it decided.
        for table, column in [
            ("autopilot_trigger", "created_at"),
            ("autopilot_trigger", "decides_after"),
            ("autopilot_trigger", "cursor"),
            ("autopilot_run", "scheduled_for"),
        ]:
            rows = raw.execute(f"SELECT id, {column} FROM {table}").fetchall()  # noqa: S608
            for id_, moment in rows:
                earlier = datetime.fromisoformat(moment) - timedelta(hours=5)
                shown = earlier.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
                raw.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (shown, id_))  # noqa: S608
    since, until = began - timedelta(hours=6), began - timedelta(hours=2)
    period = ("--from", since.isoformat(), "--to", until.isoformat())
    answer = cli("audit", *period)
    assert answer.code == 0, answer.out
    assert "default/triage/clock  occurrence  3" in answer.out
    assert "complete: all 3 are accounted for" in answer.out
    with closing(sqlite3.connect(cli.database)) as raw, raw:
        raw.execute("DELETE FROM autopilot_run WHERE id IN (SELECT min(id) FROM autopilot_run)")
    answer = cli("audit", *period)
    assert answer.code == 1
    assert "missing: occurrence default/triage/clock at" in answer.out
    assert answer.out.splitlines()[-1] == "1 missing, 2 accounted for"
    assert cli("audit", *period, "-o", "json").json["complete"] is False


def test_a_time_that_cannot_be_read_is_a_usage_error(cli: Cli) -> None:
    cli.write(agent=BOT)
    cli.apply()
    answer = cli("audit", "--from", "yesterday", "--to", "2026-11-02T00:00:00Z")
    assert answer.code == 64
    assert "--from" in answer.err

"""10,000 schedules due at one moment: recorded runs per second, beside APScheduler and sqlite3.

Also: what a round costs when nothing is due, with 1,000 and with 100,000 triggers; and how late
runs are when 10,000 schedules are due within one minute.
"""

import argparse
import gc
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from apscheduler.executors.debug import DebugExecutor
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler

from reconciler.cli.main import COLLECTED_AFTER
from reconciler.store.engine.database import Database
from reconciler.store.tables import autopilot_run
from tests.support.clock import FakeClock
from tests.support.reading import Reading, watched
from tests.support.rig import Rig, agent, autopilot, schedule


def rig_with(folder: Path, count: int, cron: Callable[[int], str]) -> Rig:
    """A system with so many autopilots, each with one schedule."""
    clock = FakeClock()
    database = Database.open(f"sqlite:///{folder / f'{count}.db'}", clock=clock.now)
    database.migrate()
    rig = Rig(database, clock)
    rig.apply(agent(), *(autopilot(f"a{i}", schedule(cron(i))) for i in range(count)))
    return rig


def ours(folder: Path, count: int) -> tuple[float, Path]:
    """Seconds to record one run of each of `count` triggers due at one moment."""
    rig = rig_with(folder, count, lambda _: "0 9 * * *")
    rig.clock.advance(hours=1)
    began = time.perf_counter()
    ticked = rig.tick()
    took = time.perf_counter() - began
    assert len(ticked.runs) == count
    rig.close()
    rig.database.close()
    return took, folder / f"{count}.db"


def apscheduler(folder: Path, count: int) -> float:
    """Seconds that APScheduler 3 takes to start `count` due jobs and store their next times."""
    store = SQLAlchemyJobStore(f"sqlite:///{folder / 'aps.db'}")
    scheduler = BackgroundScheduler(jobstores={"default": store}, timezone=UTC)
    scheduler.add_executor(DebugExecutor(), "default")
    scheduler.start(paused=True)
    due = datetime.now(UTC) - timedelta(seconds=1)
    for i in range(count):
        scheduler.add_job(
            nothing, "cron", hour=9, minute=0, id=str(i), next_run_time=due, misfire_grace_time=3600
        )
    scheduler.state = 1  # running: the loop's thread must not take part
    began = time.perf_counter()
    scheduler._process_jobs()  # noqa: SLF001 - one round, in this thread, is what is measured
    took = time.perf_counter() - began
    scheduler.shutdown(wait=False)
    return took


def nothing() -> None:
    """The job."""


def plain_sqlite(database: Path, folder: Path) -> float:
    """Seconds to insert the same rows by sqlite3's executemany, durably, into the same table."""
    source = sqlite3.connect(database)
    rows = source.execute("SELECT * FROM autopilot_run").fetchall()
    ddl = [
        sql
        for (sql,) in source.execute(
            "SELECT sql FROM sqlite_master WHERE tbl_name = 'autopilot_run' AND sql IS NOT NULL"
        )
    ]
    target = sqlite3.connect(folder / "plain.db")
    target.execute("PRAGMA journal_mode=WAL")
    target.execute("PRAGMA synchronous=FULL")
    for sql in ddl:
        target.execute(sql)
    marks = ", ".join("?" * len(autopilot_run.c))
    began = time.perf_counter()
    with target:
        target.executemany(f"INSERT INTO autopilot_run VALUES ({marks})", rows)
    took = time.perf_counter() - began
    source.close()
    target.close()
    return took


def idle(folder: Path, count: int, rounds: int = 50) -> tuple[float, Reading]:
    """Median seconds of a round in which nothing is due, and what it reads."""
    rig = rig_with(folder, count, lambda _: "0 9 * * *")
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        rig.tick()
        took.append(time.perf_counter() - began)
    with watched(rig.database) as reading:
        rig.tick()
    rig.close()
    rig.database.close()
    return statistics.median(took), reading


def lag(folder: Path, count: int) -> tuple[float, float]:
    """p50 and p99 lag in seconds with `count` schedules due over one minute of seconds.

    The clock moves by what the rounds really take, so lag is the time that a trigger waited.
    """
    clock = FakeClock()
    database = Database.open(f"sqlite:///{folder / 'lag.db'}", clock=clock.now)
    database.migrate()
    rig = Rig(database, clock)
    jitter = {"jitter": "1m"}
    rig.apply(agent(), *(autopilot(f"a{i}", schedule("0 9 * * *", **jitter)) for i in range(count)))
    due = {one.id: one.next_run_at for i in range(count) for one in rig.triggers(f"a{i}").values()}
    clock.advance(minutes=60)
    end = clock.now() + timedelta(seconds=75)
    lags = []
    while clock.now() < end:
        began = time.perf_counter()
        moment = clock.now()
        ticked = rig.tick()
        took = time.perf_counter() - began
        for run in ticked.runs:
            at = due[run.trigger_id or ""]
            assert at is not None
            lags.append((moment - at).total_seconds() + took)
        wait = 0.05
        if ticked.next_due is not None and ticked.next_due < end:
            wait = max(0.0, (ticked.next_due - clock.now()).total_seconds())
        clock.advance(seconds=took + min(wait, 1.0))
    assert len(lags) == count, len(lags)
    rig.close()
    database.close()
    lags.sort()
    return lags[len(lags) // 2], lags[int(len(lags) * 0.99)]


def at_one_moment(count: int, rounds: int) -> None:
    """Everybody takes turns; each one's best round counts, as other programs only slow one down."""
    found = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            took, database = ours(folder, count)
            found.append((took, apscheduler(folder, count), plain_sqlite(database, folder)))
    took, peer, limit = (min(column) for column in zip(*found, strict=True))
    print(f"{count} triggers due at one moment, best of {rounds}: {count / took:,.0f} runs/s")
    print(f"  beside APScheduler 3 ({count / peer:,.0f} jobs/s): {peer / took:.1f} x")
    print(f"  of plain sqlite3's inserts ({count / limit:,.0f} rows/s): {limit / took:.2f}")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--many", type=int, default=100_000)
    given = parser.parse_args()
    gc.set_threshold(*COLLECTED_AFTER)  # as in the server, and for the peer too
    at_one_moment(given.count, given.rounds)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (few, read), (many, more) = idle(folder, 1_000), idle(folder, given.many)
        print(f"nothing due, 1,000 triggers: {few * 1e3:.2f} ms a round")
        print(f"nothing due, {given.many:,} triggers: {many * 1e3:.2f} ms: {many / few:.2f} x")
        same = "the same" if read.plans == more.plans else "ANOTHER"
        print(f"  by {same} query plan, in {read.steps} and {more.steps} steps of SQLite's machine")
        p50, p99 = lag(folder, given.count)
        print(f"{given.count} due within one minute: lag p50 {p50:.3f} s, p99 {p99:.3f} s")


if __name__ == "__main__":
    main()

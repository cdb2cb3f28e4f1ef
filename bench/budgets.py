"""Admissions under no budget, under one of their own, and under four that all runs share.

A ratio within one run: CPU time of the transaction that admits a run. The ledger holds a month, and
as many runs are active as `--active` says.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from reconciler.control.runs.admit import Firing, admit_all
from reconciler.control.shared_settings import share_settings
from reconciler.core.manifest.budget import Budget
from reconciler.core.runs.run import Completed, Run, Source
from reconciler.core.runs.usage import Usage
from reconciler.store.engine.database import Database, Tx
from reconciler.store.money.ledger import book
from reconciler.store.runs.occupancy import lock_autopilots
from tests.support.clock import FakeClock
from tests.support.rig import COOLDOWN, Rig, agent, autopilot, id_of

LIMITS = {"perRun": 0.01, "perDay": 100_000, "perMonth": 1_000_000}
ROOM = {"maxActive": 1000, "maxConcurrency": 100, "concurrencyPolicy": "queue"}
AUTOPILOTS = 100


@contextmanager
def rig(own: bool, shared: bool) -> Iterator[Rig]:
    """A system on a new SQLite file, with a month of spending."""
    with tempfile.TemporaryDirectory() as folder:
        url, clock = f"sqlite:///{Path(folder) / 'state.db'}", FakeClock()
        with Database.open(url, clock=clock.now) as database:
            database.migrate()
            system = Rig(database, clock)
            everywhere: Mapping[str, Any] = {"budget": LIMITS} if shared else {}
            limits: Mapping[str, Any] = {"budget": LIMITS} if own else {}
            scopes = ("server", "workspace/default") if shared else ()
            budget = Budget.model_validate(LIMITS)
            share_settings(database, "Europe/Rome", dict.fromkeys(scopes, budget))
            names = [f"a{number}" for number in range(AUTOPILOTS)]
            system.apply(agent(**everywhere), *(autopilot(n, **limits, **ROOM) for n in names))
            database.write(lambda tx: a_month(tx, system))
            yield system
            system.close()


def a_month(tx: Tx, system: Rig) -> None:
    """Every autopilot has spent something each day."""
    for day in range(30):
        at = system.clock.now() - timedelta(days=day)
        for number in range(AUTOPILOTS):
            book(tx, at, 1000, id_of(f"a{number}"), "default", "bot")


def admit(system: Rig) -> list[Run]:
    """One run of each autopilot, each in a transaction of its own."""

    def write(tx: Tx, id_: str) -> Run:
        lives = lock_autopilots(tx, [id_])
        now = system.clock.now()
        firing = Firing(system.ids.new(now), id_, Source.MANUAL, now, "a title")
        return admit_all(tx, [firing], now, COOLDOWN, lives)[0]

    ids = [id_of(f"a{number}") for number in range(AUTOPILOTS)]
    return [system.database.write(lambda tx, i=i: write(tx, i)) for i in ids]  # type: ignore[misc]


def each(own: bool, shared: bool, rounds: int, active: int) -> float:
    """CPU seconds of one admission."""
    with rig(own, shared) as system:
        for _ in range(active // AUTOPILOTS):
            admit(system)
        admit(system)  # what is read once is read now
        taken = 0.0
        for _ in range(rounds):
            before = time.process_time()
            runs = admit(system)
            taken += time.process_time() - before
            if any(run.admitted_at is None for run in runs):
                raise AssertionError(runs[0].failure_reason)
            for run in runs:
                system.end(run, Completed("done", Usage(cost_micros=1000)))
        return taken / rounds / AUTOPILOTS


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--active", type=int, default=500)
    options = parser.parse_args()
    free = each(False, False, options.rounds, options.active)
    print(f"an admission under no budget: {1e6 * free:,.0f} µs of CPU time")
    for words, own, shared in (("one of its own", True, False), ("four, shared", True, True)):
        taken = each(own, shared, options.rounds, options.active)
        print(f"under {words}: {taken / free:.2f} times that")


if __name__ == "__main__":
    main()

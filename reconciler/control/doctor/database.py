"""The database, its disk, its clock and the zone rules by which its moments were worked out."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from reconciler.control.doctor.check import Check, error, ok, warning
from reconciler.core.base.units import format_size
from reconciler.core.calendar.zone import rules_version
from reconciler.core.runs.ahead import TOLERANCE
from reconciler.store.checkup import count_outdated, integrity_faults, newest_moment
from reconciler.store.engine.database import Database

DATABASE, CLOCK, ZONES = "database", "clock", "zones"

LITTLE, SCARCE = 1024**3, 100 * 1024**2
"""Free bytes below which a warning is given, and an error."""
NOTICEABLE, HARMFUL = timedelta(seconds=2), timedelta(seconds=60)
"""Skew of which a warning is given, and an error: some senders sign a time and allow a minute."""


def check_database(database: Database) -> Iterator[Check]:
    """Reachable, with the tables of this version, sound, and with room to write."""
    database.require_current_schema()
    faults = database.read(integrity_faults)
    for fault in faults:
        yield error(
            DATABASE, f"{database.shown} is damaged: {fault}", "stop the server, restore a backup"
        )
    if not faults:
        yield ok(DATABASE, f"{database.shown} is reachable, of this version and sound")
    if database.path is not None:
        yield from _disk(database.path)


def _disk(path: Path) -> Iterator[Check]:
    free = shutil.disk_usage(path.parent).free
    if free < LITTLE:
        make = error if free < SCARCE else warning
        message = f"only {format_size(free)} are free where {path} lies"
        yield make(DATABASE, message, "make room; `keep_runs` and its like say how much is kept")


def check_clock(database: Database) -> Iterator[Check]:
    """This host's clock against the database's, and against what is recorded already."""
    before = datetime.now(UTC)
    there = database.read(database.now)
    middle = before + (datetime.now(UTC) - before) / 2
    skew = abs(there - middle)
    fix = "synchronise the clocks of both hosts (NTP)"
    if skew > NOTICEABLE:
        make = error if skew > HARMFUL else warning
        ahead = "ahead of" if there > middle else "behind"
        seconds = skew.total_seconds()
        yield make(CLOCK, f"the database's clock is {seconds:.1f} s {ahead} this host's", fix)
    newest = database.read(newest_moment)
    if newest is not None and newest - there > TOLERANCE:
        yield error(
            CLOCK,
            f"the clock is behind what is recorded: something happened at {newest:%Y-%m-%d %H:%MZ}",
            "set the clock right; see docs/time.md#wrong-clocks",
        )
    elif skew <= NOTICEABLE:
        yield ok(CLOCK, f"it is {there:%Y-%m-%d %H:%M:%SZ}, and nothing recorded is later")


def check_zones(database: Database) -> Iterator[Check]:
    """Whether next moments follow the zone rules of this version."""
    version = rules_version()
    if outdated := database.read(count_outdated):
        yield warning(
            ZONES,
            f"the next moments of {outdated} triggers follow other zone rules than {version}",
            "start `reconciler serve` again: it works them out anew",
        )
    else:
        yield ok(ZONES, f"every next moment follows the rules of tzdata {version}")

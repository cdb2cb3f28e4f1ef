"""A database as after months of use: many autopilots, each with a trigger, and many more runs.

Two autopilots come in through the ordinary apply; the others are copies of their rows, and runs are
written straight into the table. The indexes are made at the end, from the migration's own words.
"""

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.core.base.identity import object_id, trigger_id
from reconciler.core.manifest.state import canonical, digest_of
from reconciler.store.engine.database import Database
from tests.support.clock import FakeClock
from tests.support.rig import Rig, agent, autopilot, schedule, webhook

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
SPAN = timedelta(days=90)
"""How far back the runs go."""
WORKSPACES = tuple(f"team-{number:02}" for number in range(20))
BUSY = 50
"""One run in so many is of the first autopilot."""
_STATUSES = [
    *[("completed", None)] * 7, ("failed", "agent_failed"), ("failed", "timed_out"),
    ("skipped", "overlap"),
]  # fmt: skip
_SOURCES = ["schedule"] * 6 + ["webhook"] * 2 + ["api", "manual"]
_KINDS = [(*status, source) for status in _STATUSES for source in _SOURCES]
_PAYLOAD = json.dumps({"ref": "refs/heads/main", "commits": [{"message": "mend it " * 20}] * 2})
_RUNS = """
WITH RECURSIVE number (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < :runs - 1),
drawn AS MATERIALIZED (
  SELECT n, CAST(:start + n * :step AS INTEGER) AS ms, abs(random()) % 100 + 1 AS kind,
    CASE n % :busy WHEN 0 THEN 1 ELSE abs(random()) % :members + 1 END AS member
  FROM number
),
made AS (
  SELECT *, strftime('%Y-%m-%dT%H:%M:%f', ms / 1000.0, 'unixepoch') || '000Z' AS at,
    strftime('%Y-%m-%dT%H:%M:%f', ms / 1000.0 + n % 600, 'unixepoch') || '000Z' AS later
  FROM drawn JOIN kind ON kind.rowid = drawn.kind JOIN member ON member.rowid = drawn.member
)
INSERT INTO autopilot_run (
  id, autopilot_id, trigger_id, workspace_id, source, status, reason, failure_reason, title,
  spec_digest, scheduled_for, triggered_at, admitted_at, started_at, completed_at, attempts, agent,
  trigger_payload, result, revision, created_at
)
SELECT printf('%08x-%04x-7000-8000-%012x', ms >> 16, ms & 65535, n), id,
  iif(source = 'manual', NULL, trigger), workspace, source, status, reason,
  'because of ' || reason, 'Triage number ' || n, digest, iif(source = 'schedule', at, NULL), at,
  iif(status = 'skipped', NULL, at), iif(status = 'skipped', NULL, at),
  iif(status = 'skipped', at, later), status <> 'skipped', 'bot',
  iif(source IN ('webhook', 'api'), :payload, NULL),
  iif(status = 'completed', '"labelled 3 issues"', NULL), 'sha256:test', at
FROM made
"""
Row = dict[str, Any]


class Member(NamedTuple):
    """What a run needs to know of its autopilot."""

    id: str
    trigger: str
    workspace: str
    digest: str


@dataclass(frozen=True, slots=True)
class Fleet:
    """The autopilots of a database; the first one is the busy one."""

    url: str
    members: list[Member]


def make_fleet(folder: Path, autopilots: int, runs: int) -> Fleet:
    """A database of this size."""
    file = folder / "state.db"
    url = f"sqlite:///{file}"
    clock = FakeClock(NOW)
    with Database.open(url, clock=clock.now) as database:
        database.migrate()
        rig = Rig(database, clock)
        rig.apply(agent(), _like("0", schedule("0 9 * * *")), _like("1", webhook()))
        rig.close()
    with closing(sqlite3.connect(file)) as target:
        target.row_factory = _as_dict
        target.execute("PRAGMA journal_mode=OFF")
        target.execute("PRAGMA synchronous=OFF")
        target.execute("PRAGMA cache_size=-200000")
        with target:
            later = _without_indexes(target)
            members = _copies(target, autopilots)
            _add_runs(target, members, runs)
            for statement in later:
                target.execute(statement)
        target.execute("PRAGMA journal_mode=WAL")
    return Fleet(url, members)


def _like(name: str, trigger: Row) -> Row:
    described = "Read the issues opened since yesterday and label them. " * 4
    return autopilot(f"a{name}", trigger, description=described, concurrencyPolicy="queue")


def _without_indexes(target: sqlite3.Connection) -> list[str]:
    """Drop the indexes of runs; answers what makes them again."""
    found = target.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL "
        "AND tbl_name = 'autopilot_run'"
    ).fetchall()
    for one in found:
        target.execute(f"DROP INDEX {one['name']}")
    return [one["sql"] for one in found]


def _copies(target: sqlite3.Connection, count: int) -> list[Member]:
    """Replace the autopilots that were applied by so many that are like them."""
    shapes = [
        (
            one,
            target.execute("SELECT * FROM autopilot_trigger WHERE autopilot_id = ?", (one["id"],)),
            target.execute("SELECT * FROM manifest WHERE digest = ?", (one["applied_digest"],)),
        )
        for one in target.execute("SELECT * FROM autopilot ORDER BY name").fetchall()
    ]
    originals = [(one, trigger.fetchone(), kept.fetchone()) for one, trigger, kept in shapes]
    target.execute("DELETE FROM autopilot_trigger")
    target.execute("DELETE FROM autopilot")
    made = [_copy(number, *originals[number % 2]) for number in range(count)]
    for place, table in enumerate(("manifest", "autopilot", "autopilot_trigger")):
        rows = (one[place] for one in made)
        _insert(target, table, made[0][place].keys(), (tuple(row.values()) for row in rows))
    return [
        Member(one["id"], trigger["id"], one["workspace_id"], kept["digest"])
        for kept, one, trigger in made
    ]


def _copy(number: int, one: Row, trigger: Row, kept: Row) -> tuple[Row, Row, Row]:
    """The rows of manifest, autopilot and trigger."""
    name, workspace = f"autopilot-{number:06}", WORKSPACES[number % len(WORKSPACES)]
    document = json.loads(kept["document"])
    labels = {"team": f"t{number % 7}"}
    title = f"Triage number {number}"
    document["metadata"] |= {"name": name, "workspace": workspace, "labels": labels}
    document["spec"] |= {"title": title}
    digest, id_ = digest_of(document), object_id("Autopilot", workspace, name)
    own = {
        "id": id_,
        "workspace_id": workspace,
        "name": name,
        "title": title,
        "labels": json.dumps(labels),
        "applied_digest": digest,
        "origin_path": f"{name}.yaml",
    }
    token = f"{number:064x}" if trigger["webhook_token"] else None
    its = {"id": trigger_id(id_, trigger["name"]), "autopilot_id": id_, "webhook_token": token}
    return {"digest": digest, "document": canonical(document)}, one | own, trigger | its


def _add_runs(target: sqlite3.Connection, members: list[Member], count: int) -> None:
    """Rows evenly over `SPAN`, each of any autopilot and of any kind.

    All by one statement: building a million rows in Python takes as long as all the rest.
    """
    target.execute(f"CREATE TEMP TABLE member ({', '.join(Member._fields)})")
    target.executemany("INSERT INTO member VALUES (?, ?, ?, ?)", members)
    target.execute("CREATE TEMP TABLE kind (status, reason, source)")
    target.executemany("INSERT INTO kind VALUES (?, ?, ?)", _KINDS)
    given = {
        "runs": count,
        "members": len(members),
        "busy": BUSY,
        "start": int((NOW - SPAN).timestamp() * 1000),
        "step": SPAN.total_seconds() * 1000 / count,
        "payload": _PAYLOAD,
    }
    target.execute(_RUNS, given)


def _insert(
    target: sqlite3.Connection, table: str, columns: Iterable[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    names = [f'"{name}"' for name in columns]
    places = ", ".join("?" * len(names))
    target.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places})", rows)


def _as_dict(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> Row:
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}

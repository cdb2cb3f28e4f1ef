"""A folder of many autopilots: CPU of a first start, a later one, a poll, an edit and an export.

Each is a ratio to the least that any program would do for it in the same run: read and hash the
files, fetch the rows, write the answer as JSON. Memory is what the process holds afterwards, beside
what it held before anything was loaded.
"""

import argparse
import hashlib
import json
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from reconciler.control.apply.follow_source import SourceFollower
from reconciler.control.apply.inventory import export
from reconciler.control.apply.sources import LoadedSource, load_source
from reconciler.core.manifest.checks import Policy
from reconciler.manifest.git.stamp import FolderStamps
from reconciler.manifest.load.checkpoint import Checkpoint
from reconciler.server.memory import release_memory
from reconciler.store.engine.database import Database
from tests.support.rig import hash_of

TEAMS = 20
AGENT = """\
apiVersion: autopilots/v1
kind: Agent
metadata: {{name: bot, workspace: team-{team}}}
spec:
  runtime: {{type: worker}}
"""
AUTOPILOT = """\
apiVersion: autopilots/v1
kind: Autopilot
metadata:
  name: autopilot-{number:05}
  workspace: team-{team}
  labels: {{team: t{label}}}
spec:
  title: Triage number {number}
  description: |
    Read the issues opened since yesterday and label them.
    Then write a summary.
  assignee: {{type: agent, id: bot}}
  concurrencyPolicy: queue
  triggers:
    - {{name: clock, kind: schedule, cron: "{minute} {hour} * * *", timezone: Europe/Rome}}
"""


def write_folder(root: Path, autopilots: int) -> None:
    """A file for each autopilot, a folder and an agent for each team."""
    for team in range(TEAMS):
        folder = root / f"team-{team}"
        folder.mkdir(parents=True)
        (folder / "agent.yaml").write_text(AGENT.format(team=team))
    for number in range(autopilots):
        team, label = number % TEAMS, number % 7
        text = AUTOPILOT.format(
            number=number, team=team, label=label, minute=number % 60, hour=number % 24
        )
        (root / f"team-{team}" / f"a{number:05}.yaml").write_text(text)


def cpu(work: Callable[[], Any]) -> float:
    """Seconds of CPU of a piece of work."""
    began = time.process_time()
    work()
    return time.process_time() - began


def cpu_of_json(value: Any) -> float:
    """Seconds of CPU that writing a value as JSON takes."""
    return cpu(lambda: json.dumps(value))


def read_files(root: Path) -> None:
    """The least that must be done to know that no file has changed."""
    for path in sorted(root.rglob("*.yaml")):
        hashlib.sha256(path.read_bytes()).digest()


def fetch_rows(path: Path) -> None:
    """The least that must be done to know what the database holds."""
    with sqlite3.connect(path) as connection:
        for table in ("autopilot", "autopilot_trigger", "agent", "source_file"):
            connection.execute(f"SELECT * FROM {table}").fetchall()


def resident() -> float:
    """MiB of memory of this process."""
    return float(psutil.Process().memory_info().rss) / 2**20


def show(what: str, seconds: float, least: float, peer: str) -> None:
    """One line."""
    print(f"{what:<34} {seconds:7.2f} s CPU  {seconds / least:6.1f} x {peer}", flush=True)


def measure(root: Path, state: Path) -> None:
    """Print everything."""
    before = resident()
    with Database.open(f"sqlite:///{state}") as database:
        database.migrate()

        def load(checkpoint: Checkpoint) -> LoadedSource:
            policy = Policy()
            return load_source(
                database, root, source_id="default", policy=policy, checkpoint=checkpoint
            )

        stamps = FolderStamps(root)
        follower = SourceFollower(
            database, "default", load, hash_of,
            stamp=lambda _checkpoint: stamps.at(time.time_ns()),
        )  # fmt: skip
        first = cpu(follower.reconcile_once)
        least = cpu(lambda: read_files(root)) + cpu(lambda: fetch_rows(state))
        peer = "reading all files and rows"
        show("first start", first, least, peer)
        show("later start", cpu(follower.reconcile_once), least, peer)
        show("a poll that finds nothing new", cpu(follower.reconcile_once), least, peer)
        edited = root / "team-1" / "a00001.yaml"
        edited.write_text(edited.read_text().replace("Triage number 1", "Edited"))
        show("an edit of one file", cpu(follower.reconcile_once), least, peer)
        as_json = cpu_of_json(export(database))
        show("an export", cpu(lambda: json.dumps(export(database))), as_json, "its json.dumps")
        database.release_memory()
        release_memory()
        print(f"{'memory afterwards':<34} {resident():7.0f} MiB    {before:6.0f} MiB before")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--autopilots", type=int, default=20_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "manifests"
        write_folder(root, options.autopilots)
        measure(root, Path(name) / "state.db")


if __name__ == "__main__":
    main()

"""First plan, plan of what did not change, and apply, of many files; whole processes.

Beside PyYAML's C loader reading the same files, plain sqlite3 inserting the same rows, and, where
`terraform` is on the path, its first plan of as many `terraform_data` resources.
"""

import argparse
import shutil
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

from bench.processes import PYTHON, RECONCILER, best_of

AGENT = """\
apiVersion: autopilots/v1
kind: Agent
metadata: {name: bot}
spec: {runtime: {type: worker}}
"""
AUTOPILOT = """\
apiVersion: autopilots/v1
kind: Autopilot
metadata:
  name: autopilot-{i:05}
  labels: {{team: core}}
spec:
  title: Autopilot number {i}
  description: |
    Read the issues opened since yesterday and label them.
  assignee: {{type: agent, id: bot}}
  concurrencyPolicy: queue
  triggers:
    - name: weekdays
      kind: schedule
      cron: "{minute} {hour} * * MON-FRI"
      timezone: Europe/Rome
    - name: release
      kind: api
"""
PEER = """\
import pathlib, sys, yaml
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.yaml")):
    with path.open("rb") as file:
        for document in yaml.load_all(file, Loader=yaml.CSafeLoader):
            pass
"""
TERRAFORM = (
    'resource "terraform_data" "autopilot_{i:05}" {{\n  input = {{ title = "Number {i}" }}\n}}\n'
)
_PER_FOLDER = 100
_WRITTEN = ("manifest", "agent", "autopilot", "autopilot_trigger", "source_file", "revision")


def write_manifests(folder: Path, count: int) -> None:
    """So many files of one autopilot with two triggers each, and an agent."""
    folder.mkdir()
    (folder / "agent.yaml").write_text(AGENT)
    for i in range(count):
        place = folder / f"group-{i // _PER_FOLDER:03}"
        place.mkdir(exist_ok=True)
        text = AUTOPILOT.format(i=i, minute=i % 60, hour=i % 24)
        (place / f"autopilot-{i:05}.yaml").write_text(text)


def write_rows(like: Path, new: Path) -> float:
    """Seconds that sqlite3 takes to insert the rows of a database into tables like its own."""
    with closing(sqlite3.connect(like)) as old, closing(sqlite3.connect(new)) as copy:
        copy.isolation_level = None
        for (sql,) in old.execute("SELECT sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"):
            if sql is not None:
                copy.execute(sql)
        for setting in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            copy.execute(f"PRAGMA {setting}")
        rows = {table: old.execute(f"SELECT * FROM {table}").fetchall() for table in _WRITTEN}
        began = time.perf_counter()
        copy.execute("BEGIN IMMEDIATE")
        for table, values in rows.items():
            places = ", ".join("?" * len(values[0]))
            copy.executemany(f"INSERT INTO {table} VALUES ({places})", values)
        copy.execute("COMMIT")
        return time.perf_counter() - began


def terraform(folder: Path, count: int, times: int) -> float | None:
    """Seconds that Terraform takes to plan as many resources for the first time, if it is here."""
    if shutil.which("terraform") is None:
        return None
    folder.mkdir()
    text = "".join(TERRAFORM.format(i=i) for i in range(count))
    (folder / "main.tf").write_text(text)
    best_of(1, ["terraform", "init", "-input=false"], folder=folder)
    return best_of(
        times, ["terraform", "plan", "-input=false", "-lock=false"], folder=folder
    ).seconds


def remove_state(folder: Path) -> None:
    """As on the first day."""
    shutil.rmtree(folder / ".reconciler", ignore_errors=True)


def measure(folder: Path, count: int, times: int) -> None:
    """Measure and print."""
    write_manifests(folder / "manifests", count)
    plan = [*RECONCILER, "plan", "manifests"]
    apply = [*RECONCILER, "apply", "manifests", "--yes"]
    peer = best_of(times, [PYTHON, "-c", PEER, "manifests"], folder=folder)
    first = best_of(times, plan, folder=folder)
    applied = best_of(times, apply, folder=folder, before=lambda: remove_state(folder))
    again = best_of(times, [*plan, "--detailed-exitcode"], folder=folder)
    limits = [
        write_rows(folder / ".reconciler" / "state.db", folder / f"{n}.db") for n in range(times)
    ]
    limit, writing = min(limits), applied.seconds - first.seconds
    print(f"{count:,} files of one autopilot with two triggers each, best of {times}")
    for name, best in (("PyYAML CSafeLoader", peer), ("first plan", first), ("plan again", again)):
        ratio = best.seconds / peer.seconds
        print(f"  {name:<26}{best.seconds:7.2f} s  {ratio:5.2f} x PyYAML  {best.peak:6.0f} MiB")
    print(f"  {'apply':<26}{applied.seconds:7.2f} s  {writing:5.2f} s of it beyond the plan")
    print(
        f"  {'sqlite3, the same rows':<26}{limit:7.2f} s  {limit / writing:5.2f} of what apply adds"
    )
    print(f"  {'':<26}           {limit / applied.seconds:5.2f} of the whole process")
    other = terraform(folder / "terraform", count, times)
    if other is not None:
        plans = f"{other / first.seconds:.1f} x our first plan, {other / again.seconds:.1f} x again"
        print(f"  {'terraform, first plan':<26}{other:7.2f} s  {plans}")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        measure(Path(name), given.count, given.times)


if __name__ == "__main__":
    main()

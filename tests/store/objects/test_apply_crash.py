"""A crash at any point of an apply leaves the old state or the new one."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event

from reconciler.control.apply.reconcile import ApplyRequest, apply_once
from reconciler.core.manifest.state import Desired
from reconciler.store.engine.database import Database
from reconciler.store.revisions.revisions import Via
from tests.support.applying import current_of, token_hash, whole
from tests.support.worlds import agent, autopilot, desired, schedule

HOOK = {"name": "hook", "kind": "webhook", "signature": {"scheme": "none"}}
ASKING = ApplyRequest(actor="ada", via=Via.CLI)


class PowerCut(BaseException):
    """Not an Exception: nothing in the code may catch it and go on."""


@contextmanager
def power_cut_at(place: int, *, commit: bool = False) -> Iterator[None]:
    """Raise before the `place`-th statement of any write, or before its COMMIT."""
    seen = 0

    def count(connection: Connection, *_: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == place:
            raise PowerCut

    name = "commit" if commit else "before_cursor_execute"
    event.listen(Engine, name, count)
    try:
        yield
    finally:
        event.remove(Engine, name, count)


FIRST = desired(
    agent(),
    agent("leaves"),
    autopilot("moves-from", triggers=[schedule("a"), HOOK]),
    autopilot("stays", triggers=[schedule("a")]),
    autopilot("goes", triggers=[schedule("a")]),
    revision="first",
)
SECOND = desired(
    agent(limit=3),
    agent("comes"),
    autopilot("moves-to", former=["moves-from"], triggers=[schedule("b"), HOOK]),
    autopilot("stays", title="Edited", triggers=[schedule("a", "1 * * * *")]),
    revision="second",
)


def apply(database: Database, wanted: Desired) -> None:
    apply_once(database, wanted, ASKING, token_hash=token_hash)


def test_a_cut_before_any_statement_changes_nothing(database: Database) -> None:
    apply(database, FIRST)
    before = whole(database)
    place = 0
    while True:
        place += 1
        try:
            with power_cut_at(place):
                apply(database, SECOND)
        except PowerCut:
            assert whole(database) == before, f"cut before statement {place}"
        else:
            break
    assert place > 20  # it was cut all along the way
    assert whole(database) != before
    assert {key.name for key in current_of(database).objects} == {
        "bot", "comes", "moves-to", "stays",
    }  # fmt: skip


def test_a_cut_before_the_commit_changes_nothing(database: Database) -> None:
    apply(database, FIRST)
    before = whole(database)
    commits = 0
    while True:
        commits += 1
        try:
            with power_cut_at(commits, commit=True):
                apply(database, SECOND)
        except PowerCut:
            assert whole(database) == before
        else:
            break
    assert commits > 1


_BACK_AND_FORTH = """
import sys
from reconciler.control.apply.reconcile import ApplyRequest, apply_once
from reconciler.store.engine.database import Database
from reconciler.store.revisions.revisions import Via
from tests.support.applying import token_hash
from tests.store.objects.test_apply_crash import LEFT, RIGHT
with Database.open(sys.argv[1]) as database:
    while True:
        for wanted in (LEFT, RIGHT):
            asking = ApplyRequest(actor="ada", via=Via.CLI)
            apply_once(database, wanted, asking, token_hash=token_hash)
            print("applied", flush=True)
"""


def _side(title: str) -> Desired:
    many = (autopilot(f"a-{n}", title=title, triggers=[schedule("s")]) for n in range(60))
    return desired(agent(), *many, revision=title)


LEFT, RIGHT = _side("left"), _side("right")


def test_kill_9_at_any_moment_leaves_one_side_or_the_other(
    database: Database, database_url: str
) -> None:
    chance = random.Random(7)
    sides = {"left": LEFT, "right": RIGHT}
    for _ in range(5):
        command = [sys.executable, "-c", _BACK_AND_FORTH, database_url]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"applied\n"
            time.sleep(chance.uniform(0, 0.1))  # a real process: somewhere in its applies
            os.kill(process.pid, signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
        current = current_of(database)
        assert current.applied is not None
        wanted = sides[current.applied.id]
        assert {key: row.digest for key, row in current.objects.items()} == {
            key: entry.digest for key, entry in wanted.objects.items()
        }
        assert all(not row.drifted for row in current.objects.values())

"""Whatever somebody writes by hand into one row, lists show the others, and say which one it is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Column, Table, insert, select, text
from structlog.testing import capture_logs

from reconciler.core.base.errors import Conflict
from reconciler.core.base.identity import Revision
from reconciler.core.runs.run import Completed
from reconciler.store.checked import tell
from reconciler.store.engine.database import Tx
from reconciler.store.notify.lists import EntryFilter, attempts_of, find_entries, get_entry
from reconciler.store.past import durations
from reconciler.store.revisions.revisions import (
    Attempt,
    RevisionResult,
    Via,
    find_attempt,
    get_attempt,
    last_applied,
    list_attempts,
    record,
    removals_since,
)
from reconciler.store.runs.approvals import ask_approval, last_approval, unanswered_times
from reconciler.store.tables import (
    approval,
    autopilot_run,
    delivery,
    notification,
    notification_attempt,
    revision,
)
from reconciler.store.webhooks.deliveries import (
    Delivery,
    deliveries_between,
    get_delivery,
    insert_deliveries,
    list_deliveries,
)
from tests.support.notifying import outbox, tells
from tests.support.rig import Rig, agent, autopilot, webhook
from tests.support.vandal import break_column, garbage

WHOSE = {"id", "trigger_id", "autopilot_id", "workspace_id", "run_id", "source_id", "channel",
         "notification_id", "occasion"}  # fmt: skip
"""Columns that say which row it is, and whose."""
CHECKED = {"verdict", "via", "result", "decision", "kind", "status"}
"""A constraint keeps anything else out of these."""
UNLISTED = {"body"}
"""What only whoever asks for the row itself is shown."""
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Kind:
    """Rows of which there are lists: how so many are made, listed and read, by their ids."""

    table: Table
    make: Callable[[Rig, int], Sequence[Any]]
    list: Callable[[Tx, int], list[Any]]
    get: Callable[[Tx, Any], object]
    is_refused: frozenset[str]
    """Some of the columns in which nothing can be made of garbage."""


def make_deliveries(rig: Rig, count: int) -> Sequence[str]:
    rig.apply(agent(), autopilot("triage", webhook()))
    trigger, now = rig.triggers()["hook"], rig.clock.now()
    made = Delivery("", now, "accepted", 202, True, {}, trigger.id, trigger.autopilot_id, "default")
    rows = [made._replace(id=rig.ids.new(now)) for _ in range(count)]
    rig.database.write(lambda tx: insert_deliveries(tx, rows))
    return [row.id for row in rows]


def make_revisions(rig: Rig, count: int) -> Sequence[int]:
    now = rig.clock.now()
    attempt = Attempt(
        source_id="default", revision=Revision("a" * 40, "ada", "Fix", now), actor="ada",
        via=Via.SERVER, result=RevisionResult.APPLIED, created_at=now, counts={"create": 1},
        workspaces=frozenset({"default"}),
    )  # fmt: skip
    return rig.database.write(lambda tx: [record(tx, attempt) for _ in range(count)])


def make_notifications(rig: Rig, count: int) -> Sequence[str]:
    rig.apply(agent(), autopilot("triage", maxConcurrency=100, notify=[tells("completed")]))
    rig.end(rig.launch(), Completed("done"))
    (entry,) = outbox(rig)
    ids = [rig.ids.new(rig.clock.now()) for _ in range(count - 1)]

    def copy(tx: Tx) -> None:
        row = dict(tx.execute(select(notification)).mappings().one())
        tx.execute(insert(notification), [{**row, "id": id_, "occasion": id_} for id_ in ids])

    if ids:
        rig.database.write(copy)
    return [entry.id, *ids]


KINDS = [
    pytest.param(
        Kind(
            delivery,
            make_deliveries,
            lambda tx, most: [row.id for row in list_deliveries(tx, limit=most)],
            get_delivery,
            frozenset({"received_at", "status_code", "headers"}),
        ),
        id="deliveries",
    ),
    pytest.param(
        Kind(
            revision,
            make_revisions,
            lambda tx, most: [row.id for row in list_attempts(tx, limit=most)],
            get_attempt,
            frozenset({"created_at", "committed_at", "counts", "workspaces"}),
        ),
        id="revisions",
    ),
    pytest.param(
        Kind(
            notification,
            make_notifications,
            lambda tx, most: [row.id for row in find_entries(tx, EntryFilter(), limit=most)],
            get_entry,
            frozenset({"created_at", "due_at", "detail"}),
        ),
        id="notifications",
    ),
]


def ways_to_break(rig: Rig, table: Table) -> list[tuple[Column[Any], str]]:
    """Each column of a table with each value, as SQL, that cannot be read from it."""
    columns = [column for column in table.c if column.name not in WHOSE | CHECKED | UNLISTED]
    return [(column, value) for column in columns for value in garbage(column, rig.database.name)]


def why_unreadable(rig: Rig, kind: Kind, id_: Any) -> str | None:
    """What somebody is told who asks for this row itself; None where it can be read."""
    try:
        rig.database.read(lambda tx: kind.get(tx, id_))
    except Conflict as error:
        return f"{error.reason}: {error}"
    return None


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_shows_the_others_and_the_log_says_which_is_left_out(rig: Rig, kind: Kind) -> None:
    ways = ways_to_break(rig, kind.table)
    oldest, *ids = kind.make(rig, len(ways) + 1)
    for (column, value), id_ in zip(ways, ids, strict=True):
        break_column(rig, column, value, id_)
    tell.cache_clear()  # revisions have numbers, and other tests had the same ones
    with capture_logs() as logs:
        shown = rig.database.read(lambda tx: kind.list(tx, len(ways) + 1))
        assert rig.database.read(lambda tx: kind.list(tx, len(shown))) == shown
    assert oldest in shown
    refused = dict[str, str]()
    for (column, _), id_ in zip(ways, ids, strict=True):
        why = why_unreadable(rig, kind, id_)
        assert (why is None) == (id_ in shown), (column, why)
        if why is not None:
            assert f"its column {column.name} holds" in why
            assert str(id_) in why
            refused[why] = column.name
    assert {*refused.values()} >= kind.is_refused
    assert sorted(f"row-unreadable: {entry['why']}" for entry in logs) == sorted(refused)


def test_what_is_in_force_is_the_newest_revision_that_can_be_read(rig: Rig) -> None:
    """A source that is followed goes on from there."""
    ways = ways_to_break(rig, revision)
    oldest, *ids = make_revisions(rig, len(ways) + 1)
    for (column, value), id_ in zip(ways, ids, strict=True):
        break_column(rig, column, value, id_)
    for id_ in ids:  # those that can be read all the same are of another source
        moved = text("UPDATE revision SET source_id = 'other' WHERE id = :id").bindparams(id=id_)
        try:
            rig.database.read(lambda tx, id_=id_: get_attempt(tx, id_))  # type: ignore[misc]
        except Conflict:
            continue
        rig.database.write(lambda tx, moved=moved: tx.execute(moved))  # type: ignore[misc]
    applied = rig.database.read(lambda tx: last_applied(tx, "default"))
    assert applied is not None
    assert applied.id == oldest
    since, everywhere = rig.clock.now() - HOUR, frozenset({"default"})
    assert rig.database.read(lambda tx: removals_since(tx, "default", since)) == 0
    assert rig.database.read(lambda tx: find_attempt(tx, "a" * 40, everywhere)) is not None


def test_what_is_explained_by_deliveries_is_told_by_those_that_can_be_read(rig: Rig) -> None:
    oldest, newest = make_deliveries(rig, 2)
    now, trigger = rig.clock.now(), rig.triggers()["hook"]
    for value in garbage(delivery.c.received_at, rig.database.name):
        break_column(rig, delivery.c.received_at, value, newest)
        read = rig.database.read(
            lambda tx: deliveries_between(tx, trigger.id, now - HOUR, now + HOUR, 1)
        )
        assert [row.id for row in read] == [oldest]


def test_attempts_to_send(rig: Rig) -> None:
    (entry,) = make_notifications(rig, 1)
    sent = {"notification_id": entry, "at": rig.clock.now(), "result": "sent"}
    ways = garbage(notification_attempt.c.at, rig.database.name)
    rig.database.write(
        lambda tx: tx.execute(insert(notification_attempt), [sent] * (len(ways) + 1))
    )
    first = rig.database.read(lambda tx: attempts_of(tx, entry))[0].id
    for number, value in enumerate(ways, 1):
        break_column(rig, notification_attempt.c.at, value, first + number)
    assert [logged.id for logged in rig.database.read(lambda tx: attempts_of(tx, entry))] == [first]


def test_a_question_that_cannot_be_read_is_asked_anew(rig: Rig) -> None:
    rig.apply(agent(), autopilot())
    run, now = rig.launch(), rig.clock.now()

    def ask(tx: Tx) -> int:
        return ask_approval(tx, run.id, "may I?", "", now, reported=True)

    moments = (approval.c.asked_at, approval.c.settled_at)
    for column in moments:
        for value in garbage(column, rig.database.name):
            break_column(rig, column, value, rig.database.write(ask))
            assert rig.database.read(lambda tx: last_approval(tx, run.id)) is None
    again = rig.database.write(ask)
    asked = rig.database.read(lambda tx: last_approval(tx, run.id))
    assert asked is not None
    assert asked.id == again
    rig.database.write(ask)
    times = rig.database.read(lambda tx: unanswered_times(tx, run.id, 100))
    assert {*times} == {timedelta(0)}


def test_how_long_runs_take_is_told_by_those_that_can_be_read(rig: Rig) -> None:
    rig.apply(agent(), autopilot(maxConcurrency=100))
    ways = garbage(autopilot_run.c.admitted_at, rig.database.name)
    runs = [rig.launch() for _ in range(len(ways) + 1)]
    rig.clock.advance(minutes=5)
    for run in runs:
        rig.end(run, Completed("done"))
    for run, value in zip(runs[1:], ways, strict=True):
        break_column(rig, autopilot_run.c.admitted_at, value, run.id)
    of = runs[0].autopilot_id
    assert rig.database.read(lambda tx: durations(tx, [of])) == {of: timedelta(minutes=5)}

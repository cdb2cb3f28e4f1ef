"""What admission reads under the lock."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update

from reconciler.core.runs.run import Completed, Source
from reconciler.store import tables
from reconciler.store.engine.batches import SIZE, batches
from reconciler.store.engine.database import Database, Tx
from reconciler.store.runs.occupancy import (
    hold_unchanged,
    lock_autopilots,
    read_live,
    read_occupancy,
    save_breaker,
    save_pause,
    save_resume,
)
from reconciler.store.tables import manifest
from tests.support.rig import Rig, agent, autopilot, id_of, schedule

AT = datetime(2026, 11, 2, 7, tzinfo=UTC)


def test_an_autopilot_as_the_run_side_sees_it(rig: Rig) -> None:
    spec: dict[str, Any] = {
        "concurrencyPolicy": "queue",
        "maxConcurrency": 2,
        "limits": {"perHour": 3},
        "timeout": "5m",
        "queueTtl": "2h",
        "issueTitleTemplate": "{{ date }}",
        "concurrencyKey": "payload.k",
        "pauseAfterFailures": 9,
    }
    rig.apply(agent(), autopilot(**spec))
    live = rig.live()
    assert (live.workspace, live.name, live.title) == ("default", "triage", "Triage")
    assert (live.assignee, live.template, live.key_expression) == (
        ("agent", "bot"), "{{ date }}", "payload.k",
    )  # fmt: skip
    assert (live.timeout, live.queue_ttl) == (timedelta(minutes=5), timedelta(hours=2))
    assert (live.policy.policy, live.policy.max_concurrency, live.policy.per_hour) == (
        "queue", 2, 3,
    )  # fmt: skip
    assert live.pause_after_failures == 9


def test_what_is_not_there_is_left_out(rig: Rig) -> None:
    assert rig.database.read(lambda tx: read_live(tx, ["?"])) == {}
    assert rig.database.write(lambda tx: lock_autopilots(tx, [])) == {}


@pytest.mark.parametrize("size", [0, 1, SIZE, SIZE + 1, 3 * SIZE])
def test_ids_come_in_pieces(size: int) -> None:
    ids = [str(number) for number in range(size)]
    pieces = [*batches(ids)]
    assert [id_ for piece in pieces for id_ in piece] == ids
    assert all(len(piece) <= SIZE for piece in pieces)


def test_open_runs_oldest_first_active_and_waiting(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule(), concurrencyPolicy="queue"))
    first, second, third = rig.launch(), rig.launch(payload={"n": 1}), rig.launch()
    rig.end(first, Completed())
    rig.tick(minutes=1)
    live, now = rig.live(), rig.clock.now()
    found = rig.database.read(lambda tx: read_occupancy(tx, [live], now))[live.id]
    fourth = rig.runs()[-1]
    assert [(one.id, one.active) for one in found.open] == [
        (second.id, True), (third.id, False), (fourth.id, False),
    ]  # fmt: skip
    assert [one.mergeable for one in found.open] == [False, False, True]
    assert fourth.source is Source.SCHEDULE


def test_admissions_are_read_only_where_there_are_limits(rig: Rig) -> None:
    spec = {"maxConcurrency": 9}
    rig.apply(agent(), autopilot("free", **spec), autopilot("bound", limits={"perDay": 9}, **spec))
    for name in ("free", "bound"):
        rig.launch(name)
        rig.clock.advance(hours=23)
        rig.launch(name)
        rig.clock.advance(hours=2)
    lives, now = [rig.live("free"), rig.live("bound")], rig.clock.now()
    found = rig.database.read(lambda tx: read_occupancy(tx, lives, now))
    assert found[lives[0].id].admitted == []
    assert found[lives[1].id].admitted == [now - timedelta(hours=2)]


def test_who_locks_waits_for_who_holds(rig: Rig, database_url: str) -> None:
    rig.apply(agent(), autopilot())
    order: list[str] = []
    holding, waiting = threading.Event(), threading.Event()

    def hold(tx: Tx) -> None:
        lock_autopilots(tx, [id_of("triage")])
        if not holding.is_set():
            holding.set()
            waiting.wait(60)
        order.append("first")

    def second() -> None:
        with Database.open(database_url) as other:
            holding.wait(60)
            waiting.set()
            other.write(lambda tx: order.append("second") if wait(tx) else None)

    def wait(tx: Tx) -> bool:
        return bool(lock_autopilots(tx, [id_of("triage")]))

    thread = threading.Thread(target=second)
    thread.start()
    rig.database.write(hold)
    thread.join(60)
    assert order == ["first", "second"]


def test_switches_are_written_and_lifted(rig: Rig) -> None:
    rig.apply(agent(), autopilot())
    triage, now, write = id_of("triage"), rig.clock.now(), rig.database.write
    write(lambda tx: save_pause(tx, triage, now, "ada", "holiday"))
    write(lambda tx: save_breaker(tx, triage, 3, now, "r1"))
    switches = rig.live().switches
    assert (switches.paused_by, switches.failures, switches.breaker_probe) == ("ada", 3, "r1")
    write(lambda tx: save_resume(tx, triage, now))
    switches = rig.live().switches
    assert (switches.paused_at, switches.breaker_opened_at, switches.in_force_since) == (
        None, None, now,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "same"),
    [
        pytest.param({}, True, id="nobody touched it"),
        pytest.param({"last_run_at": AT}, True, id="what decides nothing"),
        pytest.param({"paused_at": AT, "paused_by": "ada"}, False, id="paused"),
        pytest.param({"failures": 3, "breaker_opened_at": AT}, False, id="broken"),
        pytest.param({"in_force_since": AT}, False, id="resumed"),
        pytest.param({"archived_at": AT}, False, id="archived"),
        pytest.param({"applied_digest": "other"}, False, id="another manifest"),
    ],
)
def test_who_is_held_only_as_he_was_read(rig: Rig, change: dict[str, Any], same: bool) -> None:
    rig.apply(agent(), autopilot())
    live = rig.live()

    def edit_and_hold(tx: Tx) -> bool:
        if "applied_digest" in change:
            tx.execute(insert(manifest).values(digest="other", document={}))
        if change:
            tx.execute(update(tables.autopilot).values(change))
        return hold_unchanged(tx, {live.id: live}) == {live.id: live}

    assert rig.database.write(edit_and_hold) is same

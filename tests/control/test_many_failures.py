"""However many rows of a round fail, it comes to what is behind them."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update
from structlog.testing import capture_logs

from reconciler.control.apart import Failures
from reconciler.control.notify.log_channel import LogChannel
from reconciler.control.runs.tick import Ticker, tick_once
from reconciler.core.notify.entry import NotificationStatus
from reconciler.core.runs.run import Completed, Reason, Run, Source, Status
from reconciler.dispatch.base import Stopped
from reconciler.store.engine.database import Tx
from reconciler.store.notify.queue import SCANNED
from reconciler.store.runs.runs import insert_runs
from reconciler.store.tables import autopilot_run, autopilot_trigger, notification
from tests.control.dispatching.test_proof import HTTP, Agents, rounds, runner
from tests.support.clock import START
from tests.support.notifying import outbox, send, tells
from tests.support.rig import COOLDOWN, Rig, agent, autopilot, schedule
from tests.support.vandal import garbage, refused

ASKED = {"cancel_requested_at": START, "cancel_reason": Reason.CANCELLED, "cancel_note": ""}
BEGUN = {"status": Status.RUNNING, "handle": {"pid": 1}, "lease_until": START, "attempts": 1}
BATCH = 5
"""Rows that a round reads at once, here."""
TITLE = "OLD.title = 'refused'"


def behind(rig: Rig, first: Run) -> Run:
    """A run like the first one, behind as many as a round reads whose rows cannot be changed."""
    now = rig.clock.now()
    refused = [replace(first, id=rig.ids.new(now), title="refused") for _ in range(BATCH)]
    later = timedelta(seconds=1)
    moments = {
        name: moment + later
        for name in ("deadline_at", "expires_at", "cancel_requested_at")
        if (moment := getattr(first, name)) is not None
    }
    last = replace(first, id=rig.ids.new(now), title="last", **moments)
    head = update(autopilot_run).where(autopilot_run.c.id == first.id).values(title="refused")
    rig.database.write(lambda tx: tx.execute(head))
    rig.database.write(lambda tx: insert_runs(tx, [*refused, last]))
    return last


def failures(rig: Rig) -> Failures:
    """What failed, by the clock of the rig."""
    return Failures(rig.clock.monotonic)


def ticker_of(rig: Rig) -> Ticker:
    """What rounds of the clock remember of each other."""
    failed = {name: failures(rig) for name in ("unwritten", "unexpired", "unadmitted")}
    return Ticker(rig.database, rig.titles, rig.ids, COOLDOWN, batch=BATCH, **failed)


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param(
            BEGUN | {"lease_owner": "other", "lease_until": START + timedelta(days=1)},
            id="past their deadline",
        ),
        pytest.param(ASKED, id="to be stopped before they began"),
        pytest.param(ASKED | {"attempts": 1}, id="to be stopped between two attempts"),
        pytest.param(BEGUN | {"lease_owner": "gone"}, id="of a server that died"),
        pytest.param(
            BEGUN | {"lease_owner": "worker:w", "lease_token": "t"}, id="of silent workers"
        ),
    ],
)
def test_runs_that_cannot_be_changed_hold_up_none_behind_them(
    rig: Rig, columns: dict[str, Any]
) -> None:
    rig.apply(agent(runtime=HTTP), autopilot(timeout="5m"))
    last = behind(rig, rig.launch())
    rig.database.write(lambda tx: tx.execute(update(autopilot_run).values(columns)))
    rig.clock.advance(minutes=6)

    async def body() -> None:
        async with runner(rig, Agents(rig.clock, [], [Stopped()])) as context:
            context.batch = BATCH
            context.unstopped, context.untaken, context.silent = (failures(rig) for _ in range(3))
            await rounds(context, 3)

    with refused(rig, autopilot_run, TITLE), capture_logs() as logs:
        asyncio.run(body())
    current = rig.run_of(last.id)
    if columns.get("lease_owner") == "other":
        assert current.cancel_reason == Reason.TIMED_OUT
    else:
        assert current.ended or current.lease_owner == "here"
    told = [(entry["event"], entry["id"]) for entry in logs if entry["log_level"] == "error"]
    assert len(told) == len({*told})
    assert len({run_id for _, run_id in told}) == BATCH + 1


def test_waiting_runs_that_cannot_be_ended_hold_up_none_behind_them(rig: Rig) -> None:
    rig.apply(agent(), autopilot(concurrencyPolicy="queue", queueTtl="5m"))
    rig.launch()
    last = behind(rig, rig.launch())
    rig.clock.advance(minutes=6)
    ticker = ticker_of(rig)
    with refused(rig, autopilot_run, TITLE), capture_logs():
        tick_once(ticker)
        assert tick_once(ticker).expired == [last.id]


def test_triggers_that_cannot_be_written_hold_up_none_behind_them(rig: Rig) -> None:
    names = [f"refused-{number}" for number in range(BATCH)]
    every_minute = schedule("* * * * *", name="refused")
    rig.apply(
        agent(), *(autopilot(name, every_minute) for name in names),
        autopilot("last", schedule("*/2 * * * *")),
    )  # fmt: skip
    rig.clock.advance(minutes=2)
    ticker = ticker_of(rig)
    with refused(rig, autopilot_trigger, "OLD.name = 'refused'"), capture_logs() as logs:
        tick_once(ticker)
        assert [run.source for run in rig.runs("last")] == [Source.SCHEDULE]
        rig.clock.advance(minutes=2)
        assert [run.autopilot for run in tick_once(ticker).runs] == ["last"]
    told = [entry["id"] for entry in logs if entry["event"] == "trigger cannot be stalled"]
    assert {*told} == ticker.unwritten.ids()
    assert len(told) == len(names)


def test_notifications_that_cannot_be_read_hold_up_none_behind_them(rig: Rig) -> None:
    rig.apply(agent(), autopilot(notify=[tells("completed")]))
    rig.end(rig.launch(), Completed("done"))
    (entry,) = outbox(rig)
    (broken, *_) = garbage(notification.c.created_at, rig.database.name)

    def write(tx: Tx) -> None:
        row = dict(tx.execute(select(notification)).mappings().one())
        copies = [{**row, "id": f"0{number:035}"} for number in range(SCANNED)]
        for copy in copies:
            copy["occasion"] = copy["id"]
        tx.execute(insert(notification), copies)
        edit = f"UPDATE notification SET created_at = {broken} WHERE id <> :id"  # noqa: S608
        tx.execute(text(edit), {"id": entry.id})

    rig.database.write(write)
    with capture_logs():
        send(rig, {"oncall": LogChannel()})
    (sent,) = outbox(rig)
    assert (sent.id, sent.status) == (entry.id, NotificationStatus.SENT)

"""When triggers last fired, whoever fired them, on both databases."""

from collections.abc import Iterator
from datetime import timedelta
from threading import Event, Thread

import pytest
from sqlalchemy import select

from reconciler.store.engine.database import Database, Tx
from reconciler.store.objects.fired import save_fired
from reconciler.store.tables import autopilot_trigger
from tests.support.clock import FakeClock
from tests.support.postgres import Server
from tests.support.receiver import Receiver
from tests.support.rig import Rig, agent, autopilot, schedule, webhook

API = {"name": "call", "kind": "api"}
EVERYTHING = (schedule("0 9 * * *"), webhook(), API)


def fired(rig: Rig) -> dict[str, object]:
    """When each trigger last fired."""
    return {name: entry.last_fired_at for name, entry in rig.triggers().items()}


def test_each_trigger_has_a_moment_of_its_own(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", *EVERYTHING))
    assert set(fired(rig).values()) == {None}
    called = rig.clock.now()
    rig.launch(trigger="call")
    rig.clock.advance(minutes=1)
    sent = rig.clock.now()
    assert Receiver(rig).send(b"{}").status == 202
    rig.clock.advance(hours=1)
    rig.tick()
    due = called.replace(hour=9, minute=0)
    assert fired(rig) == {"call": called, "hook": sent, "clock": due + timedelta(minutes=1)}


def test_a_run_of_nobodys_trigger_and_an_ignored_delivery_fire_none(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", webhook(when="payload.n > 5"), API))
    rig.launch()
    assert Receiver(rig).send(b'{"n": 1}').body["status"] == "ignored"
    assert set(fired(rig).values()) == {None}


@pytest.fixture
def on_postgres(postgres: Server) -> Iterator[Rig]:
    """A system on PostgreSQL, where several write at once."""
    clock = FakeClock()
    with postgres.fresh() as url, Database.open(url, clock=clock.now) as database:
        rig = Rig(database, clock)
        yield rig
        rig.close()


@pytest.mark.postgres
def test_a_row_that_an_apply_holds_is_not_waited_for(on_postgres: Rig) -> None:
    rig = on_postgres
    rig.apply(agent(), autopilot("triage", API))
    id_, held, seen = rig.triggers()["call"].id, Event(), Event()

    def hold(tx: Tx) -> None:
        tx.execute(select(autopilot_trigger.c.id).with_for_update()).all()
        held.set()
        assert seen.wait(60)

    holder = Thread(target=lambda: rig.database.write(hold))
    holder.start()
    try:
        assert held.wait(60)
        rig.database.write(lambda tx: save_fired(tx, {id_: rig.clock.now()}))
    finally:
        seen.set()
        holder.join(60)
    assert fired(rig) == {"call": None}

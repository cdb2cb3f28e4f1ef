"""Deliveries: kept with their body, listed without, counted when they come again."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.store.engine.database import Database
from reconciler.store.webhooks.deliveries import (
    Delivery,
    DeliveryFilter,
    count_again,
    count_deliveries,
    get_delivery,
    insert_deliveries,
    list_deliveries,
)
from tests.support.plans import plan_of
from tests.support.rig import Rig, agent, autopilot, id_of, webhook


@pytest.fixture
def hook(rig: Rig) -> Rig:
    """An autopilot with a webhook."""
    rig.apply(agent(), autopilot("triage", webhook()))
    return rig


def a_delivery(rig: Rig, **changes: Any) -> Delivery:
    """An accepted delivery."""
    values: dict[str, Any] = {
        "id": rig.ids.new(rig.clock.now()),
        "received_at": rig.clock.now(),
        "verdict": "accepted",
        "status_code": 202,
        "verified": True,
        "headers": {},
        "workspace_id": "default",
        "trigger_id": rig.triggers()["hook"].id,
        "autopilot_id": id_of("triage"),
    }
    return Delivery(**values | changes)


def stored(rig: Rig, *deliveries: Delivery) -> None:
    """Record deliveries."""
    rig.database.write(lambda tx: insert_deliveries(tx, deliveries))


def listed(rig: Rig, **where: Any) -> list[str]:
    """The ids of a list."""
    page = {name: where.pop(name) for name in ("limit", "before") if name in where}
    fits = DeliveryFilter(**where)
    return [one.id for one in rig.database.read(lambda tx: list_deliveries(tx, fits, **page))]


def test_what_goes_in_comes_out(hook: Rig) -> None:
    body = bytes(range(256))
    full = a_delivery(
        hook,
        reason="because",
        scheme="github",
        event="push",
        provider_id="d1",
        headers={"user-agent": "ü"},
        content_type="application/json",
        body=body,
        body_size=256,
        body_sha256="0" * 64,
        run_id=hook.launch().id,
        attempts=2,
    )
    stored(hook, full)
    assert hook.database.read(lambda tx: get_delivery(tx, full.id)) == full
    assert hook.database.read(lambda tx: get_delivery(tx, "nobody")) is None


def test_a_body_is_not_in_lists_and_not_in_messages(hook: Rig) -> None:
    one = a_delivery(hook, body=b"s3cret")
    stored(hook, one)
    (found,) = hook.database.read(lambda tx: list_deliveries(tx))
    assert found.body is None
    assert "s3cret" not in repr(one)


def test_lists_are_newest_first_in_pages(hook: Rig) -> None:
    made = [a_delivery(hook) for _ in range(5)]
    stored(hook, *made)
    ids = [one.id for one in made][::-1]
    assert listed(hook) == ids
    assert listed(hook, limit=2) == ids[:2]
    assert listed(hook, limit=2, before=ids[1]) == ids[2:4]


def test_filters(hook: Rig) -> None:
    good = a_delivery(hook)
    ignored = a_delivery(hook, verdict="ignored")
    elsewhere = a_delivery(hook, workspace_id="other", trigger_id=None)
    stored(hook, good, ignored, elsewhere)
    assert listed(hook, verdict="ignored") == [ignored.id]
    assert listed(hook, workspaces=frozenset({"other"})) == [elsewhere.id]
    assert listed(hook, workspaces=frozenset()) == []
    assert set(listed(hook, trigger_id=good.trigger_id)) == {good.id, ignored.id}


def test_what_came_again_is_counted(hook: Rig) -> None:
    one, other = a_delivery(hook), a_delivery(hook)
    stored(hook, one, other)
    hook.database.write(lambda tx: count_again(tx, [one.id, one.id, "nobody"]))
    attempts = {d.id: d.attempts for d in hook.database.read(lambda tx: list_deliveries(tx))}
    assert attempts == {one.id: 3, other.id: 1}


def test_moments_keep_their_microseconds(hook: Rig) -> None:
    at = hook.clock.now() + timedelta(microseconds=123_457)
    one = a_delivery(hook, received_at=at)
    stored(hook, one)
    found = hook.database.read(lambda tx: get_delivery(tx, one.id))
    assert found is not None
    assert found.received_at == at


@pytest.mark.parametrize(
    ("where", "index"),
    [
        pytest.param({}, "sqlite_autoindex_delivery_1", id="nothing"),
        pytest.param(
            {"trigger_id": "t", "verdict": "refused"}, "ix_delivery_trigger", id="trigger"
        ),
        pytest.param({"verdict": "refused"}, "ix_delivery_unusual", id="refused"),
        pytest.param({"verdict": "accepted"}, "sqlite_autoindex_delivery_1", id="accepted"),
        pytest.param({"workspaces": frozenset({"red"})}, "ix_delivery_workspace", id="workspace"),
        pytest.param(
            {"workspaces": frozenset({"red", "blue"})}, "ix_delivery_workspace", id="workspaces"
        ),
        pytest.param(
            {"workspaces": frozenset({"red", "blue"}), "verdict": "ignored"},
            "ix_delivery_unusual",
            id="what was ignored, of two workspaces",
        ),
    ],
)
def test_a_page_is_read_along_one_index(
    sqlite_template: Path, where: dict[str, Any], index: str
) -> None:
    with Database.open(f"sqlite:///{sqlite_template}") as database:
        plan = plan_of(database, lambda tx: list_deliveries(tx, DeliveryFilter(**where)))
    assert any(index in line for line in plan), plan
    if len(where.get("workspaces", ())) < 2 or "verdict" in where:
        assert not any("B-TREE" in line for line in plan), plan


def test_pages_of_two_workspaces_neither_repeat_nor_leave_out(hook: Rig) -> None:
    spaces = ["red", "blue", "green"] * 4
    made = [a_delivery(hook, workspace_id=one) for one in spaces]
    stored(hook, *made)
    both, seen = frozenset({"red", "blue"}), list[str]()
    while page := listed(hook, workspaces=both, limit=3, before=seen[-1] if seen else None):
        seen += page
    assert seen == [one.id for one in reversed(made) if one.workspace_id in both]


def test_those_to_an_autopilot_come_in_pages_from_all_its_triggers(rig: Rig) -> None:
    """Removed triggers too: what came to them is history of the autopilot."""
    rig.apply(
        agent(), autopilot("triage", webhook("hook"), webhook("b")), autopilot("x", webhook())
    )
    names = {name: trigger.id for name, trigger in rig.triggers().items()}
    of_other = rig.triggers("x")["hook"].id
    rig.apply(agent(), autopilot("triage", webhook("hook")), autopilot("x", webhook()))
    triggers = [names["hook"], names["b"], of_other] * 3
    made = [
        a_delivery(
            rig,
            trigger_id=trigger,
            autopilot_id=id_of("x" if trigger == of_other else "triage"),
            verdict=("accepted", "ignored")[number % 2],
        )
        for number, trigger in enumerate(triggers)
    ]
    stored(rig, *made)
    mine = [one.id for one in reversed(made) if one.trigger_id != of_other]
    seen = list[str]()
    while page := listed(
        rig, autopilot_id=id_of("triage"), limit=2, before=seen[-1] if seen else None
    ):
        seen += page
    assert seen == mine
    ignored = [one.id for one in reversed(made) if one.id in mine and one.verdict == "ignored"]
    assert listed(rig, autopilot_id=id_of("triage"), verdict="ignored") == ignored
    counts = [
        rig.database.read(
            lambda tx, w=where, m=most: count_deliveries(tx, DeliveryFilter(**w), m)  # type: ignore[misc]
        )
        for where, most in (
            ({"autopilot_id": id_of("triage")}, 100),
            ({"autopilot_id": id_of("triage"), "verdict": "ignored"}, 100),
            ({"autopilot_id": id_of("nobody")}, 100),
            ({}, 100),
            ({}, 4),
        )
    ]
    assert counts == [6, len(ignored), 0, 9, 4]

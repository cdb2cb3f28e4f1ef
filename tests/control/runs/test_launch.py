"""Runs by hand and by call: admitted as every run, refused aloud when not in force."""

from typing import Any

import pytest

from reconciler.control.runs.launch import Order
from reconciler.control.runs.switches import pause
from reconciler.core.base.errors import Conflict, NotFound
from reconciler.core.runs.run import Failed, Reason, Source, Status
from tests.support.rig import Rig, agent, autopilot, id_of, schedule

API = {"name": "release", "kind": "api"}


@pytest.fixture
def triage(rig: Rig) -> Rig:
    """An autopilot with triggers of several kinds, one of them disabled."""
    off = {"name": "off", "kind": "api", "enabled": False}
    rig.apply(agent(), autopilot("triage", schedule(), API, off, maxConcurrency=5))
    return rig


@pytest.mark.parametrize(
    ("trigger", "source"),
    [
        pytest.param(None, Source.MANUAL, id="without a trigger"),
        pytest.param("release", Source.API, id="an api trigger"),
        pytest.param("clock", Source.MANUAL, id="as if another trigger had fired"),
    ],
)
def test_where_it_comes_from(triage: Rig, trigger: str | None, source: Source) -> None:
    run = triage.launch(trigger=trigger, payload={"n": 1}, actor="ada")
    assert (run.source, run.trigger, run.payload, run.actor) == (source, trigger, {"n": 1}, "ada")
    assert (run.status, run.active, run.scheduled_for) == (Status.PENDING, True, None)


def test_a_trigger_may_be_named_by_its_id(triage: Rig) -> None:
    assert triage.launch(trigger=triage.triggers()["release"].id).source is Source.API


def test_the_policy_counts(rig: Rig) -> None:
    rig.apply(agent(), autopilot())
    first, second = rig.launch(), rig.launch()
    assert (second.status, second.reason, second.blocked_by) == ("skipped", "overlap", first.id)


def test_title_and_key_are_evaluated(rig: Rig) -> None:
    spec = {
        "issueTitleTemplate": "{{ run.source }}: {{ payload.n }}",
        "concurrencyKey": "payload.k",
    }
    rig.apply(agent(), autopilot(**spec))
    run = rig.launch(payload={"n": 7, "k": "x"})
    assert (run.title, run.key) == ("manual: 7", "x")


def test_there_is_no_such_autopilot(rig: Rig) -> None:
    with pytest.raises(NotFound, match=id_of("triage")):
        rig.launch()


def test_there_is_no_such_trigger_and_the_message_names_those_there_are(triage: Rig) -> None:
    with pytest.raises(NotFound, match=r"no trigger 'nope'; it has: clock, off, release"):
        triage.launch(trigger="nope")


def test_a_disabled_trigger_takes_force(triage: Rig) -> None:
    with pytest.raises(Conflict) as error:
        triage.launch(trigger="off")
    assert error.value.reason == "trigger-disabled"
    assert triage.launch(trigger="off", force=True).forced


class TestNotInForce:
    def test_a_pause_takes_force(self, triage: Rig) -> None:
        now = triage.clock.now()
        triage.database.write(lambda tx: pause(tx, id_of("triage"), "ada", "holiday", now))
        with pytest.raises(Conflict, match=r"by ada \(holiday\); `--force`") as error:
            triage.launch()
        assert error.value.reason == "not-in-force"
        assert triage.launch(force=True).active

    def test_an_open_breaker_takes_force(self, rig: Rig) -> None:
        rig.apply(agent(), autopilot(pauseAfterFailures=1))
        rig.end(rig.launch(), Failed(Reason.LOST, "gone"))
        with pytest.raises(Conflict, match="the breaker opened"):
            rig.launch()
        assert rig.launch(force=True).active

    @pytest.mark.parametrize("how", ["by its manifest", "left its source"])
    def test_what_is_archived_refuses_even_that(self, triage: Rig, how: str) -> None:
        if how == "left its source":
            triage.apply(agent(), autopilot("other"))
        else:
            triage.apply(agent(), autopilot("triage", status="archived"))
        with pytest.raises(Conflict, match="is archived") as error:
            triage.launch(force=True)
        assert "--force" not in str(error.value)
        assert triage.runs() == []


class TestIdempotency:
    def test_the_same_key_is_the_same_run(self, triage: Rig) -> None:
        first = triage.launch(idempotency_key="k", payload={"n": 1})
        assert triage.launch(idempotency_key="k", payload={"n": 1}).id == first.id
        assert len(triage.runs()) == 1

    @pytest.mark.parametrize(
        "other",
        [
            pytest.param({"payload": {"n": 2}}, id="another payload"),
            pytest.param({"trigger": "release"}, id="another trigger"),
            pytest.param({"force": True}, id="by force"),
        ],
    )
    def test_the_key_for_something_else_is_refused(
        self, triage: Rig, other: dict[str, Any]
    ) -> None:
        triage.launch(idempotency_key="k")
        with pytest.raises(Conflict) as error:
            triage.launch(idempotency_key="k", **other)
        assert error.value.reason == "idempotency-key-reused"

    def test_the_order_of_the_payload_does_not_matter(self, triage: Rig) -> None:
        one = triage.launch(idempotency_key="k", payload={"a": 1, "b": 2})
        assert triage.launch(idempotency_key="k", payload={"b": 2, "a": 1}).id == one.id

    def test_it_is_answered_also_while_paused(self, triage: Rig) -> None:
        first = triage.launch(idempotency_key="k")
        now = triage.clock.now()
        triage.database.write(lambda tx: pause(tx, id_of("triage"), "ada", None, now))
        assert triage.launch(idempotency_key="k").id == first.id

    def test_what_was_refused_used_up_no_key(self, triage: Rig) -> None:
        now = triage.clock.now()
        triage.database.write(lambda tx: pause(tx, id_of("triage"), "ada", None, now))
        with pytest.raises(Conflict):
            triage.launch(idempotency_key="k")
        assert triage.launch(idempotency_key="k", force=True).active

    def test_after_72_hours_it_is_free(self, triage: Rig) -> None:
        first = triage.launch(idempotency_key="k")
        triage.clock.advance(hours=72)
        assert triage.launch(idempotency_key="k", payload={"n": 2}).id != first.id

    def test_autopilots_have_keys_of_their_own(self, rig: Rig) -> None:
        rig.apply(agent(), autopilot("one"), autopilot("two"))
        assert (
            rig.launch("one", idempotency_key="k").id != rig.launch("two", idempotency_key="k").id
        )

    def test_the_fingerprint_is_of_what_was_asked(self) -> None:
        prints = {
            Order(autopilot_id="a", actor="ada", payload=1).fingerprint(),
            Order(autopilot_id="a", actor="bob", payload=1).fingerprint(),
            Order(autopilot_id="a", payload="1").fingerprint(),
        }
        assert len(prints) == 2

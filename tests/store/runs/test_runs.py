"""Runs in the database: what goes in comes out, moves are compare-and-swap, lists are filtered."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from reconciler.core.base.errors import Conflict
from reconciler.core.runs.run import (
    Completed,
    Failed,
    Reason,
    Run,
    Source,
    Status,
    WaitingFor,
    may_become,
)
from reconciler.store.runs.conditions import owned_by
from reconciler.store.runs.ends import end_run
from reconciler.store.runs.lists import RunFilter, list_runs
from reconciler.store.runs.runs import (
    autopilots_with_waiters,
    change_run,
    expired_waiters,
    get_run,
    get_runs,
    insert_runs,
    request_cancel,
)
from tests.support.rig import Rig, agent, autopilot, id_of, schedule, webhook

HOUR = timedelta(hours=1)


@pytest.fixture
def triage(rig: Rig) -> Rig:
    """An autopilot with a schedule and a webhook."""
    rig.apply(agent(), autopilot("triage", schedule(), webhook()), autopilot("other"))
    return rig


def a_run(rig: Rig, name: str = "triage", **changes: Any) -> Run:
    """A run that was admitted, not yet stored."""
    now, live = rig.clock.now(), rig.live(name)
    run = Run(
        id=rig.ids.new(now),
        autopilot_id=live.id,
        workspace=live.workspace,
        autopilot=live.name,
        source=Source.MANUAL,
        status=Status.PENDING,
        triggered_at=now,
        created_at=now,
        spec_digest=live.digest,
        admitted_at=now,
        deadline_at=now + HOUR,
    )
    return replace(run, **changes)


def stored(rig: Rig, *runs: Run) -> list[Run]:
    """The runs, stored and read back."""
    rig.database.write(lambda tx: insert_runs(tx, runs))
    return [rig.run_of(run.id) for run in runs]


def listed(rig: Rig, **where: Any) -> list[str]:
    """The ids of a filtered list."""
    return [run.id for run in rig.database.read(lambda tx: list_runs(tx, RunFilter(**where)))]


def test_what_goes_in_comes_out(triage: Rig) -> None:
    now, trigger = triage.clock.now(), triage.triggers()["clock"]
    full = a_run(
        triage,
        source=Source.SCHEDULE,
        status=Status.FAILED,
        trigger_id=trigger.id,
        trigger="clock",
        reason=Reason.LOST,
        failure_reason="gone",
        note="passed over",
        title="Zażółć 🐍",
        key="k",
        scheduled_for=now,
        started_at=now,
        completed_at=now + HOUR,
        expires_at=now + 2 * HOUR,
        next_attempt_at=now,
        attempts=3,
        session_id="s1",
        handle={"pid": 7, "host": "vm"},
        agent="bot",
        payload={"n": [1, None, 2.5, "ü", 2**60]},
        result="text",
        revision="c0ffee",
        commit="c0ffee",
        actor="ada",
        forced=True,
        blocked_by="b",
        replaced_by="r",
        delivery_id="d",
        cancel_requested_at=now,
        cancel_reason=Reason.TIMED_OUT,
        cancel_note="too long",
        nonce="n0nce",
    )
    assert stored(triage, full) == [full]


def test_a_list_has_payload_and_result_and_is_newest_first(triage: Rig) -> None:
    runs = stored(triage, *(a_run(triage, payload={"n": n}) for n in range(3)))
    found = triage.database.read(lambda tx: list_runs(tx, RunFilter()))
    assert found == runs[::-1]


def test_pages_neither_repeat_nor_leave_out(triage: Rig) -> None:
    ids = [run.id for run in stored(triage, *(a_run(triage) for _ in range(7)))]
    seen: list[str] = []
    while True:
        before = seen[-1] if seen else None
        page = triage.database.read(
            lambda tx, last=before: list_runs(tx, RunFilter(), limit=3, before=last)  # type: ignore[misc]
        )
        if not page:
            break
        seen += [run.id for run in page]
    assert seen == ids[::-1]


def test_filters(triage: Rig) -> None:
    early = a_run(triage)
    triage.clock.advance(hours=1)
    trigger = triage.triggers()["hook"].id
    hook = a_run(triage, source=Source.WEBHOOK, trigger_id=trigger, status=Status.RUNNING)
    ended = a_run(
        triage, status=Status.SKIPPED, reason=Reason.OVERLAP, completed_at=early.created_at
    )
    other = a_run(triage, "other")
    stored(triage, early, hook, ended, other)
    noon = triage.clock.now()
    assert listed(triage, autopilot_id=id_of("other")) == [other.id]
    assert listed(triage, status="running") == [hook.id]
    assert listed(triage, source="webhook") == [hook.id]
    assert listed(triage, reason="overlap") == [ended.id]
    assert listed(triage, until=noon - HOUR) == [early.id]
    assert set(listed(triage, since=noon)) == {hook.id, ended.id, other.id}
    assert listed(triage, workspaces=frozenset({"elsewhere"})) == []
    assert listed(triage, workspaces=frozenset()) == []
    assert len(listed(triage, workspaces=frozenset({"default"}))) == 4


def test_several_by_id_and_one_that_is_not_there(triage: Rig) -> None:
    one, two = stored(triage, a_run(triage), a_run(triage))
    found = triage.database.read(lambda tx: get_runs(tx, [one.id, two.id, "nobody"]))
    assert found == {one.id: one, two.id: two}
    assert triage.database.read(lambda tx: get_run(tx, "nobody")) is None


def test_an_occurrence_has_one_run(triage: Rig) -> None:
    used: dict[str, Any] = {
        "trigger_id": triage.triggers()["clock"].id,
        "scheduled_for": triage.clock.now(),
    }
    stored(triage, a_run(triage, **used))
    with pytest.raises(Conflict) as error:
        stored(triage, a_run(triage, **used))
    assert error.value.reason == "occurrence-claimed"
    other = used | {"trigger_id": triage.triggers()["hook"].id}
    stored(triage, a_run(triage, **other))


def test_a_run_without_occurrence_is_not_concerned(triage: Rig) -> None:
    used: dict[str, Any] = {"trigger_id": triage.triggers()["hook"].id, "scheduled_for": None}
    assert len(stored(triage, a_run(triage, **used), a_run(triage, **used))) == 2


class TestCompareAndSwap:
    def test_a_change_is_made_while_it_has_not_ended(self, triage: Rig) -> None:
        (run,) = stored(triage, a_run(triage))
        write = triage.database.write
        assert write(lambda tx: change_run(tx, run.id, {"status": Status.RUNNING, "agent": "bot"}))
        assert triage.run_of(run.id) == replace(run, status=Status.RUNNING, agent="bot")
        triage.end(run, Completed())
        assert not write(lambda tx: change_run(tx, run.id, {"agent": "late"}))
        assert triage.run_of(run.id).agent == "bot"

    def test_a_change_of_a_run_that_is_not_there(self, triage: Rig) -> None:
        assert not triage.database.write(lambda tx: change_run(tx, "nobody", {"agent": "bot"}))

    def test_a_condition_that_no_longer_holds(self, triage: Rig) -> None:
        (run,) = stored(triage, a_run(triage, lease_owner="me"))
        write, values = triage.database.write, {"agent": "bot"}
        assert not write(lambda tx: change_run(tx, run.id, values, owned_by("you")))
        assert write(lambda tx: change_run(tx, run.id, values, owned_by("me")))

    def test_an_end_clears_the_lease_and_is_final(self, triage: Rig) -> None:
        leased: dict[str, Any] = {"lease_owner": "me", "lease_until": triage.clock.now() + HOUR}
        working: dict[str, Any] = {"status": Status.RUNNING, "waiting_for": WaitingFor.CLAIM}
        (run,) = stored(triage, a_run(triage, **working, **leased))
        ending = {"status": Status.COMPLETED, "completed_at": triage.clock.now()}
        write = triage.database.write
        assert not write(lambda tx: end_run(tx, run.id, ending, owned_by("you")))
        assert write(lambda tx: end_run(tx, run.id, ending, owned_by("me")))
        assert not write(lambda tx: end_run(tx, run.id, ending))
        ended = triage.run_of(run.id)
        assert (ended.lease_owner, ended.lease_until, ended.waiting_for) == (None, None, None)

    def test_the_first_request_to_stop_stands(self, triage: Rig) -> None:
        (run,) = stored(triage, a_run(triage))
        now, write = triage.clock.now(), triage.database.write
        assert write(lambda tx: request_cancel(tx, run.id, now, Reason.CANCELLED, "by ada"))
        assert not write(lambda tx: request_cancel(tx, run.id, now, Reason.TIMED_OUT, "late"))
        found = triage.run_of(run.id)
        assert (found.cancel_reason, found.cancel_note) == (Reason.CANCELLED, "by ada")


ENDS: dict[Status, dict[str, Any]] = {
    Status.COMPLETED: {},
    Status.SKIPPED: {"reason": Reason.OVERLAP},
    Status.FAILED: {"reason": Reason.LOST},
}


def with_end(rig: Rig, status: Status) -> dict[str, Any]:
    """The status, and what the tables ask for beside it."""
    if status not in ENDS:
        return {"status": status}
    return {"status": status, "completed_at": rig.clock.now(), **ENDS[status]}


@pytest.mark.parametrize("before", Status)
def test_only_moves_of_the_table_are_made(triage: Rig, before: Status) -> None:
    write = triage.database.write
    for after in Status:
        (run,) = stored(triage, a_run(triage, **with_end(triage, before)))
        values = with_end(triage, after) | {"note": "moved"}
        moved = write(lambda tx, r=run, v=values: change_run(tx, r.id, v))  # type: ignore[misc]
        assert moved is may_become(before, after)
        assert triage.run_of(run.id) == (replace(run, **values) if moved else run)


@pytest.mark.parametrize("before", [Status.PENDING, Status.SESSION_CREATED])
def test_an_end_is_a_move_too(triage: Rig, before: Status) -> None:
    (run,) = stored(triage, a_run(triage, status=before))
    ending = with_end(triage, Status.COMPLETED)
    assert not triage.database.write(lambda tx: end_run(tx, run.id, ending))
    assert triage.run_of(run.id) == run


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"status": Status.COMPLETED}, id="ended without a moment"),
        pytest.param({"status": Status.FAILED, "completed": True}, id="failed without a reason"),
        pytest.param({"reason": Reason.LOST}, id="a reason without a failure"),
        pytest.param({"status": Status.RUNNING, "admitted_at": None}, id="running, not admitted"),
    ],
)
def test_the_database_refuses_what_cannot_be(triage: Rig, broken: dict[str, Any]) -> None:
    values = {**broken}
    if values.pop("completed", False):
        values["completed_at"] = triage.clock.now()
    run = a_run(triage, **values)
    with pytest.raises(Exception, match=r"(?i)constraint"):
        triage.database.write(lambda tx: insert_runs(tx, [run]))


class TestWaiters:
    def test_those_whose_time_is_over(self, triage: Rig) -> None:
        now = triage.clock.now()
        waits: dict[str, Any] = {"admitted_at": None, "deadline_at": None}
        over, not_yet, active = stored(
            triage,
            a_run(triage, expires_at=now, **waits),
            a_run(triage, expires_at=now + timedelta(seconds=1), **waits),
            a_run(triage, expires_at=now),
        )
        found = triage.database.read(lambda tx: expired_waiters(tx, now))
        assert [run.id for run in found] == [over.id]
        assert {not_yet.id, active.id}.isdisjoint({run.id for run in found})

    def test_whose_autopilots_have_some(self, triage: Rig) -> None:
        later = triage.clock.now() + timedelta(hours=1)
        waits: dict[str, Any] = {"admitted_at": None, "deadline_at": None, "expires_at": later}
        run, _, _ = stored(
            triage, a_run(triage, **waits), a_run(triage, **waits), a_run(triage, "other")
        )
        assert triage.database.read(autopilots_with_waiters) == [id_of("triage")]
        triage.end(run, Failed(Reason.CANCELLED, "the other one is let in then"))
        assert triage.database.read(autopilots_with_waiters) == []

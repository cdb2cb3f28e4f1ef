"""Leases: taken once, renewed by the living, lost by the dead."""

from datetime import datetime, timedelta

import pytest

from reconciler.control.runs.launch import Order
from reconciler.core.runs.run import Completed, Reason, Run, Status, WaitingFor
from reconciler.store.runs.leases import (
    abandoned,
    adopt_run,
    claimable,
    count_leased,
    held_by,
    load_of,
    overdue,
    release,
    release_all,
    renew,
    take,
    unattended_cancels,
    untouched_cancels,
    wait_on,
)
from reconciler.store.runs.runs import change_run, request_cancel
from tests.support.rig import Rig, agent, autopilot, id_of, manifest

LEASE = timedelta(seconds=30)


@pytest.fixture
def runs(rig: Rig) -> list[Run]:
    """Three active runs that nobody works on."""
    rig.apply(agent(), autopilot(maxConcurrency=10, timeout="1h"))
    return [rig.launch() for _ in range(3)]


def took(rig: Rig, run: Run, owner: str = "me") -> bool:
    """Lease a run for 30 seconds."""
    now = rig.clock.now()
    current = rig.run_of(run.id)
    return rig.database.write(lambda tx: take(tx, current, owner, now, now + LEASE, "bot"))


def changed(rig: Rig, run: Run, **values: object) -> None:
    """Change a run."""
    assert rig.database.write(lambda tx: change_run(tx, run.id, values))


def ready(rig: Rig) -> list[str]:
    """What may be claimed now."""
    now = rig.clock.now()
    return [run.id for run in rig.database.read(lambda tx: claimable(tx, now, 100))]


class TestClaimable:
    def test_the_oldest_first(self, rig: Rig, runs: list[Run]) -> None:
        assert ready(rig) == [run.id for run in runs]

    @pytest.mark.parametrize(
        "values",
        [
            pytest.param({"status": Status.RUNNING}, id="began"),
            pytest.param({"waiting_for": WaitingFor.CLAIM}, id="is for a worker to claim"),
            pytest.param({"admitted_at": None}, id="is not admitted"),
            pytest.param({"next_attempt_at": datetime.fromisoformat("2026-11-02T08:01+00:00")},
                         id="its next attempt is later"),
        ],
    )  # fmt: skip
    def test_not_what(self, rig: Rig, runs: list[Run], values: dict[str, object]) -> None:
        changed(rig, runs[0], **values)
        assert runs[0].id not in ready(rig)

    def test_an_attempt_whose_time_has_come(self, rig: Rig, runs: list[Run]) -> None:
        at = rig.clock.now() + timedelta(minutes=1)
        changed(rig, runs[0], next_attempt_at=at, waiting_for=WaitingFor.RETRY)
        rig.clock.advance(minutes=1)
        assert runs[0].id in ready(rig)

    def test_not_what_is_to_stop(self, rig: Rig, runs: list[Run]) -> None:
        now = rig.clock.now()
        rig.database.write(lambda tx: request_cancel(tx, runs[0].id, now, Reason.CANCELLED, "…"))
        assert runs[0].id not in ready(rig)

    def test_not_what_is_leased_until_the_lease_runs_out(self, rig: Rig, runs: list[Run]) -> None:
        took(rig, runs[0])
        assert runs[0].id not in ready(rig)
        rig.clock.advance(seconds=30)
        assert runs[0].id in ready(rig)

    def test_workspaces_take_turns(self, rig: Rig, runs: list[Run]) -> None:
        spec = {"title": "T", "assignee": {"type": "agent", "id": "bot"}}
        rig.apply(
            agent(),
            autopilot(maxConcurrency=10, timeout="1h"),
            manifest("Agent", "bot", {"runtime": {"type": "worker"}}, workspace="quiet"),
            manifest("Autopilot", "late", spec, workspace="quiet"),
        )
        rig.clock.advance(minutes=1)
        late = rig.launcher.launch(Order(autopilot_id=id_of("late", "quiet")))
        assert ready(rig) == [runs[0].id, late.id, runs[1].id, runs[2].id]


class TestTaking:
    def test_it_is_leased_and_counted(self, rig: Rig, runs: list[Run]) -> None:
        assert took(rig, runs[0])
        run = rig.run_of(runs[0].id)
        assert (run.lease_owner, run.agent, run.attempts) == ("me", "bot", 1)
        assert run.lease_until == rig.clock.now() + LEASE

    def test_who_comes_second_gets_nothing(self, rig: Rig, runs: list[Run]) -> None:
        now = rig.clock.now()
        both = [
            rig.database.write(lambda tx, o=owner: take(tx, runs[0], o, now, now + LEASE, "bot"))  # type: ignore[misc]
            for owner in ("me", "you")
        ]
        assert both == [True, False]
        assert rig.run_of(runs[0].id).lease_owner == "me"

    def test_a_view_from_before_an_attempt_takes_nothing(self, rig: Rig, runs: list[Run]) -> None:
        took(rig, runs[0])
        now = rig.clock.advance(minutes=1)
        stale = runs[0]
        assert not rig.database.write(lambda tx: take(tx, stale, "you", now, now + LEASE, "bot"))

    def test_what_has_ended_is_not_taken(self, rig: Rig, runs: list[Run]) -> None:
        rig.end(runs[0], Completed())
        assert not took(rig, runs[0])


class TestLivingAndDead:
    def test_what_began_and_was_left_is_found_and_adopted_once(
        self, rig: Rig, runs: list[Run]
    ) -> None:
        took(rig, runs[0])
        changed(rig, runs[0], status=Status.RUNNING)
        now = rig.clock.now()
        assert rig.database.read(lambda tx: abandoned(tx, now)) == []
        now = rig.clock.advance(seconds=30)
        (found,) = rig.database.read(lambda tx: abandoned(tx, now))
        adopted = [
            rig.database.write(lambda tx, o=owner: adopt_run(tx, found, o, now, now + LEASE))  # type: ignore[misc]
            for owner in ("you", "they")
        ]
        assert adopted == [True, False]
        assert rig.run_of(found.id).lease_owner == "you"

    def test_what_never_began_is_claimed_and_not_adopted(self, rig: Rig, runs: list[Run]) -> None:
        took(rig, runs[0])
        now = rig.clock.advance(seconds=30)
        assert rig.database.read(lambda tx: abandoned(tx, now)) == []

    def test_renewing_prolongs_ones_own(self, rig: Rig, runs: list[Run]) -> None:
        took(rig, runs[0])
        took(rig, runs[1], "you")
        until = rig.clock.now() + 2 * LEASE
        assert rig.database.write(lambda tx: renew(tx, "me", until)) == 1
        assert rig.run_of(runs[0].id).lease_until == until
        assert rig.run_of(runs[1].id).lease_until == rig.clock.now() + LEASE

    def test_releasing_gives_back_ones_own(self, rig: Rig, runs: list[Run]) -> None:
        took(rig, runs[0])
        took(rig, runs[1], "you")
        assert rig.database.write(lambda tx: release(tx, "me")) == 1
        assert [run.id for run in rig.database.read(lambda tx: held_by(tx, "you"))] == [runs[1].id]
        assert ready(rig) == [runs[0].id, runs[2].id]
        assert rig.database.write(release_all) == 1
        assert len(ready(rig)) == 3

    def test_giving_back_to_wait(self, rig: Rig, runs: list[Run]) -> None:
        took(rig, runs[0])
        at = rig.clock.now() + timedelta(minutes=1)
        args = (runs[0].id, "me", WaitingFor.RETRY, at, 1)
        assert rig.database.write(lambda tx: wait_on(tx, *args))
        run = rig.run_of(runs[0].id)
        assert (run.waiting_for, run.next_attempt_at, run.lease_owner) == ("retry", at, None)
        assert not rig.database.write(lambda tx: wait_on(tx, *args))


def test_what_is_overdue_and_not_yet_asked_to_stop(rig: Rig, runs: list[Run]) -> None:
    now = rig.clock.advance(hours=1)
    rig.database.write(lambda tx: request_cancel(tx, runs[0].id, now, Reason.CANCELLED, "…"))
    late = rig.database.read(lambda tx: overdue(tx, now))
    assert {run.id for run in late} == {runs[1].id, runs[2].id}  # at one moment: in any order
    before = now - timedelta(seconds=1)
    assert rig.database.read(lambda tx: overdue(tx, before)) == []


def test_cancels_that_nobody_attends_to(rig: Rig, runs: list[Run]) -> None:
    now = rig.clock.now()
    for run in runs:
        rig.database.write(lambda tx, r=run: request_cancel(tx, r.id, now, Reason.CANCELLED, "…"))  # type: ignore[misc]
    took(rig, runs[0])
    changed(rig, runs[1], attempts=1)
    read = rig.database.read
    assert [run.id for run in read(lambda tx: untouched_cancels(tx, now))] == [runs[2].id]
    assert [run.id for run in read(lambda tx: unattended_cancels(tx, now))] == [runs[1].id]


def test_what_agents_have_in_hand(rig: Rig, runs: list[Run]) -> None:
    for run in runs[:2]:
        took(rig, run)
    assert rig.database.read(lambda tx: load_of(tx, ["default", "none"])) == {("default", "bot"): 2}
    assert rig.database.read(count_leased) == 2
    rig.end(runs[0], Completed())
    assert rig.database.read(count_leased) == 1
    assert rig.database.read(lambda tx: load_of(tx, [])) == {}

"""Workers: claim, heartbeat, complete; and the policy replace, whose proof is `complete`."""

import pytest

from reconciler.core.base.errors import Conflict
from reconciler.core.runs.run import Status
from tests.support.rig import Rig, agent, autopilot, schedule


def test_a_run_of_a_worker_agent_waits_for_its_claim(rig: Rig) -> None:
    rig.apply(agent(), autopilot())
    run = rig.launch(payload={"n": 1})
    rig.round()
    assert rig.run_of(run.id).waiting_for == "claim"
    (held,) = rig.claim()
    assert held.run.id == run.id
    assert '"n": 1' in held.prompt
    assert rig.claim() == []


def test_the_whole_life_of_a_claimed_run(rig: Rig) -> None:
    rig.apply(agent(), autopilot())
    run = rig.launch()
    rig.round()
    (held,) = rig.claim()
    assert rig.run_of(run.id).status is Status.SESSION_CREATED
    assert rig.beat(held).cancel is False
    assert rig.run_of(run.id).status is Status.RUNNING
    ended = rig.complete(held, result={"labels": 3})
    assert (ended.status, ended.result) == (Status.COMPLETED, {"labels": 3})
    with pytest.raises(Conflict):
        rig.complete(held)
    with pytest.raises(Conflict):
        rig.beat(held)


def test_work_that_ends_before_its_first_heartbeat_has_taken_its_time(rig: Rig) -> None:
    rig.apply(agent(), autopilot())
    run = rig.launch("triage")
    rig.round()
    (held,) = rig.claim()
    begun = rig.clock.now()
    rig.clock.advance(seconds=9)
    rig.complete(held)
    ended = rig.run_of(run.id)
    assert (ended.status, ended.started_at) == (Status.COMPLETED, begun)
    assert ended.completed_at == rig.clock.now()


def test_run_only_is_running_from_its_claim(rig: Rig) -> None:
    rig.apply(agent(), autopilot(executionMode="run_only"))
    run = rig.launch()
    rig.round()
    rig.claim()
    assert rig.run_of(run.id).status is Status.RUNNING


def test_a_worker_that_falls_silent_loses_its_run(rig: Rig) -> None:
    rig.apply(agent(), autopilot())
    rig.launch()
    rig.round()
    (held,) = rig.claim(seconds=30)
    rig.round(seconds=29)
    assert not rig.run_of(held.run.id).ended
    rig.round(seconds=2)
    lost = rig.run_of(held.run.id)
    assert (lost.status, lost.reason) == (Status.FAILED, "lost")
    assert "w1" in (lost.failure_reason or "")
    with pytest.raises(Conflict):
        rig.beat(held)


def test_somebody_elses_token_opens_nothing(rig: Rig) -> None:
    rig.apply(agent(), autopilot(), autopilot("other"))
    rig.launch()
    rig.launch("other")
    rig.round()
    first, second = rig.claim()
    first_with_wrong_token = type(first)(
        first.run, first.prompt, second.lease_token, first.lease_until
    )
    with pytest.raises(Conflict):
        rig.beat(first_with_wrong_token)


def test_replace_asks_the_old_run_to_stop_and_admits_the_new_one_on_proof(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule(), concurrencyPolicy="replace"))
    rig.tick(minutes=1)
    rig.round()
    (held,) = rig.claim(seconds=3600)
    rig.tick(minutes=1)
    old, new = rig.runs()
    assert (new.waiting, new.waiting_for, new.blocked_by) == (True, "replace", old.id)
    rig.round()
    assert rig.claim() == []
    assert rig.beat(held).cancel is True
    assert not rig.run_of(new.id).active
    rig.complete(held)
    old, new = rig.runs()
    assert (old.status, old.reason, old.replaced_by) == (Status.FAILED, "replaced", new.id)
    assert new.id in (old.failure_reason or "")
    assert new.active
    rig.round()
    assert [one.run.id for one in rig.claim()] == [new.id]


def test_a_waiter_that_a_newer_run_overtakes_fails_as_replaced(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule(), concurrencyPolicy="replace"))
    rig.tick(minutes=1)
    rig.tick(minutes=1)
    rig.tick(minutes=1)
    _, second, third = rig.runs()
    assert (second.status, second.reason) == (Status.FAILED, "replaced")
    assert second.replaced_by == third.id
    assert third.waiting


def test_without_proof_the_new_run_waits_until_the_deadline_and_half_a_minute(rig: Rig) -> None:
    spec = {"concurrencyPolicy": "replace", "timeout": "10m"}
    rig.apply(agent(), autopilot("triage", schedule("1 8 * * *"), **spec))
    rig.tick(minutes=1)
    rig.round()
    (held,) = rig.claim(seconds=3600)
    rig.launch()
    _, new = rig.runs()
    rig.round(minutes=10, seconds=29)
    assert not rig.run_of(held.run.id).ended
    assert not rig.run_of(new.id).active
    rig.round(seconds=2)
    old = rig.run_of(held.run.id)
    assert (old.status, old.reason) == (Status.FAILED, "lost")
    new = rig.run_of(new.id)
    assert new.active
    assert old.id in (new.note or "")


def test_a_lease_that_runs_out_is_no_proof_for_a_run_that_was_to_stop(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", concurrencyPolicy="replace", timeout="10m"))
    old = rig.launch()
    rig.round()
    rig.claim(seconds=10)
    new = rig.launch()
    rig.round(minutes=5)
    assert rig.run_of(old.id).active
    assert rig.run_of(new.id).waiting


def test_a_deadline_is_told_to_the_worker_and_its_answer_is_the_proof(rig: Rig) -> None:
    rig.apply(agent(), autopilot(timeout="5m"))
    run = rig.launch()
    rig.round()
    (held,) = rig.claim(seconds=3600)
    rig.round(minutes=5)
    assert rig.beat(held).cancel is True
    ended = rig.complete(held)
    assert (ended.id, ended.status, ended.reason) == (run.id, Status.FAILED, "timed_out")


def test_agents_take_no_more_than_they_can_and_others_wait(rig: Rig) -> None:
    rig.apply(
        agent(maxConcurrency=1),
        autopilot("one"),
        autopilot("two"),
    )
    first, second = rig.launch("one"), rig.launch("two")
    rig.round()
    (held,) = rig.claim()
    assert held.run.id == first.id
    assert rig.claim() == []
    rig.complete(held)
    assert [claimed.run.id for claimed in rig.claim()] == [second.id]


def test_a_run_that_no_worker_claims_in_time_says_so(rig: Rig) -> None:
    rig.apply(agent(), autopilot(timeout="5m"))
    run = rig.launch()
    rig.round()
    rig.round(minutes=5)
    ended = rig.run_of(run.id)
    assert (ended.status, ended.reason) == (Status.FAILED, "timed_out")
    assert ended.failure_reason == "no worker claimed it within its timeout of 5m"


def test_a_squad_passes_over_a_member_without_room_and_says_so(rig: Rig) -> None:
    squad = {
        "apiVersion": "autopilots/v1",
        "kind": "Squad",
        "metadata": {"name": "crew"},
        "spec": {"members": ["bot", "second"]},
    }
    assignee = {"type": "squad", "id": "crew"}
    rig.apply(
        agent(maxConcurrency=1),
        agent("second"),
        squad,
        autopilot("one", assignee=assignee),
        autopilot("two", assignee=assignee),
    )
    rig.launch("one")
    rig.round()
    second = rig.launch("two")
    rig.round()
    given = rig.run_of(second.id)
    assert given.agent == "second"
    assert "bot" in (given.note or "")

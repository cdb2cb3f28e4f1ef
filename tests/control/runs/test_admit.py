"""Admission in one transaction: what a batch of newcomers becomes, and what is written of it."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, ClassVar

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from sqlalchemy import Engine, event

from reconciler.control.runs.admit import Firing, admit_all
from reconciler.core.base.errors import Conflict
from reconciler.core.runs.run import Completed, Failed, Reason, Run, Source, Status
from reconciler.store.engine.database import Tx
from reconciler.store.runs.occupancy import lock_autopilots
from reconciler.store.tables import autopilot as table
from tests.support.applying import rows_of
from tests.support.health import SHARED_FIXTURE
from tests.support.rig import COOLDOWN, Rig, agent, autopilot, id_of, schedule, webhook

_NUMBERS = itertools.count()


def firing(rig: Rig, name: str = "triage", **more: Any) -> Firing:
    """A run of nobody's trigger that asks to be, now."""
    now = rig.clock.now()
    given = {"source": Source.MANUAL, "at": now, "title": "T", **more}
    return Firing(id=rig.ids.new(now), autopilot_id=id_of(name), **given)


def admit(rig: Rig, *firings: Firing) -> list[Run]:
    """Admit all in one transaction."""

    def write(tx: Tx) -> list[Run]:
        autopilots = lock_autopilots(tx, [each.autopilot_id for each in firings])
        return admit_all(tx, firings, rig.clock.now(), COOLDOWN, autopilots)

    return rig.database.write(write)


def shown(runs: list[Run]) -> list[str]:
    """What became of each, in a word."""
    return [str(run.reason or ("admitted" if run.active else run.waiting_for)) for run in runs]


@pytest.mark.parametrize(
    ("spec", "keys", "expected"),
    [
        pytest.param({}, ["", ""], ["admitted", "overlap"], id="skip"),
        pytest.param({"maxConcurrency": 2}, ["", "", ""], ["admitted", "admitted", "overlap"],
                     id="skip with room for two"),
        pytest.param({}, ["a", "b", "a"], ["admitted", "admitted", "overlap"], id="skip per key"),
        pytest.param({"maxActive": 1}, ["a", "b"], ["admitted", "overlap"], id="maxActive"),
        pytest.param({"concurrencyPolicy": "queue", "queueLimit": 1}, ["", "", ""],
                     ["admitted", "queue", "queue_full"], id="queue"),
        pytest.param({"concurrencyPolicy": "replace"}, ["", ""], ["admitted", "replace"],
                     id="replace"),
        pytest.param({"limits": {"perHour": 1}, "maxConcurrency": 5}, ["", ""],
                     ["admitted", "rate_limited"], id="limits"),
    ],
)  # fmt: skip
def test_each_of_a_batch_counts_for_the_next(
    rig: Rig, spec: dict[str, Any], keys: list[str], expected: list[str]
) -> None:
    rig.apply(agent(), autopilot(**spec))
    runs = admit(rig, *(firing(rig, key=key) for key in keys))
    assert shown(runs) == expected
    assert shown(rig.runs()) == expected


def test_a_batch_and_one_by_one_are_the_same(rig: Rig) -> None:
    spec = {"concurrencyPolicy": "queue", "queueLimit": 2, "maxConcurrency": 2}
    rig.apply(agent(), autopilot("one", **spec), autopilot("two", **spec))
    together = admit(rig, *(firing(rig, "one") for _ in range(6)))
    apart = [run for _ in range(6) for run in admit(rig, firing(rig, "two"))]
    assert shown(together) == shown(apart)


def test_what_is_written_of_an_admitted_run(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", webhook(), timeout="5m", queueTtl="2h"))
    trigger = rig.triggers()["hook"].id
    (made,) = admit(rig, firing(rig, trigger_id=trigger, payload={"n": 1}, key="k", actor="ada"))
    (run,) = rig.runs()
    now = rig.clock.now()
    assert (run.admitted_at, run.deadline_at) == (now, now + timedelta(minutes=5))
    assert run.expires_at == now + timedelta(hours=2)
    assert (run.payload, run.key, run.actor, run.trigger) == ({"n": 1}, "k", "ada", "hook")
    assert (run.spec_digest, run.revision) == (rig.live().digest, "sha256:test")
    assert run.commit is None
    assert run.nonce == made.nonce != ""


def test_a_waiting_run_has_no_deadline_before_it_is_admitted(rig: Rig) -> None:
    rig.apply(agent(), autopilot(concurrencyPolicy="queue"))
    first, second = admit(rig, firing(rig), firing(rig))
    assert (second.admitted_at, second.deadline_at) == (None, None)
    assert second.blocked_by == first.id


def test_force_passes_policy_and_limits_and_is_recorded(rig: Rig) -> None:
    rig.apply(agent(), autopilot(limits={"perHour": 1}))
    runs = admit(rig, firing(rig), firing(rig, forced=True))
    assert shown(runs) == ["admitted", "admitted"]
    assert [run.forced for run in rig.runs()] == [False, True]


def test_replace_asks_the_old_run_to_stop_and_names_the_new_one(rig: Rig) -> None:
    rig.apply(agent(), autopilot(concurrencyPolicy="replace"))
    admit(rig, firing(rig))
    admit(rig, firing(rig))
    admit(rig, firing(rig))
    old, overtaken, new = rig.runs()
    assert (old.cancel_reason, old.replaced_by) == (Reason.REPLACED, overtaken.id)
    assert old.active
    assert (overtaken.status, overtaken.reason) == (Status.FAILED, "replaced")
    assert (overtaken.replaced_by, new.waiting) == (new.id, True)


def test_an_occurrence_is_used_once_whoever_claims_it(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule(), maxConcurrency=5))
    occurrence: dict[str, Any] = {
        "trigger_id": rig.triggers()["clock"].id,
        "scheduled_for": rig.clock.now(),
        "source": Source.SCHEDULE,
    }
    admit(rig, firing(rig, **occurrence))
    with pytest.raises(Conflict, match="the occurrence already has its run"):
        admit(rig, firing(rig, **occurrence))
    assert len(rig.runs()) == 1


def test_one_that_cannot_be_written_takes_the_whole_batch_back(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule(), concurrencyPolicy="replace"))
    occurrence: dict[str, Any] = {
        "trigger_id": rig.triggers()["clock"].id,
        "scheduled_for": rig.clock.now(),
    }
    admit(rig, firing(rig, **occurrence))
    with pytest.raises(Conflict):
        admit(rig, firing(rig), firing(rig, **occurrence))
    (run,) = rig.runs()
    assert run.cancel_requested_at is None


def test_the_autopilot_notes_when_it_was_last_triggered(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage"))
    assert rows_of(rig.database, table)[0]["last_run_at"] is None
    admit(rig, firing(rig))
    assert rows_of(rig.database, table)[0]["last_run_at"] == rig.clock.now()


class TestTheProbe:
    """After the cool-down of the breaker one run passes, and its end decides."""

    @pytest.fixture
    def broken(self, rig: Rig) -> Rig:
        """An autopilot whose breaker has cooled down."""
        rig.apply(agent(), autopilot(pauseAfterFailures=1, maxConcurrency=5))
        admit(rig, firing(rig))
        rig.end(rig.runs()[0], Failed(Reason.LOST, "gone"))
        rig.clock.advance(minutes=15)
        return rig

    def test_one_of_a_batch_is_the_probe(self, broken: Rig) -> None:
        runs = admit(broken, *(firing(broken) for _ in range(3)))
        assert shown(runs) == ["admitted", "overlap", "overlap"]
        assert broken.live().switches.breaker_probe == runs[0].id

    def test_its_success_closes_the_breaker(self, broken: Rig) -> None:
        (probe,) = admit(broken, firing(broken))
        broken.end(probe, Completed())
        assert (broken.live().switches.failures, broken.live().switches.breaker_opened_at) == (
            0, None,
        )  # fmt: skip
        assert shown(admit(broken, firing(broken), firing(broken))) == ["admitted", "admitted"]

    def test_its_failure_opens_it_anew(self, broken: Rig) -> None:
        (probe,) = admit(broken, firing(broken))
        broken.end(probe, Failed(Reason.AGENT_FAILED, "exit 1"))
        switches = broken.live().switches
        assert (switches.failures, switches.breaker_opened_at) == (2, broken.clock.now())
        assert switches.breaker_probe is None

    def test_a_forced_run_is_no_probe(self, broken: Rig) -> None:
        admit(broken, firing(broken, forced=True))
        assert broken.live().switches.breaker_probe is None


class TestQueueKeepNewest:
    """`queueKeep: newest`: who works goes on, and only the newest run of a key waits."""

    SPEC: ClassVar[dict[str, Any]] = {
        "concurrencyPolicy": "queue",
        "queueKeep": "newest",
        "maxActive": 2,
    }

    def test_ten_pushes_to_one_pull_request_cost_two_runs(self, rig: Rig) -> None:
        rig.apply(agent(), autopilot(**self.SPEC))
        pushes = [admit(rig, firing(rig, key="7", payload={"push": n}))[0] for n in range(10)]
        first, *dropped, last = rig.runs()
        assert first.active
        assert first.cancel_requested_at is None
        assert (last.waiting, last.blocked_by) == (True, first.id)
        assert [(run.status, run.reason) for run in dropped] == [
            (Status.SKIPPED, Reason.SUPERSEDED)
        ] * 8
        # Each names the run that took its place, also in words.
        assert [run.replaced_by for run in dropped] == [run.id for run in pushes[2:]]
        for run in dropped:
            assert run.failure_reason == (
                f"run {run.replaced_by} is newer, and queueKeep is newest: "
                "only it waits for this key"
            )
        rig.end(first, Completed("reviewed"))
        rig.end(rig.run_of(last.id), Completed("reviewed"))
        assert [run.status for run in rig.runs()].count(Status.COMPLETED) == 2

    def test_those_of_one_transaction_take_each_others_place(self, rig: Rig) -> None:
        rig.apply(agent(), autopilot(**self.SPEC))
        admit(rig, *(firing(rig) for _ in range(4)))
        assert shown(rig.runs()) == ["admitted", "superseded", "superseded", "queue"]

    @given(events=st.lists(st.tuples(st.sampled_from("xyz"), st.booleans()), max_size=14))
    @settings(max_examples=12, deadline=None, suppress_health_check=SHARED_FIXTURE)
    def test_whatever_comes_and_ends_the_newest_of_each_key_gets_its_turn(
        self, rig: Rig, events: list[tuple[str, bool]]
    ) -> None:
        """Each event is a push to one of three, or the end of the oldest run that works on it."""
        name = f"a{next(_NUMBERS)}"
        rig.apply(agent(), autopilot(name, **self.SPEC))
        newest: dict[str, str] = {}
        for key, is_push in events:
            working = [run for run in rig.runs(name) if run.active]
            assert len(working) <= 2
            if is_push:
                newest[key] = admit(rig, firing(rig, name, key=key))[0].id
            elif mine := [run for run in working if run.key == key]:
                rig.end(mine[0], Completed("done"))
            waiting = [run for run in rig.runs(name) if run.waiting]
            assert sorted({run.key for run in waiting}) == sorted(run.key for run in waiting)
            assert all(run.id == newest[run.key] for run in waiting)
            active = {run.id for run in rig.runs(name) if run.active}
            assert {run.blocked_by for run in waiting} <= active
        while working := [run for run in rig.runs(name) if run.active]:
            rig.end(working[0], Completed("done"))
        ended = {run.id: run for run in rig.runs(name)}
        # Nothing was stopped, nothing was left behind, and the newest push of each key was done.
        assert {run.status for run in ended.values()} <= {Status.COMPLETED, Status.SKIPPED}
        assert all(ended[id_].status is Status.COMPLETED for id_ in newest.values())
        for run in ended.values():
            if run.status is Status.SKIPPED:
                assert run.reason is Reason.SUPERSEDED
                assert run.replaced_by is not None
                assert ended[run.replaced_by].created_at >= run.created_at


def test_who_is_in_the_way_is_written_only_where_it_is_another_run(rig: Rig) -> None:
    rig.apply(agent(), autopilot(concurrencyPolicy="queue"))
    admit(rig, *(firing(rig, key=key) for key in "aaabb"))
    first, second, third, other, _ = rig.runs()
    with blockers_written() as rows:
        rig.tick()
        rig.end(other, Completed("done"))  # whoever waits of the other key waits on
        assert rows == []
        rig.end(first, Completed("done"))
        assert sum(rows) == 1
    assert rig.run_of(second.id).active
    assert rig.run_of(third.id).blocked_by == second.id


@contextmanager
def blockers_written() -> Iterator[list[int]]:
    """The rows of each statement that writes which run is in the way."""
    rows: list[int] = []

    def count(_connection: object, cursor: Any, statement: str, *_: object) -> None:
        if statement.startswith("UPDATE autopilot_run SET blocked_by="):
            rows.append(cursor.rowcount)

    event.listen(Engine, "after_cursor_execute", count)
    try:
        yield rows
    finally:
        event.remove(Engine, "after_cursor_execute", count)

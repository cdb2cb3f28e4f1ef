"""`queueKeep: newest`, whatever arrives and ends: the newest run of a key gets its turn, and no run
that works is stopped for it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.runs.run import Completed, Failed, Reason, Run, Status
from tests.control.conftest import Fresh
from tests.support.rig import Document, Rig, agent, autopilot

MORNING = datetime(2026, 11, 2, 8, tzinfo=UTC)
CAPS = st.fixed_dictionaries({"maxConcurrency": st.integers(1, 2), "maxActive": st.integers(1, 3)})
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.sampled_from("xy"), st.just(True)),
        st.tuples(st.just("push"), st.sampled_from("xyz"), st.just(True)),
        st.tuples(st.just("end"), st.integers(0, 2), st.booleans()),
        st.tuples(st.just("pass"), st.sampled_from([1, 61]), st.just(True)),
    ),
    min_size=5,
    max_size=18,
)


def carry_out(rig: Rig, what: str, which: Any, well: bool) -> None:
    """One thing that happens."""
    rig.clock.advance(seconds=1)
    match what:
        case "push":
            rig.launch(payload={"k": which})
        case "end" if working := [run for run in rig.runs() if run.active]:
            outcome = Completed("done") if well else Failed(Reason.AGENT_FAILED, "no")
            rig.end(working[which % len(working)], outcome)
        case "pass":
            rig.tick(seconds=which)


def by_key(runs: Sequence[Run]) -> Mapping[str, list[Run]]:
    """The runs of each key, oldest first."""
    keys: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        keys[run.payload["k"]].append(run)
    return keys


def holds(runs: Sequence[Run], caps: Document) -> None:
    """What is true at any moment."""
    active = [run for run in runs if run.active]
    assert all(run.cancel_requested_at is None for run in active)
    for of_key in by_key(runs).values():
        waiting = [run for run in of_key if not run.ended and not run.active]
        assert waiting in ([], of_key[-1:])  # nobody but the newest one
        assert of_key[-1].status is not Status.SKIPPED
        working = sum(run.active for run in of_key)
        if waiting:
            assert working == caps["maxConcurrency"] or len(active) == caps["maxActive"]
        later = {run.id for run in of_key}
        for run in of_key:
            later.remove(run.id)
            if run.status is Status.SKIPPED:
                assert (run.reason, run.admitted_at) == (Reason.SUPERSEDED, None)
                assert run.replaced_by in later
    # Whoever was admitted ended as the test ended it.
    ends = {run.reason for run in runs if run.ended and run.admitted_at}
    assert ends <= {None, Reason.AGENT_FAILED}


def live_through(fresh: Fresh, caps: Document, steps: list[tuple[str, Any, bool]]) -> None:
    """Let it happen, then let all work end: by then the newest run of each key has had its turn."""
    with fresh(MORNING) as rig:
        rig.apply(
            agent(),
            autopilot(
                concurrencyPolicy="queue",
                queueKeep="newest",
                concurrencyKey="payload.k",
                pauseAfterFailures=0,
                **caps,
            ),
        )
        for step in steps:
            carry_out(rig, *step)
            holds(rig.runs(), caps)
        for _ in range(len(steps)):
            carry_out(rig, "end", 0, True)
        for of_key in by_key(rig.runs()).values():
            assert all(run.ended for run in of_key)
            assert of_key[-1].admitted_at is not None


@given(CAPS, STEPS)
@settings(max_examples=8, deadline=None)
def test_the_newest_gets_its_turn_and_no_work_is_stopped_for_it(
    on_sqlite: Fresh, caps: Document, steps: list[tuple[str, Any, bool]]
) -> None:
    live_through(on_sqlite, caps, steps)


@pytest.mark.postgres
@given(CAPS, STEPS)
@settings(max_examples=2, deadline=None)
def test_the_same_on_postgresql(
    on_postgres: Fresh, caps: Document, steps: list[tuple[str, Any, bool]]
) -> None:
    live_through(on_postgres, caps, steps)

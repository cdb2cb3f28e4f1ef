"""Whatever happens to runs: for every end that asks to be told there is exactly one entry."""

from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.notify.entry import Entry
from reconciler.core.runs.run import (
    BREAKER_REASONS,
    Completed,
    Failed,
    Outcome,
    Reason,
    Run,
    Status,
)
from tests.control.conftest import Fresh
from tests.support.health import SHARED_FIXTURE
from tests.support.notifying import outbox, tells
from tests.support.rig import Document, Rig, agent, autopilot, schedule

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
ENDS: list[Outcome] = [
    Completed("done"),
    *(Failed(reason, "no") for reason in (Reason.AGENT_FAILED, Reason.TIMED_OUT)),
    Failed(Reason.CANCELLED, "asked for"),
]
RULES: dict[str, list[Document]] = {
    "all": [tells()],
    "two": [tells("failed", "skipped", to="oncall"), tells("completed", "recovered", to="digest")],
    "few": [tells("recovered", "failed")],
}
_STEPS = st.one_of(
    st.tuples(st.just("fire"), st.sampled_from(sorted(RULES))),
    st.tuples(st.just("end"), st.sampled_from(sorted(RULES)), st.sampled_from(ENDS)),
    st.tuples(st.just("work"), st.sampled_from(sorted(RULES)), st.sampled_from(ENDS)),
    st.tuples(st.just("pass"), st.sampled_from([30, 90, 400, 3700])),
    st.tuples(st.just("edit"), st.integers(0, 9)),
)


def declare(rig: Rig, edit: int = 0) -> None:
    """An autopilot for each set of rules, in its own policy."""
    policies = {"all": "queue", "two": "skip", "few": "replace"}
    rig.apply(
        agent(),
        *(
            autopilot(
                name,
                schedule("0 * * * *"),
                notify=rules,
                concurrencyPolicy=policies[name],
                queueTtl="5m",
                pauseAfterFailures=3,
                description=f"edit {edit}",
            )
            for name, rules in RULES.items()
        ),
    )


def carry_out(rig: Rig, step: tuple[object, ...]) -> None:
    """One thing that happens; what the state does not allow just does not happen."""
    rig.clock.advance(seconds=1)
    match step:
        case ("fire", str(name)) if in_force(rig, name):
            rig.launch(name)
        case ("work", str(name), outcome):
            carry_out(rig, ("fire", name))
            carry_out(rig, ("end", name, outcome))
        case ("end", str(name), outcome):
            open_runs = [run for run in rig.runs(name) if run.active]
            if open_runs:
                rig.end(open_runs[0], outcome)  # type: ignore[arg-type]
        case ("pass", int(seconds)):
            rig.tick(seconds=seconds)
        case ("edit", int(number)):
            declare(rig, number)


def in_force(rig: Rig, name: str) -> bool:
    """Whether a run may be started by hand: the breaker is closed."""
    return rig.live(name).switches.breaker_opened_at is None


def wanted(name: str, runs: list[Run]) -> Counter[tuple[str, str, str]]:
    """What has to be told of these runs: (run, kind, channel), worked out in another way."""
    told: Counter[tuple[str, str, str]] = Counter()
    failing = False
    ended = [run for run in runs if run.completed_at is not None]
    for run in sorted(ended, key=lambda run: (run.completed_at, run.id)):
        kinds: list[str] = []
        if run.status is Status.COMPLETED:
            kinds = ["recovered", "completed"] if failing else ["completed"]
            failing = False
        elif run.status is Status.SKIPPED:
            kinds = ["skipped"]
        elif run.reason not in (Reason.CANCELLED, Reason.REPLACED):
            kinds = ["failed"]
        failing = failing or run.reason in BREAKER_REASONS
        heard: dict[str, str] = {}
        for kind in kinds:
            for rule in RULES[name]:
                if kind in rule["on"]:
                    heard.setdefault(rule["to"], kind)
        told.update((run.id, kind, channel) for channel, kind in heard.items())
    return told


def told_of_ends(entries: list[Entry]) -> Counter[tuple[str, str, str]]:
    """What is in the outbox of ends of runs."""
    beside = ("breaker", "late")
    return Counter(
        (entry.run_id or "", entry.kind, entry.channel)
        for entry in entries
        if entry.kind not in beside
    )


def holds(fresh: Fresh, steps: list[tuple[object, ...]]) -> None:
    """Carry all of it out and compare."""
    with fresh(NOON) as rig:
        declare(rig)
        for step in steps:
            carry_out(rig, step)
        entries = outbox(rig)
        expected: Counter[tuple[str, str, str]] = Counter()
        for name in RULES:
            expected += wanted(name, rig.runs(name))
        assert told_of_ends(entries) == expected
        once = Counter((entry.occasion, entry.kind, entry.channel) for entry in entries)
        assert not once or max(once.values()) == 1


def examples(number: int) -> settings:
    """So many, whatever the machine is busy with."""
    return settings(max_examples=number, deadline=None, suppress_health_check=SHARED_FIXTURE)


@examples(25)
@given(steps=st.lists(_STEPS, min_size=10, max_size=30))
def test_every_end_that_asks_for_it_is_told_exactly_once(
    on_sqlite: Fresh, steps: list[tuple[object, ...]]
) -> None:
    holds(on_sqlite, steps)


@pytest.mark.postgres
@examples(8)
@given(steps=st.lists(_STEPS, min_size=10, max_size=30))
def test_the_same_on_postgresql(on_postgres: Fresh, steps: list[tuple[object, ...]]) -> None:
    holds(on_postgres, steps)

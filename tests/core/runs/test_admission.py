"""May a new run start, does it wait, is it refused: the policies as a table."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.manifest.model import Autopilot, ConcurrencyPolicy, QueueKeep
from reconciler.core.runs.admission import (
    Admission,
    Admit,
    Newcomer,
    Occupancy,
    Open,
    Policy,
    Skip,
    Wait,
    admit,
    moved_blockers,
    promotable,
)
from reconciler.core.runs.live import policy_of
from reconciler.core.runs.run import Reason, WaitingFor
from tests.support.rig import autopilot

NOW = datetime(2026, 11, 2, 8, tzinfo=UTC)
SKIP, QUEUE, REPLACE = ConcurrencyPolicy


def active(id_: str, key: str = "") -> Open:
    """A run that was admitted."""
    return Open(id_, key, True, NOW)


def waiting(id_: str, key: str = "", trigger: str | None = None, mergeable: bool = False) -> Open:
    """A run that waits."""
    return Open(id_, key, False, NOW, trigger, mergeable)


def behind(blocker: str) -> Open:
    """A run that waits, and names another one."""
    return waiting("w")._replace(blocked_by=blocker)


def new(key: str = "", **more: object) -> Newcomer:
    """The run that asks."""
    return Newcomer("new", key, **more)  # type: ignore[arg-type]


def tick(trigger: str = "clock") -> Newcomer:
    """A run of a schedule, without payload."""
    return new(trigger_id=trigger, mergeable=True)


def short(admission: Admission) -> str:
    """An admission in a few words."""
    match admission:
        case Admit():
            return "admit"
        case Skip(reason, _, blocked_by):
            return f"skip: {reason}" + (f" by {blocked_by}" if blocked_by else "")
        case Wait(waiting_for, blocked_by, stop, overtaken):
            parts = [f"wait: {waiting_for}"]
            parts += [f"behind {blocked_by}"] if blocked_by else []
            parts += [f"stop {stop}"] if stop else []
            parts += [f"overtake {' '.join(overtaken)}"] if overtaken else []
            return ", ".join(parts)


def policy(kind: ConcurrencyPolicy, **more: Any) -> Policy:
    """A policy with the defaults of a manifest."""
    return Policy(kind, **more)


def newest(**more: Any) -> Policy:
    """A queue that keeps the newest run."""
    return Policy(QUEUE, keep=QueueKeep.NEWEST, **more)


@pytest.mark.parametrize(
    ("rules", "open_runs", "newcomer", "expected"),
    [
        pytest.param(policy(SKIP), [], new(), "admit", id="skip: there is room"),
        pytest.param(
            policy(SKIP), [active("a")], new(), "skip: overlap by a",
            id="skip: the occurrence is used up",
        ),
        pytest.param(
            policy(SKIP, max_concurrency=2), [active("a")], new(), "admit",
            id="skip: room for a second one",
        ),
        pytest.param(
            policy(SKIP, max_concurrency=2), [active("a"), active("b")], new(),
            "skip: overlap by a", id="skip: the oldest is named",
        ),
        pytest.param(
            policy(SKIP), [active("a", "x")], new("y"), "admit", id="skip: another key is free",
        ),
        pytest.param(
            policy(SKIP), [active("a", "x")], new("x"), "skip: overlap by a",
            id="skip: the same key is not",
        ),
        pytest.param(
            policy(SKIP, max_active=2), [active("a", "x"), active("b", "y")], new("z"),
            "skip: overlap by a", id="skip: maxActive counts over all keys",
        ),
        pytest.param(policy(QUEUE), [], new(), "admit", id="queue: there is room"),
        pytest.param(
            policy(QUEUE), [active("a")], new(), "wait: queue, behind a", id="queue: waits",
        ),
        pytest.param(
            policy(QUEUE), [waiting("w")], new(), "wait: queue, behind w",
            id="queue: nobody overtakes a waiting run",
        ),
        pytest.param(
            policy(QUEUE), [waiting("w", "x")], new("y"), "admit",
            id="queue: a run of another key is not in the way",
        ),
        pytest.param(
            policy(QUEUE), [active("a"), waiting("w", trigger="clock", mergeable=True)], tick(),
            "skip: coalesced by w", id="queue: a schedule keeps one waiting run",
        ),
        pytest.param(
            policy(QUEUE), [active("a"), waiting("w", trigger="other", mergeable=True)], tick(),
            "wait: queue, behind a", id="queue: another schedule's is another matter",
        ),
        pytest.param(
            policy(QUEUE), [active("a"), waiting("w", trigger="clock")], tick(),
            "wait: queue, behind a", id="queue: nothing is merged into a run with a payload",
        ),
        pytest.param(
            policy(QUEUE), [active("a"), waiting("w", trigger="hook")], new(trigger_id="hook"),
            "wait: queue, behind a", id="queue: runs with a payload are never merged",
        ),
        pytest.param(
            policy(QUEUE, queue_limit=2), [active("a"), waiting("v"), waiting("w")], new(),
            "skip: queue_full by a", id="queue: full",
        ),
        pytest.param(
            policy(QUEUE, queue_limit=2), [active("a", "x"), waiting("v", "x"), waiting("w", "x")],
            new("y"), "admit", id="queue: full of others, but this key has room",
        ),
        pytest.param(
            policy(QUEUE, queue_limit=1),
            [active("a"), waiting("w", trigger="clock", mergeable=True)], tick(),
            "skip: coalesced by w", id="queue: coalesced comes before full",
        ),
        pytest.param(newest(), [], new(), "admit", id="newest: there is room"),
        pytest.param(
            newest(), [active("a")], new(), "wait: queue, behind a", id="newest: waits",
        ),
        pytest.param(
            newest(), [active("a"), waiting("v"), waiting("w")], new(),
            "wait: queue, behind a, overtake v w", id="newest: only the newest one waits",
        ),
        pytest.param(
            newest(), [active("a", "x"), waiting("v", "x"), active("b", "y")], new("y"),
            "wait: queue, behind b", id="newest: other keys are left alone",
        ),
        pytest.param(
            newest(), [active("a"), waiting("w", trigger="clock", mergeable=True)], tick(),
            "wait: queue, behind a, overtake w", id="newest: also of a schedule",
        ),
        pytest.param(
            newest(), [waiting("w")], new(), "wait: queue, overtake w",
            id="newest: takes the place also where nothing is in the way any more",
        ),
        pytest.param(
            newest(max_active=1), [active("a", "x"), waiting("w", "y")], new("y"),
            "wait: queue, behind a, overtake w", id="newest: names who is really in the way",
        ),
        pytest.param(
            newest(queue_limit=1, per_hour=2), [active("a"), waiting("w")], new(),
            "wait: queue, behind a, overtake w", id="newest: who is overtaken makes room",
        ),
        pytest.param(policy(REPLACE), [], new(), "admit", id="replace: there is room"),
        pytest.param(
            policy(REPLACE), [active("a")], new(), "wait: replace, behind a, stop a",
            id="replace: the old one is asked to stop",
        ),
        pytest.param(
            policy(REPLACE, max_concurrency=2), [active("a"), active("b")], new(),
            "wait: replace, behind a, stop a", id="replace: the oldest is asked to stop",
        ),
        pytest.param(
            policy(REPLACE), [active("a"), waiting("w")], new(),
            "wait: replace, behind a, stop a, overtake w", id="replace: a waiter is overtaken",
        ),
        pytest.param(
            policy(REPLACE), [waiting("w")], new(), "wait: replace, overtake w",
            id="replace: overtakes also where there is room already",
        ),
        pytest.param(
            policy(REPLACE), [active("a", "x"), waiting("w", "x")], new("y"), "admit",
            id="replace: other keys are left alone",
        ),
        pytest.param(
            policy(REPLACE, max_active=1), [active("a", "x")], new("y"),
            "wait: replace, behind a", id="replace: no run of another key is stopped",
        ),
        pytest.param(
            policy(REPLACE, max_active=1, queue_limit=1), [active("a", "x"), waiting("w", "y")],
            new("z"), "wait: replace, behind a", id="replace: another key does not count",
        ),
        pytest.param(
            policy(REPLACE, queue_limit=1), [active("a"), waiting("w")], new(),
            "wait: replace, behind a, stop a, overtake w",
            id="replace: who is overtaken makes room in the queue",
        ),
        pytest.param(
            policy(SKIP, per_hour=0), [active("a")], new(force=True), "admit",
            id="force passes policy and limits",
        ),
    ],
)  # fmt: skip
def test_admit(rules: Policy, open_runs: list[Open], newcomer: Newcomer, expected: str) -> None:
    assert short(admit(rules, Occupancy(open_runs), newcomer, NOW)) == expected


def test_what_waits_under_one_key_takes_no_place_of_another() -> None:
    """One busy pull request does not drop the work of another one."""
    busy = [active("a", "1"), *(waiting(f"w{n}", "1") for n in range(10)), active("b", "2")]
    rules = policy(QUEUE, max_active=10)
    assert short(admit(rules, Occupancy(busy), new("1"), NOW)) == "skip: queue_full by a"
    assert short(admit(rules, Occupancy(busy), new("2"), NOW)) == "wait: queue, behind b"


def test_what_is_caught_up_is_not_turned_away_by_the_queue_limit() -> None:
    full = [active("a"), waiting("w")]
    rules = policy(QUEUE, queue_limit=1)
    late = new(caught_up=True)
    assert short(admit(rules, Occupancy(full), late, NOW)) == "wait: queue, behind a"


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [
        pytest.param(timedelta(seconds=2), "skip: rate_limited", id="the clock was set back"),
        pytest.param(timedelta(days=3650), "admit", id="the clock was far ahead for a while"),
    ],
)
def test_admissions_of_a_clock_that_was_ahead(ahead: timedelta, expected: str) -> None:
    occupancy = Occupancy([], [NOW + ahead])
    assert short(admit(policy(SKIP, per_hour=1), occupancy, new(), NOW)) == expected


@pytest.mark.parametrize(
    ("rules", "minutes_ago", "expected"),
    [
        pytest.param({"per_hour": 2}, [5], "admit", id="below the limit"),
        pytest.param({"per_hour": 2}, [5, 10], "skip: rate_limited", id="at the limit"),
        pytest.param({"per_hour": 2}, [5, 59], "skip: rate_limited", id="the window is an hour"),
        pytest.param({"per_hour": 2}, [5, 60], "admit", id="an hour ago is out of it"),
        pytest.param({"per_day": 1}, [23 * 60], "skip: rate_limited", id="the window is a day"),
        pytest.param({"per_day": 1}, [24 * 60], "admit", id="a day ago is out of it"),
        pytest.param(
            {"per_hour": 9, "per_day": 2}, [70, 80], "skip: rate_limited", id="either may refuse"
        ),
    ],
)
def test_limits(rules: dict[str, Any], minutes_ago: list[int], expected: str) -> None:
    admitted = [NOW - timedelta(minutes=minutes) for minutes in minutes_ago]
    found = admit(Policy(SKIP, **rules), Occupancy([], admitted), new(), NOW)
    assert short(found) == expected


def test_waiting_runs_count_against_the_limits() -> None:
    """They will be admitted: were they not counted, a full queue would pass any limit."""
    rules = Policy(QUEUE, per_hour=2)
    occupancy = Occupancy([active("a"), waiting("w")], [NOW])
    assert short(admit(rules, occupancy, new(), NOW)) == "skip: rate_limited"


def test_a_waiter_that_is_overtaken_gives_its_place_in_the_limits() -> None:
    rules = Policy(REPLACE, per_hour=2)
    occupancy = Occupancy([active("a"), waiting("w")], [NOW])
    admission = admit(rules, occupancy, new(), NOW)
    assert short(admission) == "wait: replace, behind a, stop a, overtake w"


@pytest.mark.parametrize(
    ("rules", "open_runs", "sentence"),
    [
        pytest.param(
            policy(SKIP), [active("a")], "run a is still active and concurrencyPolicy is skip",
            id="overlap",
        ),
        pytest.param(
            policy(SKIP, max_concurrency=2), [active("a"), active("b")],
            "run a is still active and concurrencyPolicy is skip with maxConcurrency 2",
            id="overlap of several",
        ),
        pytest.param(
            policy(QUEUE, queue_limit=1), [active("a"), waiting("w")],
            "1 runs already wait; queueLimit is 1", id="queue full",
        ),
        pytest.param(
            policy(QUEUE), [active("a"), waiting("w", trigger="clock", mergeable=True)],
            "run w of this trigger already waits", id="coalesced",
        ),
    ],
)  # fmt: skip
def test_every_refusal_has_a_sentence(rules: Policy, open_runs: list[Open], sentence: str) -> None:
    found = admit(rules, Occupancy(open_runs), tick(), NOW)
    assert isinstance(found, Skip)
    assert found.why == sentence


def test_a_limit_names_itself() -> None:
    found = admit(Policy(SKIP, per_day=1), Occupancy([], [NOW]), new(), NOW)
    assert isinstance(found, Skip)
    assert (found.reason, found.blocked_by) == (Reason.RATE_LIMITED, None)
    assert "limits.perDay is 1" in found.why


@pytest.mark.parametrize(
    ("rules", "open_runs", "expected"),
    [
        pytest.param(policy(QUEUE), [], None, id="nobody waits"),
        pytest.param(policy(QUEUE), [active("a"), waiting("w")], None, id="no room"),
        pytest.param(policy(QUEUE), [waiting("v"), waiting("w")], "v", id="the oldest"),
        pytest.param(
            policy(QUEUE), [active("a", "x"), waiting("v", "x"), waiting("w", "y")], "w",
            id="the oldest whose key has room",
        ),
        pytest.param(
            policy(QUEUE, max_active=1), [active("a", "x"), waiting("w", "y")], None,
            id="maxActive holds it back",
        ),
    ],
)  # fmt: skip
def test_promotable(rules: Policy, open_runs: list[Open], expected: str | None) -> None:
    assert promotable(rules, Occupancy(open_runs)) == expected


def test_the_policy_is_taken_out_of_a_spec() -> None:
    limits = {"perHour": 3, "perDay": 9}
    spec = {"concurrencyPolicy": "queue", "maxConcurrency": 2, "maxActive": 5, "queueLimit": 7}
    model = Autopilot.model_validate(autopilot("t", **spec, limits=limits, queueKeep="newest"))
    wanted = Policy(QUEUE, 2, 5, 7, 3, 9, QueueKeep.NEWEST)
    assert Policy.of(model.spec) == wanted
    assert policy_of("queue", model.document()["spec"]) == wanted


@pytest.mark.parametrize(
    ("rules", "open_runs", "expected"),
    [
        pytest.param(policy(QUEUE), [active("b"), behind("a")], {"w": "b"}, id="it has ended"),
        pytest.param(policy(QUEUE), [active("a"), behind("a")], {}, id="it is still there"),
        pytest.param(policy(QUEUE), [behind("a")], {}, id="nobody is in the way"),
        pytest.param(
            policy(QUEUE, max_active=1), [active("b", "x"), behind("a")], {"w": "b"},
            id="a run of another key",
        ),
    ],
)  # fmt: skip
def test_a_waiting_run_names_who_is_in_its_way_now(
    rules: Policy, open_runs: list[Open], expected: dict[str, str]
) -> None:
    assert moved_blockers(rules, Occupancy(open_runs)) == expected


keys = st.sampled_from(["", "x", "y"])
rules_of_any_kind = st.builds(
    Policy,
    st.sampled_from(list(ConcurrencyPolicy)),
    st.integers(1, 3),
    st.integers(1, 4),
    st.integers(1, 4),
    st.none() | st.integers(1, 5),
    keep=st.sampled_from(QueueKeep),
)


@given(rules=rules_of_any_kind, arriving=st.lists(st.tuples(keys, st.booleans()), max_size=25))
def test_whatever_arrives_and_ends_the_bounds_hold(
    rules: Policy, arriving: list[tuple[str, bool]]
) -> None:
    """Runs arrive, and at times the oldest active one ends and waiters are let in."""
    occupancy = Occupancy()
    for number, (key, ends) in enumerate(arriving):
        newcomer = Newcomer(f"{number:03}", key)
        _carry_out(occupancy, newcomer, admit(rules, occupancy, newcomer, NOW))
        if ends and (over := occupancy.active()):
            occupancy.leave({over[0].id})
            while run_id := promotable(rules, occupancy):
                occupancy.promote(run_id)
                occupancy.admitted.append(NOW)
        for each in ("", "x", "y"):
            assert len(occupancy.active(each)) <= rules.max_concurrency
            assert len(occupancy.waiting(each)) <= rules.queue_limit
        assert len(occupancy.active()) <= rules.max_active
        if rules.per_hour is not None:
            assert len(occupancy.admitted) <= rules.per_hour
        if rules.policy is SKIP:
            assert not occupancy.waiting()
        anew = Occupancy(list(occupancy.open))
        for which in (None, "", "x", "y"):
            assert list(occupancy.active(which)) == list(anew.active(which))
            assert list(occupancy.waiting(which)) == list(anew.waiting(which))


def _carry_out(occupancy: Occupancy, newcomer: Newcomer, admission: Admission) -> None:
    match admission:
        case Skip():
            return
        case Wait():
            assert admission.waiting_for in (WaitingFor.QUEUE, WaitingFor.REPLACE)
            occupancy.leave(admission.overtaken)
        case Admit():
            occupancy.admitted.append(NOW)
    occupancy.enter(Open(newcomer.id, newcomer.key, isinstance(admission, Admit), NOW))

"""In force or not, and the life of the breaker."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.manifest.model import AutopilotStatus
from reconciler.core.runs.run import BREAKER_REASONS, Reason, Status
from reconciler.core.runs.standing import (
    Breaker,
    InForce,
    NotInForce,
    Standing,
    Switches,
    after_run,
    standing_of,
)
from tests.support.reasons import FAIL_REASONS

NOW = datetime(2026, 11, 2, 8, tzinfo=UTC)
COOLDOWN = timedelta(minutes=15)
MINUTE = timedelta(minutes=1)
ACTIVE, PAUSED, ARCHIVED = AutopilotStatus


def switches(status: AutopilotStatus = ACTIVE, **more: Any) -> Switches:
    """All switches on, unless said otherwise."""
    return Switches(status=status, **more)


def opened(ago: timedelta, probe: str | None = None, **more: Any) -> Switches:
    """The breaker opened so long ago."""
    return switches(failures=5, breaker_opened_at=NOW - ago, breaker_probe=probe, **more)


def cause(standing: Standing) -> str:
    """What stands in the way, or how it is in force."""
    if isinstance(standing, NotInForce):
        return standing.cause
    return "probe" if standing.probe else "in force"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(switches(), "in force", id="nothing stands in the way"),
        pytest.param(switches(PAUSED), "paused", id="the manifest pauses"),
        pytest.param(switches(paused_at=NOW), "paused", id="somebody paused"),
        pytest.param(switches(ARCHIVED), "archived", id="the manifest archives"),
        pytest.param(switches(archived=True), "archived", id="left its source"),
        pytest.param(
            switches(PAUSED, archived=True, paused_at=NOW), "archived", id="archived is strictest"
        ),
        pytest.param(
            opened(COOLDOWN, paused_at=NOW), "paused", id="a pause wins over a probe that is due"
        ),
        pytest.param(opened(MINUTE), "breaker", id="the breaker is open"),
        pytest.param(opened(COOLDOWN - MINUTE), "breaker", id="still cooling down"),
        pytest.param(opened(COOLDOWN), "probe", id="cooled down: the next one probes"),
        pytest.param(opened(COOLDOWN, probe="r"), "breaker", id="the probe is under way"),
    ],
)
def test_the_strictest_switch_decides(given: Switches, expected: str) -> None:
    assert cause(standing_of(given, COOLDOWN, NOW)) == expected


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        pytest.param(switches(archived=True), "the autopilot is archived", id="archived"),
        pytest.param(switches(PAUSED), "the manifest says spec.status: paused", id="manifest"),
        pytest.param(
            switches(paused_at=NOW, paused_by="ada", pause_reason="holiday"),
            "paused at 2026-11-02 08:00:00Z by ada (holiday)",
            id="by somebody, for a reason",
        ),
        pytest.param(switches(paused_at=NOW), "paused at 2026-11-02 08:00:00Z", id="by nobody"),
        pytest.param(
            opened(MINUTE),
            "the breaker opened after 5 failures in a row; "
            "the next attempt is at 2026-11-02 08:14:00Z",
            id="open breaker",
        ),
        pytest.param(
            opened(COOLDOWN, probe="r"), "the breaker waits for its probe, run r", id="probing"
        ),
    ],
)
def test_the_sentence_says_why(given: Switches, sentence: str) -> None:
    standing = standing_of(given, COOLDOWN, NOW)
    assert isinstance(standing, NotInForce)
    assert standing.why == sentence


def test_only_archived_is_final() -> None:
    finals = {
        cause(standing): standing.final
        for one in (switches(archived=True), switches(PAUSED), opened(MINUTE))
        if isinstance(standing := standing_of(one, COOLDOWN, NOW), NotInForce)
    }
    assert finals == {"archived": True, "paused": False, "breaker": False}


@pytest.mark.parametrize(
    ("given", "since"),
    [
        pytest.param(switches(), None, id="always was"),
        pytest.param(switches(in_force_since=NOW - MINUTE), NOW - MINUTE, id="since the resume"),
        pytest.param(opened(COOLDOWN + MINUTE), NOW - MINUTE, id="since the end of the cool-down"),
        pytest.param(
            opened(COOLDOWN + 2 * MINUTE, in_force_since=NOW - MINUTE),
            NOW - MINUTE,
            id="the later of both",
        ),
    ],
)
def test_occurrences_before_it_came_into_force_never_start(
    given: Switches, since: datetime | None
) -> None:
    standing = standing_of(given, COOLDOWN, NOW)
    assert isinstance(standing, InForce)
    assert standing.since == since


OPEN = Breaker(5, NOW - COOLDOWN, None)
PROBING = Breaker(5, NOW - COOLDOWN, "r")


@pytest.mark.parametrize(
    ("before", "reason", "limit", "after"),
    [
        pytest.param(Breaker(), Reason.LOST, 3, Breaker(1), id="a failure counts"),
        pytest.param(Breaker(2), Reason.LOST, 3, Breaker(3, NOW), id="the last one opens"),
        pytest.param(Breaker(2), Reason.LOST, 0, Breaker(3), id="limit 0 never opens"),
        pytest.param(Breaker(4), None, 3, Breaker(), id="completed resets the count"),
        pytest.param(
            Breaker(2), Reason.CANCELLED, 3, Breaker(2), id="a cancel says nothing of the agent"
        ),
        pytest.param(Breaker(2), Reason.REPLACED, 3, Breaker(2), id="nor does a replacement"),
        pytest.param(Breaker(2), Reason.EXPIRED, 3, Breaker(2), id="nor does waiting too long"),
        pytest.param(PROBING, None, 5, Breaker(), id="the probe completes: closed"),
        pytest.param(
            PROBING, Reason.AGENT_FAILED, 5, Breaker(6, NOW), id="the probe fails: open anew"
        ),
        pytest.param(
            PROBING, Reason.CANCELLED, 5, OPEN, id="the probe was cancelled: the next one probes"
        ),
        pytest.param(
            OPEN, Reason.LOST, 5, Breaker(6, OPEN.opened_at),
            id="one from before fails meanwhile: the cool-down goes on",
        ),
        pytest.param(OPEN, None, 5, Breaker(), id="one from before completes: closed"),
        pytest.param(
            Breaker(5, NOW - COOLDOWN, "other"), Reason.LOST, 5,
            Breaker(6, NOW - COOLDOWN, "other"), id="the probe of another run stays",
        ),
    ],
)  # fmt: skip
def test_the_life_of_the_breaker(
    before: Breaker, reason: Reason | None, limit: int, after: Breaker
) -> None:
    status = Status.COMPLETED if reason is None else Status.FAILED
    assert after_run(before, "r", status, reason, limit, NOW) == after


@pytest.mark.parametrize("reason", sorted(FAIL_REASONS))
def test_which_failures_count(reason: Reason) -> None:
    after = after_run(Breaker(), "r", Status.FAILED, reason, 5, NOW)
    assert after.failures == (1 if reason in BREAKER_REASONS else 0)


@given(
    limit=st.integers(0, 4),
    ends=st.lists(st.one_of(st.none(), st.sampled_from(sorted(FAIL_REASONS))), max_size=20),
)
def test_it_is_open_just_when_so_many_failed_in_a_row(
    limit: int, ends: list[Reason | None]
) -> None:
    breaker, in_a_row = Breaker(), 0
    for number, reason in enumerate(ends):
        status = Status.COMPLETED if reason is None else Status.FAILED
        breaker = after_run(breaker, f"r{number}", status, reason, limit, NOW)
        if reason is None:
            in_a_row = 0
        elif reason in BREAKER_REASONS:
            in_a_row += 1
        assert breaker.failures == in_a_row
        assert (breaker.opened_at is not None) == (0 < limit <= in_a_row)

"""What a channel hears."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.notify.entry import KINDS, REVISION_FAILED, Entry
from reconciler.core.notify.message import RESULT_OF_EVENT, TYPES, message_of
from reconciler.core.runs.run import Reason, Run, Source, Status

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def an_entry(kind: str = "failed", **more: Any) -> Entry:
    """An entry of autopilot red/triage, claimed for the first time."""
    base: dict[str, Any] = {
        "id": "n-1", "channel": "oncall", "kind": kind, "topic": "t", "occasion": "o",
        "created_at": NOON, "due_at": NOON, "workspace": "red", "autopilot_id": "a-1",
        "autopilot": "triage", "run_id": "r-1", "attempts": 1,
    }  # fmt: skip
    return Entry(**{**base, **more})


def a_run(status: Status = Status.FAILED, **more: Any) -> Run:
    """A run of it that has ended."""
    base: dict[str, Any] = {
        "id": "r-1", "autopilot_id": "a-1", "workspace": "red", "autopilot": "triage",
        "source": Source.SCHEDULE, "status": status, "triggered_at": NOON, "created_at": NOON,
        "spec_digest": "d", "completed_at": NOON, "title": "Triage",
    }  # fmt: skip
    if status is Status.FAILED:
        base |= {"reason": Reason.AGENT_FAILED, "failure_reason": "it went wrong"}
    return Run(**{**base, **more})


def test_a_failure_in_words() -> None:
    message = message_of(an_entry(), a_run(), "https://console")
    assert message.title == "red/triage failed: Triage"
    assert message.text.split("\n") == [
        "Run r-1 by schedule: failed (agent_failed) at 2026-11-02T12:00:00Z.",
        "> it went wrong",
        "https://console/runs/r-1",
        "Notification n-1",
    ]


def test_a_digest_carries_the_result() -> None:
    run = a_run(Status.COMPLETED, result={"text": "Three issues.\nNone urgent.", "cost": 1})
    text = message_of(an_entry("completed"), run, "https://console").text
    assert "> Three issues.\n> None urgent." in text


def test_what_was_held_back_and_what_may_be_a_repeat_is_said() -> None:
    text = message_of(an_entry(attempts=2, held_back=4), a_run(), "https://c").text
    assert "4 more of this kind came shortly before and were held back." in text
    assert "This is attempt 2; an earlier one may have arrived." in text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("run", [a_run(), None], ids=["with its run", "its run is gone"])
def test_every_kind_can_be_told(kind: str, run: Run | None) -> None:
    more = {"workspace": None, "autopilot": None} if kind == REVISION_FAILED else {}
    message = message_of(an_entry(kind, **more), run, "https://console")
    assert message.title
    assert message.event["type"] == TYPES[kind]
    assert json.loads(message.body())["timestamp"] == "2026-11-02T12:00:00Z"


@pytest.mark.parametrize(
    ("detail", "sentence"),
    [
        pytest.param(
            {"trigger": "nightly", "due": "2026-11-02T03:00:00Z", "started": 1},
            "Its trigger nightly was due at 2026-11-02T03:00:00Z; 1 started late.",
            id="started late",
        ),
        pytest.param(
            {"trigger": "nightly", "due": "2026-11-02T03:00:00Z", "started": 0},
            "nothing was started for it.",
            id="not started",
        ),
        pytest.param(
            {"trigger": "nightly", "stalled": "ScheduleError: no"}, "> ScheduleError: no",
            id="stalled",
        ),
    ],
)  # fmt: skip
def test_lateness_in_words(detail: dict[str, Any], sentence: str) -> None:
    entry = an_entry("late", run_id=None, detail=detail)
    assert sentence in message_of(entry, None, "https://console").text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(result=JSON, title=st.text(max_size=300), why=st.text(max_size=2000))
def test_whatever_agents_say_a_message_is_bounded_and_can_be_sent(
    result: Any, title: str, why: str
) -> None:
    run = a_run(result=result, title=title, failure_reason=why)
    message = message_of(an_entry("recovered"), run, "https://console")
    assert len(message.title) < 1500
    assert len(message.text) < 16_000
    assert "\n" not in message.title
    assert json.loads(message.body())["data"]["run"]["result"] == result


def test_a_large_result_is_cut_and_that_is_said() -> None:
    run = a_run(Status.COMPLETED, result="x" * 250_000)
    message = message_of(an_entry("completed"), run, "https://console")
    told = message.event["data"]["run"]
    assert told["resultCut"] is True
    assert len(told["result"]) == RESULT_OF_EVENT
    assert "(cut)" in message.text
    assert len(message.text) < 5_000


def test_a_lone_surrogate_can_be_sent() -> None:
    body = message_of(an_entry(), a_run(result="\ud800"), "https://console").body()
    assert json.loads(body)["data"]["run"]["result"] == "\ud800"

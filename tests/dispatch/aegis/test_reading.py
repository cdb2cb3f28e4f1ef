"""What a server says of its sessions and their words, and nothing that it says raises."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.dispatch.aegis.handle import Mark, Phase
from reconciler.dispatch.aegis.reading import Session, is_session_id, read_created, read_session
from reconciler.dispatch.aegis.words.transcript import (
    answer,
    last_is_answer,
    prompt_at,
    read_entries,
)
from reconciler.dispatch.base import Handle

ID = "b6ff60fe-52e0-424c-812c-f49171481fda"
PROMPT = "Do it."
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


def us(at: str | None = None, text: str = PROMPT) -> dict[str, Any]:
    return {"role": "user", "contentType": "text", "text": text, "timestamp": at}


def agent(text: str, kind: str = "text", at: str | None = None) -> dict[str, Any]:
    return {"role": "assistant", "contentType": kind, "text": text, "timestamp": at}


TOOL = {"role": "user", "contentType": "tool_result", "text": PROMPT}
EARLY, LATE = "2026-11-28T10:00:00Z", "2026-11-28T10:00:09Z"
CREATED = 1_795_860_005_000.0
"""Between the two."""


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        pytest.param([us(), agent("Done.")], "Done.", id="an answer"),
        pytest.param([agent("Hello!"), us()], "", id="a greeting is no answer"),
        pytest.param([us(), agent("hmm", "thinking"), agent("ls", "tool_use")], "", id="no words"),
        pytest.param([us(), agent("One."), TOOL, agent("Two.")], "One.\n\nTwo.", id="all words"),
        pytest.param([us(text="Do\tit.  "), agent("Done.")], "Done.", id="white space differs"),
        pytest.param([us(EARLY), agent("Old.", at=EARLY)], None, id="older than the session"),
        pytest.param([us(LATE), agent("Done.", at=LATE)], "Done.", id="younger than the session"),
        pytest.param([us(text="Another."), agent("Done.")], None, id="the words of another one"),
        pytest.param([TOOL, agent("Done.")], None, id="a tool's result is no prompt"),
        pytest.param([us(), 7, None, {"role": 1}], "", id="rubbish"),
    ],
)
def test_the_words_after_our_prompt(messages: list[Any], expected: str | None) -> None:
    entries = read_entries({"messages": messages})
    assert entries is not None
    assert answer(entries, PROMPT, CREATED) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(
            {
                "id": ID,
                "windowName": "run-1",
                "status": "idle",
                "workDir": "/srv",
                "createdAt": 5,
                "claudeSessionId": "c1",
                "hookFailureTimestamps": [],
                "lastHookAt": 6,
                "lastActivity": 7,
                "new": {},
            },
            Session(ID, "run-1", "idle", "/srv", 5.0, "c1", 0, "6", "7"),
            id="a session",
        ),
        pytest.param({"id": ID, "displayName": "run-1"}, "run-1", id="a later name"),
        pytest.param({"id": ID, "hookFailureTimestamps": [1]}, 1, id="a failed turn"),
        pytest.param({"id": ID, "status": 3, "createdAt": "x"}, "unknown", id="odd types"),
        pytest.param({"id": "../../admin"}, None, id="an id that would be a path"),
        pytest.param({"windowName": "x"}, None, id="no id"),
        pytest.param([ID], None, id="not an object"),
    ],
)
def test_a_session(value: Any, expected: Session | str | int | None) -> None:
    session = read_session(value)
    if isinstance(expected, Session) or expected is None or session is None:
        assert session == expected
    else:
        assert expected in (session.name, session.failures, session.status)


@given(ANYTHING, ANYTHING)
def test_nothing_that_a_server_says_raises(first: Any, second: Any) -> None:
    read_session(first)
    read_session({"id": ID, "windowName": first, "status": second, "createdAt": first})
    read_session({"id": ID, "hookFailureTimestamps": first, "claudeSessionId": second})
    read_created(first, reused=False)
    read_entries({"messages": first})
    entries = read_entries({"messages": [first, {"role": first, "text": second}, us(second)]})
    assert entries is not None
    prompt_at(entries, PROMPT, 0.0), last_is_answer(entries)
    assert not is_session_id(first)


@given(ANYTHING, ANYTHING)
def test_nothing_that_a_row_holds_raises(first: Any, second: Any) -> None:
    detail = {"phase": first, "since": second, "createdAt": first, "transcript": second}
    mark = Mark.read(Handle(ID, detail))
    assert mark is not None
    assert Mark.read(mark.handle) == mark


def test_what_earlier_versions_recorded_is_understood() -> None:
    for prompted, phase in ((True, Phase.WORKING), (False, Phase.SENT)):
        mark = Mark.read(Handle(ID, {"url": "http://a", "prompted": prompted, "since": 5.0}))
        assert mark is not None
        assert (mark.phase, mark.since) == (phase, 5.0)

"""What a session's status and transcript say."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.dispatch.aegis.reading import (
    Session,
    is_session_id,
    read_session,
    read_transcript,
)

ID = "b6ff60fe-52e0-424c-812c-f49171481fda"
US = {"role": "user", "contentType": "text", "text": "Do it."}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


def said(text: str, kind: str = "text") -> dict[str, Any]:
    return {"role": "assistant", "contentType": kind, "text": text}


@pytest.mark.parametrize(
    ("status", "messages", "answered", "text"),
    [
        pytest.param("idle", [], False, "", id="idle before the work"),
        pytest.param("idle", [US], False, "", id="idle, the prompt just arrived"),
        pytest.param("idle", [said("Hello!"), US], False, "", id="a greeting is no answer"),
        pytest.param("idle", [US, said("Done.")], True, "Done.", id="idle after the work"),
        pytest.param("waiting_for_input", [US, said("Done.")], True, "Done.", id="waits for more"),
        pytest.param("working", [US, said("First, …")], False, "First, …", id="said so far"),
        pytest.param("idle", [US, said("hmm", "thinking")], False, "", id="thinking is no answer"),
        pytest.param("idle", [US, said("ls", "tool_use")], True, "", id="ended with a tool"),
        pytest.param(
            "idle",
            [US, said("One."), said("ls", "tool_use"), {**US, "text": "ok"}, said("Two.")],
            True,
            "One.\n\nTwo.",
            id="all that was said",
        ),
        pytest.param("idle", [said("Done.")], True, "Done.", id="a transcript without prompts"),
        pytest.param("idle", [US, {"role": "assistant"}], True, "", id="a message without a kind"),
        pytest.param("idle", [US, 7, None, {"role": 1}], False, "", id="rubbish"),
    ],
)
def test_a_transcript(status: str, messages: list[Any], answered: bool, text: str) -> None:
    seen = read_transcript({"messages": messages, "status": status})
    assert seen is not None
    assert (seen.answered(), seen.text()) == (answered, text)


@pytest.mark.parametrize(
    ("status", "messages", "began"),
    [
        pytest.param("idle", [], False, id="nothing"),
        pytest.param("unknown", [], False, id="not yet booted"),
        pytest.param("settings", [], False, id="in a menu"),
        pytest.param("working", [], True, id="at work"),
        pytest.param("bash_approval", [], True, id="asks for approval"),
        pytest.param("idle", [US], True, id="the prompt is there"),
    ],
)
def test_whether_a_prompt_arrived(status: str, messages: list[Any], began: bool) -> None:
    seen = read_transcript({"messages": messages, "status": status})
    assert seen is not None
    assert seen.began() is began


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(
            {"id": ID, "windowName": "run-1", "status": "idle", "lastActivity": 1, "new": {}},
            Session(ID, "run-1", "idle", "1"),
            id="a session",
        ),
        pytest.param({"id": ID}, Session(ID, "", "unknown", "None"), id="as little as can be"),
        pytest.param({"id": ID, "status": 3}, Session(ID, "", "unknown", "None"), id="odd types"),
        pytest.param({"id": "../../admin"}, None, id="an id that would be a path"),
        pytest.param({"windowName": "x"}, None, id="no id"),
        pytest.param([ID], None, id="not an object"),
    ],
)
def test_a_session(value: Any, expected: Session | None) -> None:
    assert read_session(value) == expected


@given(ANYTHING, ANYTHING)
def test_nothing_that_a_server_says_raises(first: Any, second: Any) -> None:
    read_session(first)
    read_session({"id": ID, "windowName": first, "status": second})
    read_transcript({"messages": first, "status": second})
    seen = read_transcript({"messages": [first, second, {"role": first, "text": second}]})
    assert seen is not None
    seen.answered(), seen.began(), seen.text()
    assert not is_session_id(first)

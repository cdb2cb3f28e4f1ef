"""What the states, parts and metadata of an A2A task mean for its run."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.runs.run import Completed, Failed, Reason
from reconciler.core.runs.usage import Usage
from reconciler.dispatch.a2a.task import ENDS, observation_of, read_task
from reconciler.dispatch.base import Ended, NeedsApproval, Observation, Working


def a_task(state: str, words: str = "", *parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A task in the JSON of protocol 1.0."""
    status: dict[str, Any] = {"state": f"TASK_STATE_{state}"}
    if words:
        status["message"] = {"messageId": "m", "parts": [{"text": words}]}
    artifacts = [{"artifactId": "a", "parts": [*parts]}] if parts else []
    return {"id": "t1", "contextId": "c1", "status": status, "artifacts": artifacts, **fields}


STATES = [
    pytest.param(a_task("SUBMITTED"), Working(), id="submitted"),
    pytest.param(a_task("WORKING", "step 3"), Working(), id="working"),
    pytest.param(a_task("UNSPECIFIED"), Working(), id="nothing said"),
    pytest.param(a_task("NEW_IN_2"), Working(), id="a state of a later protocol"),
    pytest.param({}, Working(), id="an empty task"),
    pytest.param(a_task("COMPLETED"), Ended(Completed()), id="done, nothing to say"),
    pytest.param(a_task("COMPLETED", "Done."), Ended(Completed("Done.")), id="done, in words"),
    pytest.param(
        a_task("COMPLETED", "Done.", {"text": "a"}, {"text": "b"}),
        Ended(Completed("a\nb")),
        id="done, with artifacts",
    ),
    pytest.param(
        a_task("COMPLETED", "", {"data": {"n": 3.0, "of": [1.5]}}),
        Ended(Completed({"n": 3, "of": [1.5]})),
        id="done, with data",
    ),
    pytest.param(
        a_task("COMPLETED", "", {"text": "see"}, {"url": "https://x/f"}, {"data": 1.0}),
        Ended(Completed({"text": "see", "data": [1], "files": ["https://x/f"]})),
        id="done, with everything",
    ),
    pytest.param(
        a_task("FAILED", "no\naccess"),
        Ended(
            Failed(Reason.AGENT_FAILED, "the agent reports that it failed: no access", "no\naccess")
        ),
        id="failed",
    ),
    pytest.param(
        a_task("REJECTED"),
        Ended(Failed(Reason.AGENT_FAILED, "the agent rejected the task")),
        id="rejected",
    ),
    pytest.param(
        a_task("CANCELED"),
        Ended(Failed(Reason.AGENT_FAILED, "the task was cancelled at the agent")),
        id="cancelled by somebody else",
    ),
    pytest.param(
        a_task("INPUT_REQUIRED", "Delete it?"), NeedsApproval("Delete it?"), id="asks for input"
    ),
    pytest.param(
        a_task("AUTH_REQUIRED", "Log in."),
        NeedsApproval("Log in.", "with the agent itself: it asks for a credential"),
        id="asks for a credential",
    ),
]


@pytest.mark.parametrize(("document", "expected"), STATES)
def test_a_state_means(document: dict[str, Any], expected: Observation) -> None:
    assert observation_of(read_task(document)) == expected


TOLD = [
    pytest.param({"usage": {"costUsd": 0.5, "turns": 2}}, Usage(cost_micros=500_000, turns=2)),
    pytest.param(
        {"gen_ai.usage.input_tokens": 10.0, "gen_ai.usage.output_tokens": 2.0},
        Usage(input_tokens=10, output_tokens=2),
    ),
    pytest.param(
        {"adk_usage_metadata": {"promptTokenCount": 7.0, "candidatesTokenCount": 3.0}},
        Usage(input_tokens=7, output_tokens=3),
    ),
    pytest.param({"other": 1}, None),
]


@pytest.mark.parametrize(("metadata", "usage"), TOLD)
def test_what_a_task_used_is_read_from_its_metadata(
    metadata: dict[str, Any], usage: Usage | None
) -> None:
    of_task = read_task(a_task("WORKING", metadata=metadata))
    of_artifact = read_task(
        a_task("WORKING") | {"artifacts": [{"parts": [], "metadata": metadata}]}
    )
    assert of_task.usage == of_artifact.usage == usage


def test_a_usage_that_cannot_be_is_a_note() -> None:
    task = read_task(a_task("COMPLETED", metadata={"usage": {"turns": -1}}))
    ended = observation_of(task)
    assert isinstance(ended, Ended)
    assert ended.outcome.note is not None


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["status", "state", "message", "parts", "text", "data", "metadata",
                         "artifacts", "usage", "id"]), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(document=st.dictionaries(st.sampled_from(["id", "status", "artifacts", "metadata"]), JSON))
def test_no_task_raises_anything(document: dict[str, Any]) -> None:
    task = read_task(document)
    assert task.ended == (task.state in ENDS)
    observation_of(task)

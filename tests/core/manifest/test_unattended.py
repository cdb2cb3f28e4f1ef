"""A warning where an agent asks and nobody is there."""

from typing import Any

import pytest

from reconciler.core.base.codes import Code
from tests.support.builders import (
    a_schedule,
    a_squad,
    a_webhook,
    an_agent,
    an_api_trigger,
    an_autopilot,
    text_of,
    warnings_of,
)

AEGIS = {"type": "aegis", "url": "http://127.0.0.1:9100", "workDir": "/srv/x"}


def warned(mode: str | None, agent: str = "triage-bot", **spec: Any) -> list[str]:
    runtime = AEGIS if mode is None else {**AEGIS, "permissionMode": mode}
    text = text_of(an_agent(agent, runtime=runtime), a_squad(), an_autopilot(**spec))
    return [w.message for w in warnings_of(text) if w.code == Code.APPROVAL_UNATTENDED]


@pytest.mark.parametrize(
    ("mode", "spec", "count"),
    [
        pytest.param("default", {}, 1, id="a schedule"),
        pytest.param("acceptEdits", {"triggers": [a_webhook()]}, 1, id="a webhook"),
        pytest.param("dontAsk", {}, 0, id="a mode that does not ask"),
        pytest.param(None, {}, 0, id="the mode of the server"),
        pytest.param("default", {"onApproval": "wait"}, 0, id="it waits for people"),
        pytest.param("default", {"triggers": [an_api_trigger()]}, 0, id="somebody calls"),
        pytest.param(
            "default", {"triggers": [a_schedule(enabled=False)]}, 0, id="a disabled trigger"
        ),
        pytest.param(
            "default", {"assignee": {"type": "squad", "id": "reviewers"}}, 1, id="in a squad"
        ),
        pytest.param(
            "default", {"assignee": {"type": "agent", "id": "elsewhere"}}, 0, id="another source's"
        ),
    ],
)
def test_an_asking_mode_behind_a_trigger_that_nobody_attends(
    mode: str | None, spec: dict[str, Any], count: int
) -> None:
    assert len(warned(mode, **spec)) == count


def test_the_warning_says_what_to_do() -> None:
    (message,) = warned("default")
    assert message == (
        "triage-bot asks for permission in permissionMode default, nobody is there when weekdays "
        "fires, and then the run fails; choose dontAsk, or write onApproval: wait"
    )

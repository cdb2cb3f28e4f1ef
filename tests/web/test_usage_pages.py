"""What a run used is on its page and in the lists of runs."""

from tests.support.rig import Rig, agent, autopilot
from tests.web.conftest import Ask


def test_the_cost_of_a_run_is_on_its_page_and_in_lists(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot("triage"))
    run = rig.launch()
    rig.round()
    (claimed,) = rig.claim()
    usage = {"costUsd": 0.1234, "inputTokens": 12_000, "model": "<b>opus"}
    end = {"leaseToken": claimed.lease_token, "status": "completed", "usage": usage}
    ask("POST", f"/v1/runs/{run.id}/complete", json=end)
    page = ask("GET", f"/runs/{run.id}").text
    assert "$0.1234" in page
    assert "$0.1234 <small>12,000 tokens in" in page
    assert "&lt;b&gt;opus" in page
    assert "$0.1234" in ask("GET", "/runs").text


def test_a_cost_that_is_not_known_is_not_shown_as_nothing(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot("triage"))
    run = rig.launch()
    assert "$" not in ask("GET", f"/runs/{run.id}").text
    assert "$0" not in ask("GET", "/runs").text

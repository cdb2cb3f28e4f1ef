"""The page of notifications."""

from reconciler.core.runs.run import Failed, Reason
from tests.support.notifying import send, tells
from tests.support.rig import Rig, agent, autopilot
from tests.web.conftest import Ask


def test_it_says_who_was_told_of_what_and_what_went_wrong(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot("triage", notify=[tells("failed")]))
    run = rig.launch()
    rig.end(run, Failed(Reason.AGENT_FAILED, "no"))
    rig.clock.advance(minutes=2)
    send(rig, {})
    page = ask("GET", "/notifications").text
    assert f'href="/runs/{run.id}"' in page
    assert "no channel &#39;oncall&#39;" in page
    assert "pending" in page


def test_filters_are_kept_and_can_be_left(rig: Rig, ask: Ask) -> None:
    page = ask("GET", "/notifications?kind=late&status=dead&channel=oncall").text
    assert '<option value="late" selected>' in page
    assert '<option value="dead" selected>' in page
    assert "No notifications like this" in page
    assert 'href="/notifications">Show all' in page


def test_nothing_yet(ask: Ask) -> None:
    assert "No notifications yet" in ask("GET", "/notifications").text

"""The list of runs and the page of one: filters, what can be done, what leads elsewhere."""

import html
import re
from typing import Any

import pytest

from reconciler.control.runs.approving import ask as asks
from reconciler.core.runs.approval import Decision
from reconciler.core.runs.run import Completed, Failed, Reason
from reconciler.dispatch.base import Elsewhere, Written
from reconciler.store.runs.approvals import last_approval
from reconciler.web.pages.words import capitalized
from tests.support.rig import Rig, agent, autopilot, id_of
from tests.support.web import Web
from tests.web.conftest import Ask


@pytest.fixture
def two(rig: Rig) -> Rig:
    """A failed run of `one`, a completed one of `other`, an open one of each."""
    rig.apply(agent(), autopilot("one", maxConcurrency=5), autopilot("other", maxConcurrency=5))
    rig.end(rig.launch("one"), Failed(Reason.AGENT_FAILED, "no"))
    rig.end(rig.launch("other"), Completed("done"))
    rig.launch("one")
    rig.launch("other")
    return rig


def listed(ask: Ask, query: str) -> list[str]:
    page = ask("GET", f"/runs?{query}").text
    return re.findall(r'<a href="/autopilots/[^"]+">([a-z]+)</a>', page)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["other", "one", "other", "one"]),
        ("autopilot=one", ["one", "one"]),
        ("autopilot=default/other&live=yes", ["other"]),
        ("autopilot=nobody", []),
        ("live=yes", ["other", "one"]),
        ("live=yes&status=failed", []),
        ("reason=agent_failed", ["one"]),
        ("status=completed&source=manual", ["other"]),
        ("agent=nobody", []),
        ("within=hour&workspace=default", ["other", "one", "other", "one"]),
        ("workspace=elsewhere&live=yes", []),
    ],
)
def test_the_list_is_filtered_by_its_address(
    two: Rig, ask: Ask, query: str, names: list[str]
) -> None:
    assert listed(ask, query) == names


def test_the_runs_of_an_agent(two: Rig, ask: Ask) -> None:
    two.round()
    two.claim(most=1)
    assert len(listed(ask, "agent=bot&live=yes")) == len(listed(ask, "agent=bot"))
    assert listed(ask, "agent=bot")


@pytest.mark.parametrize("query", ["status=nonsense", "within=ever", "live=no", "foo=1"])
def test_a_filter_that_does_not_exist_is_refused(ask: Ask, query: str) -> None:
    assert ask("GET", f"/runs?{query}").status_code == 400


def test_a_run_that_ended_can_be_run_again_from_its_page(two: Rig, ask: Ask) -> None:
    run = two.runs("one")[0]
    page = ask("GET", f"/runs/{run.id}").text
    assert f'action="/runs/{run.id}/rerun"' in page
    field = re.findall(r'name="form_token" value="([^"]+)"', page)[0]
    answer = ask("POST", f"/runs/{run.id}/rerun", data={"form_token": field})
    assert answer.status_code == 303
    made = two.runs("one")[-1]
    assert answer.headers["location"] == f"/runs/{made.id}"
    assert f'href="/runs/{run.id}">an earlier run' in ask("GET", f"/runs/{made.id}").text


def test_the_history_says_by_what_the_result_was_judged(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot(expect="result.labelled > 0"))
    rig.end(run := rig.launch(), Completed({"labelled": 3}))
    page = ask("GET", f"/runs/{run.id}").text
    assert "<strong>Result judged</strong>" in page
    assert "expect result.labelled &gt; 0 is met" in page


def output_of(web: Web, told: Any) -> None:
    async def output(_run: Any, _after: str | None) -> Any:
        return told

    object.__setattr__(web.context, "output", output)


def test_what_the_agent_wrote_is_on_the_page_without_a_script(two: Rig, web: Web, ask: Ask) -> None:
    output_of(web, Written("<b>reading</b>", "14.0", cut=True))
    page = ask("GET", f"/runs/{two.runs('one')[-1].id}").text
    assert "&lt;b&gt;reading&lt;/b&gt;" in page
    assert 'data-position="14.0"' in page


def test_output_on_another_host_is_said_to_be_there(two: Rig, web: Web, ask: Ask) -> None:
    output_of(web, Elsewhere("build-<7>"))
    assert "build-&lt;7&gt;" in ask("GET", f"/runs/{two.runs('one')[-1].id}").text


def test_the_page_leads_to_the_run_in_the_way(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot())
    first, second = rig.launch(), rig.launch()
    assert f'href="/runs/{first.id}">The run in the way' in ask("GET", f"/runs/{second.id}").text
    assert id_of("triage") in ask("GET", f"/runs/{second.id}").text


def test_a_list_names_other_runs_by_the_ends_of_their_ids(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot())
    first, second = rig.launch(), rig.launch()
    assert f"run …{first.id[-6:]} is still active" in ask("GET", "/runs").text
    assert f"run {first.id} is still active" in ask("GET", f"/runs/{second.id}").text


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("the agent's quota is used up", "The agent's quota is used up"),
        ("each, up to the limit", "Each, up to the limit"),
        ("default/triage is not in force", "default/triage is not in force"),
        ("http://x refused the connection", "http://x refused the connection"),
        ("", ""),
    ],
)
def test_a_sentence_begins_with_a_capital_and_a_name_as_it_is(sentence: str, shown: str) -> None:
    assert capitalized(sentence) == shown


def test_the_reason_of_a_failure_is_told_once(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot())
    rig.end(run := rig.launch(), Failed(Reason.AGENT_FAILED, "no such label"))
    page = ask("GET", f"/runs/{run.id}").text
    reason = page[page.index('aria-label="Reason"') :].partition("</section>")[0]
    assert reason.count("no such label") == 1
    assert "<strong>Failing</strong> since" in reason


@pytest.mark.parametrize("decision", [Decision.APPROVED, Decision.REJECTED])
def test_what_an_agent_asks_is_answered_on_the_page(rig: Rig, ask: Ask, decision: Decision) -> None:
    rig.apply(agent(), autopilot(onApproval="wait"))
    rig.launch()
    rig.round()
    rig.claim()
    run = rig.runs()[0]
    now = rig.clock.now()
    rig.database.write(lambda tx: asks(tx, run, "run <b>deploy</b>?", now))
    page = ask("GET", f"/runs/{run.id}").text
    assert "run &lt;b&gt;deploy&lt;/b&gt;?" in page
    field = re.findall(r'name="form_token" value="([^"]+)"', page)[0]
    verb = {"approved": "approve", "rejected": "reject"}[decision]
    assert f'action="/runs/{run.id}/{verb}"' in page
    sent = {"form_token": field, "question": "run <b>deploy</b>?"}
    assert f'name="question" value="{html.escape(sent["question"])}"' in page
    assert ask("POST", f"/runs/{run.id}/{verb}", data=sent).status_code == 303
    asked = rig.database.read(lambda tx: last_approval(tx, run.id))
    assert asked is not None
    assert asked.decision is decision
    assert f'action="/runs/{run.id}/{verb}"' not in ask("GET", f"/runs/{run.id}").text


def test_a_yes_counts_for_the_question_that_was_read_only(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot(onApproval="wait"))
    rig.launch()
    rig.round()
    rig.claim()
    run, now = rig.runs()[0], rig.clock.now()
    rig.database.write(lambda tx: asks(tx, run, "May I read the log?", now))
    page = ask("GET", f"/runs/{run.id}").text
    field = re.findall(r'name="form_token" value="([^"]+)"', page)[0]
    rig.database.write(lambda tx: asks(tx, rig.run_of(run.id), "May I delete it?", now))
    for read in ({"question": "May I read the log?"}, {}):
        late = ask("POST", f"/runs/{run.id}/approve", data={"form_token": field, **read})
        assert late.status_code == 409
        assert "May I delete it?" in late.text
    path, read = f"/v1/runs/{run.id}/approve", {"question": "May I read the log?"}
    refused = ask("POST", path, json=read)
    assert (refused.status_code, refused.json()["code"]) == (409, "question-changed")
    asked = rig.database.read(lambda tx: last_approval(tx, run.id))
    assert asked is not None
    assert asked.decision is None
    assert ask("POST", path, json={"question": "May I delete it?"}).status_code == 202


def test_a_question_that_is_answered_elsewhere_leads_there(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot(onApproval="wait"))
    rig.launch()
    rig.round()
    rig.claim()
    run, now = rig.runs()[0], rig.clock.now()
    for place, link in (("https://a.example/1", True), ("javascript:alert(1)", False)):
        rig.database.write(lambda tx, p=place: asks(tx, run, "may I?", now, answer_at=p))  # type: ignore[misc]
        page = ask("GET", f"/runs/{run.id}").text
        assert (f'href="{place}"' in page) is link
        assert place in page
        assert "/approve" not in page

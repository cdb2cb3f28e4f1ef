"""Budgets that cannot be kept are warned of, with what helps."""

from typing import Any

import pytest

from reconciler.core.base.identity import Key
from reconciler.core.manifest.checks.budget import budget_findings
from reconciler.core.manifest.model import Kind
from tests.support.rig import Document, agent, autopilot, declare, manifest

CLI = {"type": "cli", "program": "agent", "workDir": "/srv"}


def warnings(subject: Document, *others: Document) -> list[tuple[str, str, str]]:
    declared = [declare(document) for document in (subject, *others)]
    documents = {each.key: each.document for each in declared}
    return [
        (".".join(map(str, finding.loc)), str(finding.code), finding.message)
        for finding in budget_findings(declared[0].document, documents.get)
    ]


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        pytest.param({"perRun": 5, "perDay": 2}, "no run is ever admitted: one may cost 5, and "
                     "perDay is 2", id="a run is more than a day"),
        pytest.param({"perDay": 20, "perMonth": 10.5}, "perDay of 20 is never reached: perMonth "
                     "is 10.5", id="a day is more than a month"),
    ],
)  # fmt: skip
def test_limits_that_contradict_each_other(budget: Document, message: str) -> None:
    ((_, code, said),) = warnings(autopilot(budget=budget), agent())
    assert (code, said) == ("budget-range", message)


@pytest.mark.parametrize(
    ("runtime", "why"),
    [
        pytest.param({"type": "worker"}, None, id="a worker may tell it"),
        pytest.param({"type": "http", "url": "http://127.0.0.1"}, None, id="http may tell it"),
        pytest.param({"type": "a2a", "url": "http://127.0.0.1"}, None, id="a2a may tell it"),
        pytest.param(
            {
                "type": "http",
                "url": "http://127.0.0.1/s",
                "request": {},
                "follow": {"url": "http://127.0.0.1/s", "status": "'running'"},
            },
            "follow tells no usage, so the budget cannot be kept; write follow.usage",
            id="an API that is not asked",
        ),
        pytest.param(
            {"type": "http", "url": "http://127.0.0.1/s", "request": {"done": "accepted"}},
            "work that is handed over tells no cost, so the budget cannot be kept; "
            "bound its runs by limits and timeout",
            id="an API that work is handed over to",
        ),
        pytest.param({"type": "aegis", "workDir": "/srv"}, None, id="aegis"),
        pytest.param({**CLI, "agent": "claude"}, None, id="claude"),
        pytest.param({**CLI, "agent": "opencode"}, None, id="opencode"),
        pytest.param(
            {**CLI, "agent": "codex"},
            "Codex tells tokens and no cost, so the budget cannot be kept; with a price in the "
            "server's [prices.MODEL] it can, once model is set",
            id="codex",
        ),
        pytest.param(
            {**CLI, "agent": "copilot"},
            "Copilot CLI tells no cost, so the budget cannot be kept; "
            "bound its runs by limits and timeout",
            id="copilot",
        ),
        pytest.param(
            {"type": "command", "program": "x"},
            "this command tells no cost, so the budget cannot be kept; "
            "let it tell its cost (usage: lastLine), or bound its runs by limits and timeout",
            id="command",
        ),
        pytest.param(
            {"type": "command", "program": "x", "usage": "lastLine"},
            None,
            id="a command that tells it",
        ),
    ],
)
def test_an_agent_that_tells_no_cost(runtime: dict[str, Any], why: str | None) -> None:
    budget = {"perDay": 5}
    expected = [] if why is None else [("spec.budget", "budget-unknown-cost", why)]
    bot = agent(runtime=runtime)
    assert warnings(autopilot(budget=budget), bot) == expected
    assert warnings(agent(runtime=runtime, budget=budget)) == expected
    team = autopilot(budget=budget, assignee={"type": "squad", "id": "team"})
    assert warnings(team, manifest("Squad", "team", {"members": ["bot"]}), bot) == expected
    assert warnings(autopilot(), bot) == []


def test_an_agent_of_another_source_is_not_known_here() -> None:
    assert warnings(autopilot(budget={"perDay": 5})) == []
    assert Key(Kind.AGENT, "default", "bot")

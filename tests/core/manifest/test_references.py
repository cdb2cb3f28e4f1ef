"""Rules between objects."""

import pytest

from reconciler.core.base.codes import Code
from reconciler.core.base.identity import Key
from reconciler.core.manifest.references import Scope, reference_findings
from reconciler.manifest.load.loc import dotted
from tests.support.builders import Document, a_squad, an_agent, an_autopilot

AEGIS = {"type": "aegis", "workDir": "/srv"}
SQUAD = {"type": "squad", "id": "reviewers"}


def scope_of(*documents: Document, **options: object) -> Scope:
    return Scope({key_of(d): d for d in documents}, **options)  # type: ignore[arg-type]


def key_of(document: Document) -> Key:
    metadata = document["metadata"]
    return Key(document["kind"], metadata["workspace"], metadata["name"])


def findings(*documents: Document, **options: object) -> list[tuple[str, str, str]]:
    scope = scope_of(*documents, **options)
    subjects = ((document["metadata"]["name"], document) for document in documents)
    return [
        (name, dotted(finding.loc), finding.code)
        for name, finding in reference_findings(scope, subjects)
    ]


def message(*documents: Document, **options: object) -> str:
    scope = scope_of(*documents, **options)
    ((_, finding),) = reference_findings(scope, ((d["kind"], d) for d in documents))
    return finding.message


@pytest.mark.parametrize(
    "documents",
    [
        pytest.param([an_autopilot(), an_agent()], id="an agent"),
        pytest.param([an_autopilot(assignee=SQUAD), a_squad(), an_agent()], id="a squad"),
        pytest.param(
            [an_autopilot(executionMode="run_only"), an_agent()], id="run_only on a worker"
        ),
        pytest.param(
            [an_agent("b", metadata={"formerNames": ["a"]}), an_agent("c")], id="a former name"
        ),
        pytest.param(
            [an_agent("a", metadata={"formerNames": ["b"]}), a_squad("b", members=["a"])],
            id="a former name that another kind uses",
        ),
        pytest.param(
            [an_agent("a", metadata={"formerNames": ["b"]}), an_agent("b", workspace="other")],
            id="a former name that another workspace uses",
        ),
        pytest.param(
            [
                an_agent("a", metadata={"formerNames": ["b"]}),
                an_agent("b", metadata={"formerNames": ["a"]}),
            ],
            id="names that were swapped",
        ),
        pytest.param(
            [an_agent("a"), an_agent("x", metadata={"formerNames": ["z", "a"]})],
            id="a later former name that is in use again",
        ),
    ],
)
def test_nothing_is_wrong(documents: list[Document]) -> None:
    assert findings(*documents) == []


@pytest.mark.parametrize(
    ("documents", "where", "code"),
    [
        pytest.param(
            [an_autopilot("x"), an_agent(workspace="other")],
            ("x", "spec.assignee.id"),
            Code.ASSIGNEE_UNKNOWN,
            id="an agent of another workspace",
        ),
        pytest.param(
            [an_autopilot("x", assignee=SQUAD), an_agent("reviewers")],
            ("x", "spec.assignee.id"),
            Code.ASSIGNEE_UNKNOWN,
            id="an agent for a squad",
        ),
        pytest.param(
            [a_squad("x", members=["triage-bot", "y"]), an_agent()],
            ("x", "spec.members[1]"),
            Code.MEMBER_UNKNOWN,
            id="an unknown member",
        ),
        pytest.param(
            [a_squad("x", members=["x"])],
            ("x", "spec.members[0]"),
            Code.MEMBER_UNKNOWN,
            id="a squad in a squad",
        ),
        pytest.param(
            [an_autopilot("x", executionMode="run_only"), an_agent(runtime=AEGIS)],
            ("x", "spec.executionMode"),
            Code.RUN_ONLY_UNSUPPORTED,
            id="run_only on aegis",
        ),
        pytest.param(
            [
                an_autopilot("x", executionMode="run_only", assignee=SQUAD),
                a_squad(members=["a", "b"]),
                an_agent("a"),
                an_agent("b", runtime=AEGIS),
            ],
            ("x", "spec.executionMode"),
            Code.RUN_ONLY_UNSUPPORTED,
            id="run_only on a squad with an aegis agent",
        ),
        pytest.param(
            [an_agent("a"), an_agent("x", metadata={"formerNames": ["a"]})],
            ("x", "metadata.formerNames[0]"),
            Code.FORMER_NAME_IN_USE,
            id="a former name that is in use",
        ),
        pytest.param(
            [
                an_agent("a", metadata={"formerNames": ["z"]}),
                an_agent("x", metadata={"formerNames": ["z"]}),
            ],
            ("x", "metadata.formerNames[0]"),
            Code.FORMER_NAME_IN_USE,
            id="a former name of two objects",
        ),
    ],
)
def test_one_thing_is_wrong(documents: list[Document], where: tuple[str, str], code: Code) -> None:
    assert findings(*documents) == [(*where, code)]


def test_what_exists_in_another_way() -> None:
    lonely = an_autopilot("x")
    key = Key("Agent", "platform", "triage-bot")
    assert findings(lonely, broken={key}) == []
    assert findings(lonely, unread={"triage-bot"}) == []
    assert findings(lonely, external=lambda wanted: wanted == key) == []
    assert findings(lonely, allow_external=True) == []
    assert findings(lonely, external=lambda _: False) != []


def test_messages_name_the_near_miss() -> None:
    assert "did you mean 'triage-bots'?" in message(an_autopilot(), an_agent("triage-bots"))
    assert "workspace 'other' has one" in message(an_autopilot(), an_agent(workspace="other"))
    assert "there is an agent of that name" in message(
        an_autopilot(assignee=SQUAD), an_agent("reviewers")
    )
    assert "--allow-external" in message(an_autopilot())


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"kind": "Autopilot"},
        {"kind": "Autopilot", "metadata": [], "spec": {"assignee": {"type": [], "id": 1}}},
        {"kind": "Squad", "metadata": {"workspace": 1}, "spec": {"members": [1, None, {}]}},
        {"kind": "Agent", "metadata": {"name": "a", "formerNames": {"a": 1}}},
        {"kind": [], "metadata": {"name": "a", "formerNames": ["b"]}},
    ],
)
def test_malformed_documents_are_passed_over(document: Document) -> None:
    assert list(reference_findings(Scope({}), [(0, document)])) == []

"""What is wrong with the templates of an `http` runtime is told at its place."""

from typing import Any

import pytest

from reconciler.core.base.codes import Code
from reconciler.core.manifest.checks import Policy, check
from reconciler.core.manifest.defaults import without_defaults
from reconciler.core.manifest.model import Agent
from reconciler.core.manifest.runtime import secret_refs
from reconciler.core.plan.reached import reached_by
from reconciler.manifest.load.loc import dotted
from tests.support.builders import a_secret, an_agent, problems_in

POLICY = Policy(allowed_runtime_urls=("https://api.example.org",))
API = "https://api.example.org/v1"
SESSIONS: dict[str, Any] = {
    "type": "http",
    "url": f"{API}/sessions",
    "request": {
        "body": {"prompt": "{{ prompt }}", "tags": ["{{ run.id }}"], "options": {}},
        "handle": {"id": "answer.session_id"},
    },
    "follow": {
        "url": API + "/sessions/{{ handle.id }}",
        "status": 'answer.status == "exit" ? "completed" : "running"',
    },
    "cancel": {"method": "DELETE", "url": API + "/sessions/{{ handle.id }}"},
    "find": {
        "url": API + "/sessions?tag={{ run.id }}",
        "handle": {"id": "answer.sessions[0].session_id"},
    },
}


def changed(**fields: Any) -> dict[str, Any]:
    """The runtime with some fields changed, those of its mappings too; `...` leaves one out."""
    merged = {**SESSIONS}
    for name, value in fields.items():
        whole = isinstance(value, dict) and isinstance(SESSIONS.get(name), dict)
        merged[name] = {**SESSIONS[name], **value} if whole else value
        if isinstance(merged[name], dict):
            merged[name] = {key: item for key, item in merged[name].items() if item is not ...}
    return an_agent(runtime={key: value for key, value in merged.items() if value is not ...})


def test_a_runtime_of_an_api_is_valid_and_the_same_again_from_its_canonical_form() -> None:
    agent = Agent.model_validate(changed())
    assert check(agent.document(), POLICY) == []
    assert Agent.model_validate(without_defaults(agent.document())) == agent
    body = without_defaults(agent.document())["spec"]["runtime"]["request"]["body"]
    assert body["options"] == {}, "what is sent is kept as it is"


def test_a_runtime_of_the_protocol_has_the_canonical_form_that_it_had() -> None:
    runtime = Agent.model_validate(an_agent(runtime={"type": "http", "url": API})).document()
    assert runtime["spec"]["runtime"] == {"type": "http", "url": API, "headers": {}}


PROBLEMS = [
    pytest.param(
        changed(request=...),
        "spec.runtime.follow",
        Code.RUNTIME_OPTION,
        "goes with 'request'",
        id="templates without a request",
    ),
    pytest.param(
        changed(follow=...),
        "spec.runtime.request",
        Code.RUNTIME_OPTION,
        "needs 'follow: {url, status}'",
        id="nothing says how it ends",
    ),
    pytest.param(
        changed(request={"done": "response"}, find=...),
        "spec.runtime.follow",
        Code.RUNTIME_OPTION,
        "remove it, or write done: follow",
        id="two ends",
    ),
    pytest.param(
        changed(request={"done": "response"}, follow=..., cancel=...),
        "spec.runtime.find",
        Code.RUNTIME_OPTION,
        "cannot be found",
        id="an answer that is searched for",
    ),
    pytest.param(
        changed(request={"method": "GET"}),
        "spec.runtime.request.body",
        Code.RUNTIME_OPTION,
        "a GET has no body",
        id="a GET with a body",
    ),
    pytest.param(
        changed(request={"body": {"a": ["{{ promt }}"]}}),
        "spec.runtime.request.body.a[0]",
        Code.VARIABLE_UNKNOWN,
        "did you mean 'prompt'?",
        id="a variable's near miss",
    ),
    pytest.param(
        changed(request={"body": {"a": "{{ run.titel }}"}}),
        "spec.runtime.request.body.a",
        Code.VARIABLE_UNKNOWN,
        "did you mean 'title'?",
        id="a field's near miss",
    ),
    pytest.param(
        changed(request={"body": {"a": "{{ payload.ref }}"}}),
        "spec.runtime.request.body.a",
        Code.VARIABLE_UNKNOWN,
        "the payload is 'run.payload'",
        id="the payload is the run's",
    ),
    pytest.param(
        changed(request={"body": {"a": "{{ handle.id }}"}}),
        "spec.runtime.request.body.a",
        Code.VARIABLE_UNKNOWN,
        "unknown variable 'handle'",
        id="a handle before there is one",
    ),
    pytest.param(
        changed(request={"body": {"a": "{{ prompt"}}),
        "spec.runtime.request.body.a",
        Code.TEMPLATE_INVALID,
        "not closed",
        id="an open placeholder",
    ),
    pytest.param(
        changed(request={"body": '{"a": {{ prompt }}'}),
        "spec.runtime.request.body",
        Code.TEMPLATE_INVALID,
        "is JSON, but this is not",
        id="a text that is no JSON",
    ),
    pytest.param(
        changed(request={"handle": {"id": "answer."}}),
        "spec.runtime.request.handle.id",
        Code.EXPRESSION_INVALID,
        "",
        id="a handle that does not compile",
    ),
    pytest.param(
        changed(request={"headers": {"Host": "x"}}),
        "spec.runtime.request.headers.Host",
        Code.HEADER_INVALID,
        "the server sets",
        id="a header that is ours",
    ),
    pytest.param(
        changed(request={"headers": {"X-Run": "{{ run.idd }}"}}),
        "spec.runtime.request.headers.X-Run",
        Code.VARIABLE_UNKNOWN,
        "did you mean 'id'?",
        id="a header's template",
    ),
    pytest.param(
        changed(request={"headers": {"X-K": {"env": "AUTOPILOT_SECRET_OTHER__K"}}}),
        "spec.runtime.request.headers.X-K.env",
        Code.SECRET_WORKSPACE,
        "",
        id="another team's secret",
    ),
    pytest.param(
        changed(follow={"url": API + "/{{ handle.ids }}"}),
        "spec.runtime.follow.url",
        Code.VARIABLE_UNKNOWN,
        "keeps no 'ids', did you mean 'id'?",
        id="a handle's near miss",
    ),
    pytest.param(
        changed(follow={"status": "answer.status == handle.name ? 'a' : 'b'"}),
        "spec.runtime.follow.status",
        Code.VARIABLE_UNKNOWN,
        "keeps no 'name'; it keeps id",
        id="a handle that is not kept, in an expression",
    ),
    pytest.param(
        changed(find={"handle": {"session": "answer.x"}}),
        "spec.runtime.find.handle.session",
        Code.RUNTIME_OPTION,
        "has no 'session'; it has id",
        id="a search for something else",
    ),
    pytest.param(
        changed(follow={"url": "https://evil.example.org/{{ handle.id }}"}),
        "spec.runtime.follow.url",
        Code.URL_NOT_ALLOWED,
        "allowed_runtime_urls",
        id="an address that the operator does not admit",
    ),
    pytest.param(
        changed(cancel={"url": "https://{{ handle.id }}/x"}),
        "spec.runtime.cancel.url",
        Code.URL_INVALID,
        "not in its host",
        id="a host out of an answer",
    ),
    pytest.param(
        changed(cancel={"url": "https://api.example.org{{ handle.id }}/x"}),
        "spec.runtime.cancel.url",
        Code.URL_INVALID,
        "not in its host",
        id="a host that goes on",
    ),
    pytest.param(
        changed(find={"url": API + "/a b{{ run.id }}"}),
        "spec.runtime.find.url",
        Code.URL_INVALID,
        "write %20",
        id="a blank",
    ),
    pytest.param(
        changed(url=API + "/../{{ run.id }}"),
        "spec.runtime.url",
        Code.URL_NOT_ALLOWED,
        "",
        id="a step upwards",
    ),
]


@pytest.mark.parametrize(("document", "field", "code", "says"), PROBLEMS)
def test_a_problem_is_told_at_its_place(
    document: dict[str, Any], field: str, code: Code, says: str
) -> None:
    found = [(dotted(f.loc), f.code, f.message) for f in check(document, POLICY)]
    told = [message for at, which, message in found if (at, which) == (field, code)]
    assert told, found
    assert any(says in message for message in told), told


def test_words_of_other_tools_are_told_ours() -> None:
    document = changed(request={"payload": {}}, url="http://127.0.0.1/s", cancel=..., find=...)
    document["spec"]["runtime"]["follow"] = {
        "url": "http://127.0.0.1/s/{{ handle.id }}",
        "status": '"running"',
        "interval": "1s",
    }
    messages = " ".join(problem.message for problem in problems_in(document))
    assert "write body" in messages
    assert "write every: 15s" in messages


def test_the_plan_names_the_hosts_and_the_secrets() -> None:
    document = Agent.model_validate(
        changed(
            url="https://a.example.org/x",
            follow={"url": "https://b.example.org:8443/{{ handle.id }}"},
            request={"headers": {"Authorization": a_secret("API"), "X-Run": "{{ run.id }}"}},
        )
    )
    reached = reached_by(document.document(), lambda _: None)
    assert reached.hosts == {
        "https://a.example.org",
        "https://b.example.org:8443",
        "https://api.example.org",
    }
    assert reached.secrets == {"env AUTOPILOT_SECRET_PLATFORM__API"}
    assert [ref.env for ref in secret_refs(document.spec.runtime)] == [
        "AUTOPILOT_SECRET_PLATFORM__API"
    ]

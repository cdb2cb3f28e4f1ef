"""Rules about one object: each with the places and codes that it gives."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.base.codes import Code
from reconciler.core.manifest.checks import Policy, check
from reconciler.core.manifest.checks.nul import nul_findings
from reconciler.core.manifest.checks.secrets import is_secret_file, owns_env
from reconciler.core.manifest.reach import Grant
from reconciler.manifest.load.loc import dotted
from tests.support.builders import (
    Document,
    a_schedule,
    a_secret,
    a_squad,
    a_webhook,
    an_agent,
    an_autopilot,
)

HTTP = {"type": "http", "url": "http://127.0.0.1:8000/run"}
AEGIS = {"type": "aegis", "workDir": "/srv"}
A2A = {"type": "a2a", "url": "http://127.0.0.1:8000"}
API: Document = {
    **HTTP,
    "request": {
        "body": {"a": ["{{ prompt }}"]},
        "headers": {"X-Run": "{{ run.id }}"},
        "handle": {"id": "answer.id"},
        "done": "follow",
    },
    "follow": {"url": "http://127.0.0.1/{{ handle.id }}", "status": "answer.s", "usage": "answer"},
    "cancel": {"url": "http://127.0.0.1/{{ handle.id }}"},
    "find": {"url": "http://127.0.0.1/{{ run.id }}", "handle": {"id": "answer.id"}},
}
COMMAND = {"type": "command", "program": "triage"}
CLI = {"type": "cli", "agent": "claude", "program": "claude", "workDir": "/srv/agents/a"}


def found(document: Document, policy: Policy | None = None) -> list[tuple[str, str]]:
    return [(dotted(f.loc), f.code) for f in check(document, policy or Policy())]


def webhook(**signature: Any) -> Document:
    return an_autopilot(triggers=[a_webhook(signature=signature)])


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(an_autopilot(), id="an autopilot"),
        pytest.param(an_autopilot(triggers=[a_schedule(every="90m")]), id="a period"),
        pytest.param(an_autopilot(triggers=[a_schedule(at="2026-12-01T09:00")]), id="one moment"),
        pytest.param(
            an_autopilot(concurrencyPolicy="queue", triggers=[a_schedule(catchUp="all")]),
            id="catching up with everything, queued",
        ),
        pytest.param(an_autopilot(triggers=[a_webhook()]), id="a webhook"),
        pytest.param(webhook(scheme="none"), id="a webhook that anybody may call"),
        pytest.param(
            webhook(scheme="hmac_sha256", secrets=[{"file": "ci"}], header="X-Sig", prefix="v1="),
            id="a scheme of one's own",
        ),
        pytest.param(an_autopilot(metadata={"formerNames": ["a", "b"]}), id="former names"),
        pytest.param(
            an_autopilot(concurrencyKey="string(payload.id)", issueTitleTemplate="{{ date }}"),
            id="expressions",
        ),
        pytest.param(an_agent(runtime=HTTP), id="an http agent on this machine"),
        pytest.param(an_agent(runtime={**AEGIS, "permissionMode": "plan"}), id="an aegis agent"),
        pytest.param(an_agent(runtime=COMMAND), id="a command that is not known here"),
        pytest.param(a_squad(members=["a", "b"]), id="a squad"),
    ],
)
def test_nothing_is_wrong(document: Document) -> None:
    assert found(document) == []


@pytest.mark.parametrize(
    ("document", "where", "code"),
    [
        pytest.param(
            an_autopilot(triggers=[a_schedule("a"), a_webhook("a")]),
            "spec.triggers[1].name",
            Code.TRIGGER_DUPLICATE,
            id="two triggers of one name",
        ),
        pytest.param(
            an_autopilot(triggers=[a_schedule(cron="0 9 * * *", every="5m")]),
            "spec.triggers[0]",
            Code.SCHEDULE_ONE_OF,
            id="two schedules in one",
        ),
        pytest.param(
            an_autopilot(triggers=[a_schedule(cron=None)]),
            "spec.triggers[0]",
            Code.SCHEDULE_ONE_OF,
            id="no schedule",
        ),
        pytest.param(
            an_autopilot(triggers=[a_schedule(cron="0 9 * *")]),
            "spec.triggers[0].cron",
            Code.CRON_INVALID,
            id="four fields",
        ),
        pytest.param(
            an_autopilot(triggers=[a_schedule(cron="0 0 30 2 *")]),
            "spec.triggers[0].cron",
            Code.CRON_NEVER_FIRES,
            id="30 February",
        ),
        pytest.param(
            an_autopilot(triggers=[a_schedule(timezone="localtime")]),
            "spec.triggers[0].timezone",
            Code.TIMEZONE_UNKNOWN,
            id="the machine's own zone",
        ),
        pytest.param(
            an_autopilot(triggers=[a_schedule(at="2026-02-30T00:00")]),
            "spec.triggers[0].at",
            Code.AT_INVALID,
            id="a moment that does not exist",
        ),
        pytest.param(
            an_autopilot(triggers=[a_schedule(catchUp="all")]),
            "spec.triggers[0].catchUp",
            Code.CATCH_UP_QUEUE,
            id="catching up with everything, without a queue",
        ),
        pytest.param(
            an_autopilot(queueKeep="newest", concurrencyPolicy="replace"),
            "spec.queueKeep",
            Code.QUEUE_KEEP_QUEUE,
            id="keeping the newest of a queue that there is not",
        ),
        pytest.param(
            an_autopilot(
                triggers=[
                    a_schedule(startAt="2026-01-01T00:00:00Z", endAt="2026-01-01T01:00+02:00")
                ]
            ),
            "spec.triggers[0].endAt",
            Code.SCHEDULE_RANGE,
            id="an end before the start, in other offsets",
        ),
        pytest.param(
            an_autopilot(concurrencyKey="payload."),
            "spec.concurrencyKey",
            Code.EXPRESSION_INVALID,
            id="a key that does not compile",
        ),
        pytest.param(
            an_autopilot(triggers=[a_webhook(when="paylod.ref == ''")]),
            "spec.triggers[0].when",
            Code.VARIABLE_UNKNOWN,
            id="an unknown variable",
        ),
        pytest.param(
            an_autopilot(triggers=[a_webhook(when="run.id == ''")]),
            "spec.triggers[0].when",
            Code.VARIABLE_UNKNOWN,
            id="a variable of titles in a condition",
        ),
        pytest.param(
            an_autopilot(issueTitleTemplate="{{ date"),
            "spec.issueTitleTemplate",
            Code.TEMPLATE_INVALID,
            id="an open placeholder",
        ),
        pytest.param(
            webhook(scheme="github"),
            "spec.triggers[0].signature.scheme",
            Code.SIGNATURE_SECRET,
            id="no secret",
        ),
        pytest.param(
            webhook(scheme="none", secrets=[a_secret()]),
            "spec.triggers[0].signature.secrets",
            Code.SIGNATURE_SECRET,
            id="a secret for nothing",
        ),
        pytest.param(
            webhook(scheme="stripe", secrets=[a_secret()], encoding="hex"),
            "spec.triggers[0].signature.encoding",
            Code.SIGNATURE_OPTION,
            id="an option that the scheme fixes",
        ),
        pytest.param(
            webhook(scheme="github", secrets=[{"env": "AUTOPILOT_SECRET_OTHER__CI"}]),
            "spec.triggers[0].signature.secrets[0].env",
            Code.SECRET_WORKSPACE,
            id="a secret of another workspace",
        ),
        pytest.param(
            webhook(scheme="github", secrets=[{"env": "PATH"}]),
            "spec.triggers[0].signature.secrets[0].env",
            Code.SECRET_WORKSPACE,
            id="a variable of the server",
        ),
        pytest.param(
            webhook(scheme="github", secrets=[{"file": "../other/ci"}]),
            "spec.triggers[0].signature.secrets[0].file",
            Code.SECRET_FILE,
            id="a secret of another workspace's folder",
        ),
        pytest.param(
            webhook(scheme="github", secrets=[{}]),
            "spec.triggers[0].signature.secrets[0]",
            Code.SECRET_REFERENCE,
            id="a reference to nothing",
        ),
        pytest.param(
            webhook(scheme="github", secrets=[a_secret(file="ci")]),
            "spec.triggers[0].signature.secrets[0]",
            Code.SECRET_REFERENCE,
            id="a reference to two things",
        ),
        pytest.param(
            webhook(
                scheme="github",
                secrets=[a_secret(notBefore="2026-02-01T00:00Z", notAfter="2026-01-01T00:00Z")],
            ),
            "spec.triggers[0].signature.secrets[0].notAfter",
            Code.SECRET_RANGE,
            id="a secret that is never valid",
        ),
        pytest.param(
            an_autopilot("a", metadata={"formerNames": ["a"]}),
            "metadata.formerNames[0]",
            Code.FORMER_NAME_INVALID,
            id="the own name as a former one",
        ),
        pytest.param(
            an_autopilot(metadata={"formerNames": ["a", "a"]}),
            "metadata.formerNames[1]",
            Code.FORMER_NAME_INVALID,
            id="a former name twice",
        ),
        pytest.param(
            a_squad(members=["a", "b", "a"]),
            "spec.members[2]",
            Code.MEMBER_DUPLICATE,
            id="a member twice",
        ),
        pytest.param(
            an_agent(runtime={**HTTP, "url": "https://agents.example"}),
            "spec.runtime.url",
            Code.URL_NOT_ALLOWED,
            id="a URL outside of this machine",
        ),
        pytest.param(
            an_agent(runtime={**AEGIS, "url": "http://127.0.0.1.evil.example"}),
            "spec.runtime.url",
            Code.URL_NOT_ALLOWED,
            id="a host that only starts like this machine",
        ),
        pytest.param(
            an_agent(runtime={**HTTP, "url": "http://u:p@127.0.0.1/"}),
            "spec.runtime.url",
            Code.SECRET_LITERAL,
            id="a password in a URL",
        ),
        pytest.param(
            an_agent(runtime={**HTTP, "url": "http://[::1"}),
            "spec.runtime.url",
            Code.URL_INVALID,
            id="no URL",
        ),
        pytest.param(
            an_agent(runtime={**AEGIS, "permissionMode": "bypassPermissions"}),
            "spec.runtime.permissionMode",
            Code.PERMISSION_MODE_NOT_ALLOWED,
            id="a mode that asks nobody",
        ),
        pytest.param(
            an_agent(runtime={**COMMAND, "env": {"A": {"env": "HOME"}}}),
            "spec.runtime.env.A.env",
            Code.SECRET_WORKSPACE,
            id="the server's environment in a command",
        ),
        pytest.param(
            an_agent(runtime={**HTTP, "headers": {"Authorization": "Bearer x"}}),
            "spec.runtime.headers.Authorization",
            Code.SECRET_LITERAL,
            id="a credential in a header",
        ),
        pytest.param(
            an_agent(runtime={**COMMAND, "args": ["--token", "ghp_" + "a" * 36]}),
            "spec.runtime.args[1]",
            Code.SECRET_LITERAL,
            id="a credential as an argument",
        ),
    ],
)
def test_one_thing_is_wrong(document: Document, where: str, code: Code) -> None:
    assert found(document) == [(where, code)]


def test_programs_that_the_operator_bound() -> None:
    document = an_agent(runtime=COMMAND)
    assert found(document, Policy(allowed_commands=frozenset({"triage"}))) == []
    (finding,) = check(document, Policy(allowed_commands=frozenset({"triages"})))
    assert finding.code == Code.COMMAND_NOT_ALLOWED
    assert "did you mean 'triages'?" in finding.message


def test_prechecks_run_what_the_operator_bound_and_nothing_else() -> None:
    document = an_autopilot(precheck={"program": "new-issues"})
    assert found(document, Policy(allowed_commands=None)) == []
    assert found(document, Policy(allowed_commands=frozenset({"new-issues"}))) == []
    (finding,) = check(document, Policy(allowed_commands=frozenset({"new-issue"})))
    assert (dotted(finding.loc), finding.code) == ("spec.precheck.program", "command-not-allowed")
    assert "did you mean 'new-issue'?" in finding.message


@pytest.mark.parametrize(
    ("fields", "where", "code"),
    [
        ({"expect": "reslut.ok"}, "spec.expect", Code.VARIABLE_UNKNOWN),
        ({"expect": "size(result)"}, "spec.expect", Code.EXPRESSION_INVALID),
        ({"resultSchema": "{"}, "spec.resultSchema", Code.SCHEMA_INVALID),
    ],
)
def test_what_no_result_could_ever_be(fields: dict[str, Any], where: str, code: Code) -> None:
    assert found(an_autopilot(**fields)) == [(where, code)]


def test_urls_that_the_operator_admits() -> None:
    document = an_agent(runtime={**HTTP, "url": "https://agents.example/a/b"})
    assert found(document, Policy(allowed_runtime_urls=("https://agents.example/a",))) == []


@pytest.mark.parametrize(
    ("workspace", "variable", "owned"),
    [
        pytest.param("a", "AUTOPILOT_SECRET_A__CI", True, id="its own"),
        pytest.param("a-b", "AUTOPILOT_SECRET_A_B__CI_KEY_2", True, id="dashes as underscores"),
        pytest.param("a", "AUTOPILOT_SECRET_A__B__CI", False, id="of workspace a--b"),
        pytest.param("a--b", "AUTOPILOT_SECRET_A__B__CI", True, id="a--b owns it"),
        pytest.param("a", "AUTOPILOT_SECRET_A___CI", False, id="a third underscore"),
        pytest.param("a", "AUTOPILOT_SECRET_A__", False, id="no name"),
        pytest.param("a", "AUTOPILOT_SECRET_A__CI\n", False, id="a line break"),
        pytest.param("a", "AUTOPILOT_SECRET_AB__CI", False, id="a longer workspace"),
        pytest.param("a", "autopilot_secret_a__ci", False, id="lower case"),
    ],
)
def test_whose_variable(workspace: str, variable: str, owned: bool) -> None:
    assert owns_env(workspace, variable) is owned


names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,6}[a-z0-9])?", fullmatch=True)


@given(names, names, st.from_regex(r"[A-Z0-9_]{1,8}", fullmatch=True))
def test_no_variable_belongs_to_two_workspaces(one: str, other: str, name: str) -> None:
    for workspace in (one, other):
        variable = f"AUTOPILOT_SECRET_{workspace.upper().replace('-', '_')}__{name}"
        assert one == other or not (owns_env(one, variable) and owns_env(other, variable))


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", ".env", "-x", "a\\b", "a\n", "é"])
def test_what_is_no_name_of_a_secret_file(name: str) -> None:
    assert not is_secret_file(name)


def test_a_pasted_secret_is_not_repeated() -> None:
    secret = "ghp_" + "a1B2" * 9
    for document in (
        webhook(scheme="github", secrets=[{"env": secret}]),
        an_agent(runtime={**HTTP, "headers": {"x": secret}}),
        an_agent(runtime={**HTTP, "url": f"https://{secret}@host/"}),
    ):
        (finding,) = check(document)
        assert secret not in finding.message


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(st.data())
def test_malformed_documents_raise_nothing(data: st.DataObject) -> None:
    document: Any = data.draw(
        st.sampled_from(
            [
                an_autopilot(triggers=[a_schedule(), a_webhook()]),
                an_agent(runtime={**COMMAND, "env": {"A": "b"}, "args": ["c"]}),
                an_agent(runtime={**A2A, "headers": {"X-A": "b"}, "token": a_secret()}),
                an_agent(runtime=copy.deepcopy(API)),
                a_squad(),
            ]
        )
    )
    target = document
    for _ in range(data.draw(st.integers(0, 5))):
        keys = list(target) if isinstance(target, dict) else list(range(len(target)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(target[key], dict | list) or not target[key]:
            break
        target = target[key]
    keys = list(target) if isinstance(target, dict) else list(range(len(target)))
    target[data.draw(st.sampled_from(keys))] = data.draw(junk)
    assert all(isinstance(finding.message, str) for finding in check(document))


def test_equal_policies_have_equal_fingerprints() -> None:
    one = Policy(allowed_commands=frozenset({"a", "b"}))
    same = Policy(allowed_commands=frozenset({"b", "a"}))
    assert one.fingerprint == same.fingerprint
    assert len({p.fingerprint for p in (one, Policy(), Policy(allowed_commands=frozenset()))}) == 3


@pytest.mark.parametrize(
    "name",
    [
        "Host", "TRANSFER-ENCODING", "Content-Length", "connection", "Keep-Alive", "TE", "Upgrade",
        "Content-Type", "Idempotency-Key", "webhook-id", "Webhook-Signature", "svix-signature",
        "Proxy-Authorization",
    ],
)  # fmt: skip
def test_headers_that_the_server_sets_are_refused(name: str) -> None:
    document = an_agent(runtime={**HTTP, "headers": {name: {"file": "token"}}})
    assert found(document) == [(dotted(("spec", "runtime", "headers", name)), "header-invalid")]


@pytest.mark.parametrize("value", ["a\nb", "a\r\nX: y", " a", "a ", "caf\u00e9", "a\x7f", "\u2028"])
def test_header_values_that_cannot_be_sent_are_refused_and_not_repeated(value: str) -> None:
    (problem,) = check(an_agent(runtime={**HTTP, "headers": {"X-Team": value}}), Policy())
    assert problem.code == "header-invalid"
    assert repr(value) not in problem.message


def test_one_header_in_two_cases_is_refused() -> None:
    document = an_agent(runtime={**HTTP, "headers": {"X-Team": "a", "x-team": "b"}})
    assert found(document) == [("spec.runtime.headers.x-team", "header-invalid")]


@pytest.mark.parametrize("value", ["", "core", "a b\tc", "Bearer", "!~"])
def test_other_headers_may_be_set(value: str) -> None:
    assert found(an_agent(runtime={**HTTP, "headers": {"X-Team": value}})) == []


@pytest.mark.parametrize(
    ("fields", "where", "code"),
    [
        ({"program": "codex"}, "program", Code.COMMAND_NOT_ALLOWED),
        ({"workDir": "/etc"}, "workDir", Code.FOLDER_NOT_ALLOWED),
        ({"home": "/root"}, "home", Code.FOLDER_NOT_ALLOWED),
        ({"env": {"LD_PRELOAD": "x"}}, "env.LD_PRELOAD", Code.VARIABLE_NOT_ALLOWED),
        ({"permissionMode": "acceptEdits"}, "permissionMode", Code.PERMISSION_MODE_NOT_ALLOWED),
    ],
)
def test_what_a_coding_agent_is_given_is_the_operators_choice(
    fields: dict[str, Any], where: str, code: Code
) -> None:
    grant = Grant(frozenset({"ANTHROPIC_API_KEY"}), ("/srv/agents",))
    policy = Policy(
        allowed_commands=frozenset({"claude"}),
        grants={"claude": grant},
        allowed_permission_modes=frozenset({"dontAsk"}),
    )
    admitted = {**CLI, "permissionMode": "dontAsk", "env": {"ANTHROPIC_API_KEY": a_secret()}}
    assert found(an_agent(runtime=admitted), policy) == []
    assert found(an_agent(runtime={**admitted, **fields}), policy) == [
        (f"spec.runtime.{where}", code)
    ]


PARTS = st.sampled_from(["\0", "a", "\\", "u0000", "\ud800", "é"])
TEXTS = st.lists(PARTS, max_size=3).map("".join)
VALUES = st.recursive(
    TEXTS | st.none() | st.booleans() | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_each_nul_is_found_where_it_stands_and_nothing_that_looks_like_one(value: Any) -> None:
    def holding(inside: Any) -> int:
        match inside:
            case str():
                return "\0" in inside
            case dict():
                return sum(holding(key) + holding(item) for key, item in inside.items())
            case list():
                return sum(map(holding, inside))
        return 0

    findings = list(nul_findings({"spec": value}))
    assert len(findings) == holding(value)
    assert {finding.code for finding in findings} <= {Code.TEXT_NUL}

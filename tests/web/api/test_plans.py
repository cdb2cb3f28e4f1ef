"""Plan, apply and adopt over HTTP: what is sent is held to the rules of the server's own files."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.control.access.tokens import Tokens
from reconciler.control.apply.follow_source import Place, Position
from reconciler.core.access.token_hash import token_hash
from tests.support.receiver import Receiver
from tests.support.rig import Rig, agent, autopilot, webhook
from tests.support.web import Web
from tests.web.conftest import Ask

Document = dict[str, Any]
TOKEN = f"rct_own{'x' * 40}"


def _in(workspace: str, document: Document) -> Document:
    """The document in another workspace."""
    return {**document, "metadata": {**document["metadata"], "workspace": workspace}}


def bundle(*documents: Document, **more: Any) -> Document:
    """A body with a file for each document."""
    files = [
        {"path": f"{document['metadata']['name']}.yaml", "content": json.dumps(document)}
        for document in documents
    ]
    return {"sourceId": "default", "files": sorted(files, key=lambda file: file["path"]), **more}


def digest_of(ask: Ask, body: Document) -> str:
    """The digest of the plan."""
    planned = ask("POST", "/v1/plan", json=body)
    assert planned.status_code == 200, planned.text
    return str(planned.json()["digest"])


def applied(ask: Ask, body: Document, **more: Any) -> Any:
    """The answer to an apply of what was just planned."""
    return ask("POST", "/v1/apply", json={**body, "digest": digest_of(ask, body), **more})


def test_what_was_planned_is_applied_once_and_may_be_sent_again(ask: Ask) -> None:
    body = bundle(agent(), autopilot())
    digest = digest_of(ask, body)
    first = ask("POST", "/v1/apply", json={**body, "digest": digest}).json()
    assert (first["digest"], first["summary"]["create"]) == (digest, 2)
    again = ask("POST", "/v1/apply", json={**body, "digest": digest})
    assert (again.status_code, again.json()["attempt"]) == (200, None)
    (revision,) = ask("GET", "/v1/revisions").json()["items"]
    assert (revision["via"], revision["actor"], revision["result"]) == ("api", "local", "applied")


WEEK = {"from": "2026-10-28T00:00:00Z", "to": "2026-11-04T00:00:00Z"}


def test_a_simulation_names_the_deliveries_that_would_be_missed(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot("triage", webhook(), maxConcurrency=10))
    receiver = Receiver(rig)
    for number in (1, 2, 3):
        receiver.send(b'{"n": %d}' % number)
    fewer = autopilot("triage", webhook(when="payload.n == 2"), maxConcurrency=10)
    answer = ask("POST", "/v1/simulate", json=bundle(agent(), fewer, **WEEK))
    assert answer.status_code == 200, answer.text
    simulation = answer.json()
    assert (simulation["would"]["started"], simulation["happened"]["started"]) == (1, 3)
    assert [missed["trigger"] for missed in simulation["deliveries"]["missed"]] == [
        "default/triage/hook"
    ] * 2
    assert ask("GET", "/v1/drift").json()["items"] == [], "nothing is written"


def test_a_simulation_of_no_time_is_refused(ask: Ask) -> None:
    body = bundle(agent(), **{"from": WEEK["to"], "to": WEEK["from"]})
    answer = ask("POST", "/v1/simulate", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "stretch-invalid")


def test_another_plan_than_the_digests_is_stale(ask: Ask) -> None:
    digest = digest_of(ask, bundle(agent()))
    answer = ask("POST", "/v1/apply", json={**bundle(agent(), autopilot()), "digest": digest})
    assert (answer.status_code, answer.json()["code"]) == (409, "stale-plan")
    assert ask("GET", "/v1/autopilots").json()["items"] == []
    assert ask("GET", "/v1/revisions").json()["items"][0]["result"] == "refused"


def test_invalid_manifests_are_422_with_every_problem_and_recorded_by_an_apply(ask: Ask) -> None:
    body = bundle(agent(), autopilot(timeout="soon"))
    body["files"].append({"path": "z.yaml", "content": "a: ["})
    body["files"].append(
        {"path": "zz.yaml", "unreadable": {"code": "file-link", "message": "leads nowhere"}}
    )
    planned = ask("POST", "/v1/plan", json=body)
    assert planned.status_code == 422
    assert planned.json()["code"] == "invalid-manifests"
    codes = [problem["code"] for problem in planned.json()["problems"]]
    assert codes == ["duration-invalid", "yaml-syntax", "file-link"]
    assert ask("GET", "/v1/revisions").json()["items"] == []
    assert ask("POST", "/v1/apply", json={**body, "digest": "0" * 64}).status_code == 422
    (revision,) = ask("GET", "/v1/revisions").json()["items"]
    assert (revision["result"], revision["revision"]) == ("failed", planned.json()["revision"])


def test_removals_are_refused_until_they_are_confirmed(ask: Ask) -> None:
    applied(ask, bundle(*(agent(f"bot-{i}") for i in range(8))))
    fewer = bundle(agent("bot-0"))
    (objection,) = ask("POST", "/v1/plan", json=fewer).json()["objections"]
    assert objection["confirm"] == "--confirm-deletes 7"
    refused = applied(ask, fewer)
    assert (refused.status_code, refused.json()["code"]) == (409, "unsafe")
    assert refused.json()["objections"][0]["code"] == "removals"
    assert applied(ask, fewer, confirmDeletes=7).status_code == 200


def test_an_older_commit_is_refused_and_a_claim_about_another_precedent_is_stale(
    ask: Ask,
) -> None:
    old, new = "a" * 40, "b" * 40
    applied(ask, bundle(agent(), revision={"id": new, "author": "Ada"}))
    (source,) = ask("GET", "/v1/status").json()["sources"]
    assert source["precedent"] == new
    late = bundle(agent(), autopilot(), revision={"id": old})
    claim = {"precedent": new, "descends": False}
    assert applied(ask, {**late, "descent": claim}).json()["objections"][0]["code"] == "rewrite"
    stale = ask("POST", "/v1/plan", json={**late, "descent": {"precedent": old, "descends": True}})
    assert (stale.status_code, stale.json()["code"]) == (409, "stale-plan")
    assert applied(ask, {**late, "descent": claim, "allowRewrites": True}).status_code == 200


def test_the_policy_is_the_servers(ask: Ask) -> None:
    body = bundle(agent(runtime={"type": "command", "program": "rm"}))
    problems = ask("POST", "/v1/plan", json=body).json()["problems"]
    assert [problem["code"] for problem in problems] == ["command-not-allowed"]
    body = bundle(agent())
    saved = json.loads(ask("POST", "/v1/plan", json={**body, "save": True}).json()["savedPlan"])
    encoded = base64.b64encode(json.dumps(saved).encode()).decode()
    assert ask("POST", "/v1/plan", json={"savedPlanBase64": encoded}).status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param({}, 422, id="nothing"),
        pytest.param({"files": []}, 422, id="no source"),
        pytest.param({"sourceId": "x", "files": []}, 409, id="no files"),
        pytest.param(
            {"sourceId": "x", "files": [{"path": "../a.yaml", "content": ""}]}, 422, id="a way out"
        ),
        pytest.param(
            {"sourceId": "x", "files": [{"path": "a.yaml", "content": ""}] * 2}, 422, id="twice"
        ),
        pytest.param(
            {"sourceId": "x", "files": [{"path": "a.yaml", "contentBase64": "é"}]},
            422,
            id="no base64",
        ),
        pytest.param({"sourceId": "x", "files": [{"path": "a.yaml"}]}, 422, id="no content"),
        pytest.param({"savedPlanBase64": "e30="}, 422, id="no saved plan"),
        pytest.param(
            {"sourceId": "x", "files": [{"path": "a.yaml", "content": "x" * (1024**2 + 1)}]},
            422,
            id="too large a file",
        ),
    ],
)
def test_hostile_bodies_are_told_what_is_wrong(ask: Ask, body: Document, status: int) -> None:
    answer = ask("POST", "/v1/plan", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (
        status,
        "application/problem+json",
    )


class TestFollowed:
    """A source that the server follows is applied by the server alone."""

    @pytest.fixture
    def web(self, rig: Rig) -> Web:
        return Web(rig, more={"followed": lambda: frozenset({"default"})})

    def test_it_is_planned_and_not_applied(self, ask: Ask) -> None:
        body = bundle(agent())
        refused = applied(ask, body)
        assert (refused.status_code, refused.json()["code"]) == (409, "source-followed")
        assert applied(ask, {**body, "sourceId": "other"}).status_code == 200


class TestWorkspaces:
    """A token of one workspace plans what lies in it, and learns nothing of others."""

    @pytest.fixture
    def web(self, rig: Rig, tmp_path: Path) -> Web:
        path = tmp_path / "tokens.toml"
        path.write_text(
            '[[token]]\nname = "own"\nrole = "admin"\nworkspaces = ["own"]\n'
            f'sha256 = "{token_hash(TOKEN)}"\n'
        )
        return Web(rig, authority=Tokens(path, rig.clock))

    @pytest.fixture
    def ask(self, ask: Ask) -> Ask:
        def ask_(method: str, path: str, **options: Any) -> Any:
            return ask(method, path, headers={"Authorization": f"Bearer {TOKEN}"}, **options)

        return ask_

    def test_others_are_forbidden(self, ask: Ask) -> None:
        own = bundle(_in("own", agent()))
        assert applied(ask, own).status_code == 200
        answer = ask("POST", "/v1/plan", json=bundle(_in("foreign", agent())))
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")

    def test_a_source_with_objects_elsewhere_is_forbidden(self, rig: Rig, ask: Ask) -> None:
        rig.apply(_in("foreign", agent()))
        answer = ask("POST", "/v1/plan", json=bundle(_in("own", agent())))
        assert answer.status_code == 403
        assert "foreign" not in answer.text

    def test_whether_such_a_source_is_followed_is_told_to_nobody(
        self, rig: Rig, ask: Ask, web: Web
    ) -> None:
        rig.apply(_in("foreign", agent()))
        body = {**bundle(_in("own", agent())), "digest": "0" * 64}
        followed: dict[str, Position] = {}
        web.more = {"followed": lambda: followed}
        before = ask("POST", "/v1/apply", json=body)
        followed["default"] = Position(Place(""))
        after = ask("POST", "/v1/apply", json=body)
        assert before.json() == after.json()
        assert (after.status_code, after.json()["code"]) == (403, "forbidden")
        followed["mine"] = Position(Place(""))
        rig.apply(_in("own", agent()), source="mine")
        answer = ask("POST", "/v1/apply", json={**body, "sourceId": "mine"})
        assert (answer.status_code, answer.json()["code"]) == (409, "source-followed")

    def test_drift_names_no_source(self, rig: Rig, ask: Ask) -> None:
        """Whose an object is now may be nobody's business who sees only the object."""
        assert applied(ask, bundle(_in("own", agent()))).status_code == 200
        moved = "UPDATE agent SET source_id = 'theirs'"
        rig.database.write(lambda tx: tx.exec_driver_sql(moved))
        (drift,) = ask("GET", "/v1/drift").json()["items"]
        assert drift["message"] == "its row now belongs to another source"
        planned = ask("POST", "/v1/plan", json=bundle(_in("own", agent("ann"))))
        assert [drift["message"] for drift in planned.json()["drift"]] == [drift["message"]]

    def test_references_do_not_tell_what_is_there(self, rig: Rig, ask: Ask) -> None:
        rig.apply(_in("foreign", agent("secret-bot")))
        guess = _in("foreign", autopilot())
        guess["spec"]["assignee"] = {"type": "agent", "id": "secret-bot"}
        answer = ask("POST", "/v1/plan", json={**bundle(guess), "sourceId": "mine"})
        assert answer.json()["problems"][0]["code"] == "assignee-unknown"

    def test_an_object_elsewhere_is_not_there_to_be_adopted(self, ask: Ask) -> None:
        body = {"kind": "Agent", "workspace": "foreign", "name": "bot", "sourceId": "default"}
        assert ask("POST", "/v1/adopt", json=body).status_code == 404

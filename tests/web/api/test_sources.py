"""Agents, squads, revisions, drift, status and export over HTTP."""

import yaml

from reconciler.control.apply.follow_source import Place, Polled, Position
from reconciler.control.apply.reconcile import ApplyRequest, record_failure
from reconciler.core.base.errors import InvalidManifests, Problem
from reconciler.core.base.identity import Revision
from reconciler.core.manifest.fields import format_instant
from reconciler.manifest.load.load import load_bundle
from reconciler.store.revisions.revisions import Via
from tests.support.rig import Rig, agent, autopilot, manifest, schedule
from tests.support.web import Web
from tests.web.conftest import Ask

SQUAD = manifest("Squad", "crew", {"members": ["bot", "ann"]})


def test_agents_and_squads_with_their_state(rig: Rig, ask: Ask) -> None:
    rig.apply(agent("bot", maxConcurrency=3), agent("ann"), SQUAD, autopilot())
    agents = ask("GET", "/v1/agents").json()["items"]
    assert [one["metadata"]["name"] for one in agents] == ["ann", "bot"]
    assert agents[1]["spec"]["maxConcurrency"] == 3
    assert agents[1]["status"]["activeRuns"] == 0
    (squad,) = ask("GET", "/v1/squads").json()["items"]
    assert squad["spec"]["members"] == ["bot", "ann"]
    assert squad["origin"]["path"] == "crew.yaml"


def test_agents_come_in_pages(rig: Rig, ask: Ask) -> None:
    rig.apply(*(agent(f"bot-{i}") for i in range(5)))
    first = ask("GET", "/v1/agents", params={"limit": 3}).json()
    second = ask("GET", "/v1/agents", params={"cursor": first["nextCursor"]}).json()
    names = [one["metadata"]["name"] for page in (first, second) for one in page["items"]]
    assert names == [f"bot-{i}" for i in range(5)]
    assert ask("GET", "/v1/squads", params={"cursor": first["nextCursor"]}).status_code == 400


def _fail(rig: Rig) -> None:
    wrong = Problem("a.yaml", 3, 7, "spec.title", "is missing", "field-missing")
    revision = Revision("c0ffee", "Ada", "Break it")
    request = ApplyRequest(actor="server", via=Via.SERVER)
    record_failure(rig.database, "default", revision, InvalidManifests([wrong]), request)


def test_revisions_are_told_whether_applied_or_not(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot())
    _fail(rig)
    newest, first = ask("GET", "/v1/revisions").json()["items"]
    assert (newest["result"], newest["author"], newest["subject"]) == ("failed", "Ada", "Break it")
    assert newest["problems"][0]["code"] == "field-missing"
    assert (first["result"], first["counts"]["create"]) == ("applied", 2)
    assert ask("GET", "/v1/revisions", params={"source": "other"}).json()["items"] == []


def test_the_status_tells_what_is_in_force_and_what_was_tried(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot())
    _fail(rig)
    found = ask("GET", "/v1/status").json()
    (source,) = found["sources"]
    assert (source["applied"]["revision"], source["attempted"]["revision"]) == (
        "sha256:1",
        "c0ffee",
    )
    assert (found["database"], found["ready"]) == ("sqlite", True)


def test_the_status_tells_how_the_following_of_sources_goes(rig: Rig, ask: Ask, web: Web) -> None:
    at = rig.clock.now()
    positions = {
        "default": Position(Place("/srv/autopilots"), Polled(at)),
        "team": Position(
            Place("autopilots", "https://ci:secret@example.org/team", "live"),
            Polled(at, "it does not answer"),
        ),
        "new": Position(Place("", "git@example.org:new", "main")),
    }
    web.more = {"followed": lambda: positions}
    rig.apply(agent(), autopilot())
    status = ask("GET", "/v1/status").json()
    default, new, team = status["sources"]
    moment = format_instant(at)
    assert status["followed"] == ["default", "new", "team"]
    assert default["followed"] == {
        "kind": "folder",
        "url": None,
        "ref": None,
        "path": None,
        "polledAt": moment,
        "problem": None,
    }
    assert (team["applied"], team["attempted"]) == (None, None)
    assert team["followed"] == {
        "kind": "git",
        "url": "https://***@example.org/team",
        "ref": "live",
        "path": "autopilots",
        "polledAt": moment,
        "problem": "it does not answer",
    }
    assert (new["followed"]["polledAt"], new["followed"]["problem"]) == (None, None)
    page = ask("GET", "/sources").text
    assert "secret" not in page
    for text in (
        "This server follows its folder",
        "https://***@example.org/team",
        "does not answer",
    ):
        assert text in page
    assert "Source team cannot be read" in ask("GET", "/").text


def test_drift_shows_what_was_changed_by_hand(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot())
    assert ask("GET", "/v1/drift").json()["items"] == []
    rig.database.write(lambda tx: tx.exec_driver_sql("UPDATE autopilot SET title = 'Other'"))
    (one,) = ask("GET", "/v1/drift").json()["items"]
    assert one["fields"] == [{"path": "spec.title", "before": "Triage", "after": "Other"}]
    assert ask("GET", "/v1/drift", params={"source": "other"}).json()["items"] == []


def test_export_loads_as_what_is_there(rig: Rig, ask: Ask) -> None:
    rig.apply(agent("bot"), agent("ann"), SQUAD, autopilot("triage", schedule("0 9 * * *")))
    text = ask("GET", "/v1/export", headers={"Accept": "application/yaml"})
    assert text.headers["content-type"] == "application/yaml"
    desired = load_bundle({"all.yaml": text.content}, source_id="default")
    documents = ask("GET", "/v1/export").json()["items"]
    assert [one.document for one in desired.objects.values()] == documents
    assert len(list(yaml.safe_load_all(text.text))) == 4

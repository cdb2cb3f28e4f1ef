"""Who is limited to a workspace finds no trace of another one, whatever they open."""

import asyncio
import re
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from starlette.routing import Route

from reconciler.control.access.tokens import Tokens
from reconciler.control.apply.follow_source import Place, Position
from reconciler.control.apply.source_files import SourceFiles
from reconciler.control.runs.explain import Retained, explain
from reconciler.control.runs.launch import Order
from reconciler.control.shared_settings import share_settings
from reconciler.core.access.token_hash import token_hash
from reconciler.core.manifest.budget import Budget
from reconciler.core.notify.message import message_of
from reconciler.core.runs.run import Completed, Failed, Reason
from reconciler.core.runs.usage import Usage
from reconciler.store.runs.lists import RunFilter, list_runs
from reconciler.web.app import api_and_pages
from reconciler.web.pages import page_routes
from tests.support.following import reconcile
from tests.support.forms import form_of
from tests.support.notifying import outbox, tells
from tests.support.rig import (
    COOLDOWN,
    Document,
    Rig,
    agent,
    autopilot,
    id_of,
    manifest,
    schedule,
    webhook,
)
from tests.support.web import BASE, Web

OTHER = "zebra"
STREAMS = {"/v1/events"}
OF_THE_SERVER = {"/metrics"}
"""Open to whom the setting `metrics_access` says, and of all workspaces."""
DAY = {"from": "2026-11-02T00:00:00Z", "to": "2026-11-03T00:00:00Z"}
QUERIES: dict[str, dict[str, str]] = {
    "/v1/audit": DAY,
    "/v1/preview": {"cron": "* * * * *"},
    "/revision": {"id": "1"},
}


def of_another(document: Document) -> Document:
    """The same in the other workspace; its texts name it."""
    metadata = {**document["metadata"], "workspace": OTHER, "name": f"{OTHER}-bot"}
    return {**document, "metadata": metadata}


def everything(rig: Rig, folder: Path, role: str, *ids: str) -> list[httpx.Response]:
    """What every page and every list answers to a token of the workspace `default`."""
    path = folder / "tokens.toml"
    path.write_text(
        f'[[token]]\nname = "ada"\nrole = "{role}"\nworkspaces = ["default"]\n'
        f'sha256 = "{token_hash("rct_ada")}"\n'
    )
    web = Web(rig, authority=Tokens(path, rig.clock))

    async def get() -> list[httpx.Response]:
        async with web.client(headers={"Origin": BASE}) as client:
            page = (await client.get("/login")).text
            field = re.findall(r'name="form_token" value="([^"]+)"', page)[0]
            await client.post("/login", data={"form_token": field, "token": "rct_ada"})
            bearer = {"Authorization": "Bearer rct_ada"}
            paths = [
                path.replace("{triggerId}", rig.triggers()["clock"].id).replace("{number}", "1")
                for route in (*api_and_pages(web.context).routes, *page_routes(web.context))
                if isinstance(route, Route) and "GET" in (route.methods or ())
                for path in {route.path.replace("{id}", id_) for id_ in ids}
                if route.path not in STREAMS | OF_THE_SERVER
            ]
            assert "/v1/revisions/1" in paths
            assert "/revision" in paths
            return [
                await client.get(
                    path, params=QUERIES.get(path), headers=bearer if "/v1/" in path else {}
                )
                for path in paths
            ]

    with asyncio.Runner() as runner:
        answers = runner.run(get())
        runner.run(web.close())
    return answers


@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
def test_pages_and_lists_hold_nothing_of_another_workspace(
    rig: Rig, tmp_path: Path, role: str
) -> None:
    spec = {
        "title": f"The {OTHER}",
        "assignee": {"type": "agent", "id": f"{OTHER}-bot"},
        "notify": [{"on": ["failed"], "to": "log"}],
        "budget": {"perDay": 5},
        "triggers": [schedule(name=f"{OTHER}-clock"), webhook(f"{OTHER}-hook")],
    }
    rig.apply(
        agent(),
        autopilot("triage", schedule(), webhook()),
        of_another(agent()),
        of_another(manifest("Autopilot", "x", spec)),
    )
    rig.tick(minutes=1)
    theirs = rig.live(f"{OTHER}-bot", OTHER).id
    (run,) = rig.database.read(lambda tx: list_runs(tx, RunFilter(autopilot_id=theirs), limit=9))
    rig.end(run, Failed(Reason.AGENT_FAILED, f"{OTHER} failed", f"{OTHER}", Usage(cost_micros=9)))
    answers = everything(rig, tmp_path, role, theirs, run.id)
    assert sum(answer.status_code == 200 for answer in answers) > 25
    assert [answer.url.path for answer in answers if OTHER in answer.text] == []
    by_id = [answer for answer in answers if {theirs, run.id} & {*answer.url.path.split("/")}]
    assert {answer.status_code for answer in by_id} <= {403, 404}


def test_what_the_server_spent_for_others_is_told_to_nobody_of_one_workspace(
    rig: Rig, tmp_path: Path
) -> None:
    """In no sentence of a run, which its agent and its channels read as well, and on no page."""
    share_settings(rig.database, "UTC", {"server": Budget.model_validate({"perDay": 770})})
    spec = {"title": "t", "assignee": {"type": "agent", "id": f"{OTHER}-bot"}}
    rig.apply(
        agent(),
        autopilot("triage", schedule(), webhook(), notify=[tells("over_budget")]),
        of_another(agent()),
        of_another(manifest("Autopilot", "x", spec)),
    )
    theirs = rig.launcher.launch(Order(autopilot_id=id_of(f"{OTHER}-bot", OTHER)))
    rig.end(theirs, Completed("x", Usage(cost_micros=777_310_000)))
    skipped, forced = rig.launch(), rig.launch(force=True)
    no_room = "budget.perDay of the server has no room until 2026-11-03T00:00:00Z"
    assert skipped.failure_reason == no_room
    assert forced.note == f"forced past a budget: {no_room}"
    (entry,) = outbox(rig)
    assert "777" not in message_of(entry, skipped, "http://x").body().decode()
    rig.round()
    (held,) = rig.claim()
    assert "777" not in f"{held.prompt}{held.run}"
    now, terms = rig.clock.now(), Retained(COOLDOWN, timedelta(days=30))
    chain = rig.database.read(lambda tx: explain(tx, id_of("triage"), now, now, terms))
    assert "it has spent $777.31 of $770.00 today" in {step.why for step in chain}
    answers = everything(rig, tmp_path, "operator", id_of("triage"), skipped.id, forced.id)
    told = [answer for answer in answers if "of the server" in answer.text]
    assert {answer.url.path.rpartition("/")[2] for answer in told} >= {"why", "runs", skipped.id}
    assert [answer.url.path for answer in answers if "777.3" in answer.text] == []


MIXED = """\
{apiVersion: autopilots/v1, kind: Agent, metadata: {name: bot}, spec: {runtime: {type: worker}}}
---
{apiVersion: autopilots/v1, kind: Agent, metadata: {name: bot, workspace: zebra},
 spec: {runtime: {type: worker}}}
---
apiVersion: autopilots/v1
kind: Autopilot
metadata: {name: triage}
spec: {title: Mine, assignee: {type: agent, id: bot}}
---
{apiVersion: autopilots/v1, kind: Autopilot, metadata: {name: zebra-bot, workspace: zebra},
 spec: {title: Zebras, assignee: {type: agent, id: bot}}}
"""


@pytest.mark.parametrize("limit", ['workspaces = ["default"]\n', ""], ids=["limited", "all"])
def test_an_edit_shows_no_line_of_another_workspace(rig: Rig, tmp_path: Path, limit: str) -> None:
    """Lines around a change belong to a patch, and may be of somebody else in the same file."""
    folder, tokens = tmp_path / "autopilots", tmp_path / "tokens.toml"
    (folder / "default").mkdir(parents=True)
    (folder / "default" / "all.yaml").write_text(MIXED)
    reconcile(rig, folder)
    head = f'[[token]]\nname = "ada"\nrole = "admin"\n{limit}'
    tokens.write_text(f'{head}sha256 = "{token_hash("rct_ada")}"\n')
    files = SourceFiles.below(folder)
    followed = {name: Position(Place(name)) for name in ("default", f"{OTHER}-source")}
    more = {"files": lambda _source: files, "followed": lambda: followed}
    web = Web(rig, authority=Tokens(tokens, rig.clock), more=more)
    edit, new = f"/autopilots/{id_of('triage')}/edit", "/autopilots/new"

    async def previews() -> list[str]:
        async with web.client(headers={"Origin": BASE}) as client:
            login = form_of((await client.get("/login")).text, "/login").fields
            await client.post("/login", data={**login, "token": "rct_ada"})
            pages = [await client.get(new)]
            for path, changed in ((edit, {"title": "Ours"}), (new, {"title": "x", "name": "all"})):
                fields = form_of((await client.get(path)).text, path).fields
                for button in ("preview", "save"):
                    sent = {**fields, **changed, "source": "default", "action": button}
                    pages.append(await client.post(path, data=sent))
            assert {page.status_code for page in pages} == {200}
            return [page.text for page in pages]

    with asyncio.Runner() as runner:
        texts = runner.run(previews())
        runner.run(web.close())
    assert [OTHER in text for text in texts] == [not limit] * 5

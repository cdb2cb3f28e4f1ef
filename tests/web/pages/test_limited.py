"""Who is limited to a workspace finds no trace of another one, whatever they open."""

import asyncio
import re
from pathlib import Path

import httpx
import pytest
from starlette.routing import Route

from reconciler.control.access.tokens import Tokens
from reconciler.core.access.token_hash import token_hash
from reconciler.core.runs.run import Failed, Reason
from reconciler.core.runs.usage import Usage
from reconciler.store.runs.lists import RunFilter, list_runs
from reconciler.web.app import api_and_pages
from tests.support.rig import Document, Rig, agent, autopilot, manifest, schedule, webhook
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
    path = tmp_path / "tokens.toml"
    path.write_text(
        f'[[token]]\nname = "ada"\nrole = "{role}"\nworkspaces = ["default"]\n'
        f'sha256 = "{token_hash("rct_ada")}"\n'
    )
    web = Web(rig, authority=Tokens(path, rig.clock))

    async def everything() -> list[httpx.Response]:
        async with web.client(headers={"Origin": BASE}) as client:
            page = (await client.get("/login")).text
            field = re.findall(r'name="form_token" value="([^"]+)"', page)[0]
            await client.post("/login", data={"form_token": field, "token": "rct_ada"})
            bearer = {"Authorization": "Bearer rct_ada"}
            paths = [
                path.replace("{triggerId}", rig.triggers()["clock"].id).replace("{number}", "1")
                for route in api_and_pages(web.context).routes
                if isinstance(route, Route) and "GET" in (route.methods or ())
                for path in {route.path.replace("{id}", id_) for id_ in (theirs, run.id)}
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
        answers = runner.run(everything())
        runner.run(web.close())
    assert sum(answer.status_code == 200 for answer in answers) > 25
    assert [answer.url.path for answer in answers if OTHER in answer.text] == []
    by_id = [answer for answer in answers if {theirs, run.id} & {*answer.url.path.split("/")}]
    assert {answer.status_code for answer in by_id} <= {403, 404}

"""The page of one autopilot: what is wrong, where it is written, and what can be done there."""

import asyncio
import re
from pathlib import Path

import httpx
import pytest

from reconciler.control.apply.follow_source import Place, Position
from reconciler.core.base.identity import Revision, trigger_id
from reconciler.core.manifest.state import Origin
from reconciler.core.runs.run import Completed, Failed, Reason
from reconciler.web.pages.autopilots.places import Places, places_of
from tests.support.following import following, reconcile
from tests.support.forms import form_of
from tests.support.rig import Rig, agent, autopilot, id_of, schedule, webhook
from tests.support.web import BASE, Web
from tests.web.api.test_write_back import TEXT
from tests.web.conftest import Ask
from tests.web.pages.test_edit import saved, text_of

TRIAGE = f"/autopilots/{id_of('triage')}"
SHA = "0123456789" * 4


def token_of(ask: Ask) -> str:
    """What the forms of the page carry."""
    return form_of(ask("GET", TRIAGE).text, f"{TRIAGE}/run").fields["form_token"]


def post(ask: Ask, path: str, **fields: str) -> httpx.Response:
    """Send a form of the page."""
    data = {"form_token": token_of(ask), **fields}
    return ask("POST", path, data=data, headers={"Origin": BASE})


def press(web: Web, change: str, name: str = "clock", **fields: str) -> httpx.Response:
    """Press a button of the trigger's card."""
    trigger = trigger_id(id_of("triage"), name)

    async def send() -> httpx.Response:
        async with web.client() as client:
            page = await client.get(TRIAGE)
            token = form_of(page.text, f"{TRIAGE}/run").fields["form_token"]
            data = {"form_token": token, "change": change, **fields}
            return await client.post(
                f"{TRIAGE}/triggers/{trigger}", data=data, headers={"Origin": BASE}
            )

    return asyncio.run(send())


def test_a_run_by_hand_has_its_trigger_and_payload(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot("triage", {"name": "release", "kind": "api"}))
    post(ask, f"{TRIAGE}/run", trigger="release", payload='{"tag": "v1.2"}')
    (run,) = rig.runs()
    assert (run.trigger, run.source, run.payload) == ("release", "api", {"tag": "v1.2"})


def test_a_payload_that_is_no_json_is_told_beside_its_field(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot())
    page = post(ask, f"{TRIAGE}/run", payload="{tag: 1}")
    assert page.status_code == 400
    assert "The payload is not JSON" in text_of(page)
    assert "{tag: 1}" in page.text
    assert rig.runs() == []


def test_a_paused_autopilot_runs_when_it_is_said_twice(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot("triage", status="paused"))
    refused = post(ask, f"{TRIAGE}/run")
    assert refused.status_code == 409
    assert "the manifest says spec.status: paused" in text_of(refused)
    assert "Run anyway…" in text_of(refused)
    post(ask, f"{TRIAGE}/run", force="on")
    (run,) = rig.runs()
    assert run.forced


def test_what_is_wrong_names_the_change_and_what_undoes_it(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot(), revision=Revision("a" * 40, author="Bob"))
    rig.end(rig.launch(), Completed("yes"))
    bad = Revision("b" * 40, author="Ada")
    rig.apply(agent(), autopilot("triage", title="Other"), revision=bad)
    rig.end(rig.launch(), Failed(Reason.AGENT_FAILED, "no such model"))
    text = text_of(ask("GET", TRIAGE))
    assert "The last run failed: no such model, since" in re.sub(r" ,", ",", text)
    assert "First under bbbbbbbbbb by Ada" in text
    assert f"git revert {bad.id} undoes it" in text


def test_five_moments_are_shown_with_what_a_clock_change_does(rig: Rig, ask: Ask) -> None:
    rig.clock.at = rig.clock.at.replace(month=10, day=22)
    rig.apply(agent(), autopilot("triage", schedule("30 2 * * *", timezone="Europe/Rome")))
    text = text_of(ask("GET", TRIAGE))
    assert text.count("02:30 in Europe/Rome") == 5
    assert "clock" in text


def test_a_webhooks_url_is_masked_for_operators_and_shown_on_request(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot("triage", webhook()))
    page = ask("GET", TRIAGE)
    assert "/v1/webhooks/whk_…" in page.text
    assert len(re.findall(r"/v1/webhooks/whk_[\w-]{43}", page.text)) == 1


def test_a_trigger_is_switched_off_in_its_file(folder: Path, rig: Rig) -> None:
    web = following(rig, folder)
    answer = press(web, "disable")
    assert saved(answer).startswith(TRIAGE)
    text = (folder / "all.yaml").read_text()
    assert text.count("\n") == TEXT.count("\n")
    assert "enabled: false" in text
    press(web, "enable")
    assert (folder / "all.yaml").read_text().replace("enabled: true, ", "") == TEXT


def test_a_server_that_writes_nothing_gives_the_patch_of_a_switch(folder: Path, rig: Rig) -> None:
    page = press(following(rig, folder, "reject"), "disable")
    assert "Here is the patch." in text_of(page)
    assert "enabled: false" in text_of(page)
    assert (folder / "all.yaml").read_text() == TEXT


@pytest.mark.parametrize(
    ("url", "path", "file"),
    [
        ("https://github.com/acme/ops.git", "pilots", f"acme/ops/blob/{SHA}/pilots/a%20b.yaml#L7"),
        ("git@gitlab.com:acme/ops.git", "", f"acme/ops/-/blob/{SHA}/a%20b.yaml#L7"),
        ("https://codeberg.org/acme/ops", "/x/", f"acme/ops/src/commit/{SHA}/x/a%20b.yaml#L7"),
    ],
)
def test_a_manifest_links_to_its_line_at_the_forge(url: str, path: str, file: str) -> None:
    origin = Origin("default", "a b.yaml", 7, 1, SHA)
    places = places_of(origin, Position(Place(path, url, "main")))
    assert places.file is not None
    assert places.file.endswith(file)
    assert places.commit is not None


def test_a_folder_and_a_forge_that_is_not_known_have_no_links() -> None:
    origin = Origin("default", "a.yaml", 7, 1, SHA)
    assert places_of(origin, Position(Place("/srv/a"))) == Places()
    assert places_of(origin, Position(Place("a", "https://git.acme.org/a/b"))) == Places()
    assert places_of(None, None) == Places()


def test_it_says_how_its_budget_stands(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot("triage", budget={"perRun": 0.5, "perDay": 2}))
    page = text_of(ask("GET", TRIAGE))
    assert "It has spent $0" in page
    assert "of $2" in page
    assert "one run may cost $0.5" in page


def test_a_new_url_that_is_asked_for_twice_is_one_new_url(rig: Rig, folder: Path) -> None:
    """A second one would end the grace of the URL that senders still use."""
    hook = "    - {name: hook, kind: webhook, signature: {scheme: none}}\n---"
    text = (folder / "all.yaml").read_text().replace("---", hook, 1)
    (folder / "all.yaml").write_text(text)
    reconcile(rig, folder)
    web = following(rig, folder)
    for _click in range(2):
        answer = press(web, "rotate", "hook", generation="1")
        assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, TRIAGE)
    assert rig.triggers()["hook"].document["tokenGeneration"] == 2
    assert press(web, "rotate", "hook").headers["location"] == TRIAGE
    assert rig.triggers()["hook"].document["tokenGeneration"] == 2

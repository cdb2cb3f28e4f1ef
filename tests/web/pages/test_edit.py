"""Autopilots are made and edited on a page, by the writer of the API; no script runs here."""

import asyncio
import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.control.access.tokens import Tokens
from reconciler.control.apply.forge import Forge
from reconciler.control.apply.write_back import WriteChecks
from reconciler.control.apply.write_git import GitWriter
from reconciler.core.access.token_hash import token_hash
from reconciler.core.manifest.checks import OFFLINE
from reconciler.manifest.git.mirror import Mirror
from reconciler.settings import Settings
from reconciler.web.pages.editor.edit import MOST_PROBLEMS
from tests.support.following import following, reconcile
from tests.support.forge import PROJECT, TOKEN, StandInForge
from tests.support.forms import form_of
from tests.support.git import GitFolder
from tests.support.hub import Hub
from tests.support.rig import Rig, hash_of, id_of
from tests.support.web import BASE, Web
from tests.support.yaml_styles import AGENT
from tests.web.api.test_write_back import TEXT, changed
from tests.web.api.test_write_git import reconcile as reconcile_git
from tests.web.conftest import Ask

EDIT = f"/autopilots/{id_of('triage')}/edit"
NEW = "/autopilots/new"
EVIL = "</textarea><script>alert(1)</script>\"'&amp;\u202e"


@pytest.fixture
def policy() -> str:
    """The write policy; tests of `reject` say so."""
    return "files"


@pytest.fixture
def web(rig: Rig, folder: Path, policy: str) -> Web:
    """A server that follows the folder."""
    return following(rig, folder, policy)


def fields_of(page: httpx.Response, action: str = EDIT) -> dict[str, str]:
    """What the form of a page would send."""
    assert "text/html" in page.headers["content-type"], page.text
    return form_of(page.text, action).fields


def send(ask: Ask, fields: dict[str, str], button: str, action: str = EDIT) -> httpx.Response:
    """Press a button of the form, as a browser does: line breaks are CRLF."""
    sent = {name: value.replace("\n", "\r\n") for name, value in fields.items()}
    return ask("POST", action, data={**sent, "action": button}, headers={"Origin": BASE})


def saved(answer: httpx.Response) -> str:
    """Where a save went."""
    assert answer.status_code == 303, text_of(answer)
    return answer.headers["location"]


def text_of(page: httpx.Response) -> str:
    """What people read."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def test_an_untouched_form_changes_nothing(folder: Path, ask: Ask) -> None:
    before = (folder / "all.yaml").read_bytes()
    page = send(ask, fields_of(ask("GET", EDIT)), "preview")
    assert "Nothing would change." in text_of(page)
    assert saved(send(ask, fields_of(page), "save")) == f"/autopilots/{id_of('triage')}"
    assert (folder / "all.yaml").read_bytes() == before


def test_one_changed_field_is_one_changed_line_of_the_file(folder: Path, ask: Ask) -> None:
    before = (folder / "all.yaml").read_bytes()
    fields = fields_of(ask("GET", EDIT)) | {"title": "Triage, nightly"}
    page = send(ask, fields, "preview")
    assert "Update default/triage" in text_of(page)
    assert '+ title: "Triage, nightly" # what people see' in text_of(page)
    assert saved(send(ask, fields, "save")) == f"/autopilots/{id_of('triage')}?saved=yes"
    assert changed(before, (folder / "all.yaml").read_bytes()) == [
        (
            b'  title: "Triage"   # what people see\n',
            b'  title: "Triage, nightly"   # what people see\n',
        )
    ]
    assert ask("GET", EDIT[:-5].replace("/autopilots", "/v1/autopilots")).json()["spec"][
        "title"
    ] == ("Triage, nightly")


def test_a_schedule_says_when_it_fires_in_its_zone(ask: Ask) -> None:
    fields = fields_of(ask("GET", EDIT))
    fields |= {"t0.moment": "30 7 * * MON-FRI", "t0.timezone": "Europe/Rome"}
    text = text_of(send(ask, fields, "preview"))
    assert "At 07:30, Monday through Friday" in text
    assert text.count("in Europe/Rome") >= 5


def test_what_is_wrong_is_said_at_its_field_and_nothing_is_lost(folder: Path, ask: Ask) -> None:
    before = (folder / "all.yaml").read_bytes()
    fields = fields_of(ask("GET", EDIT))
    fields |= {"t0.timezone": "Berlin", "maxConcurrency": "many", "description": "kept"}
    page = send(ask, fields, "save")
    assert "did you mean 'Europe/Berlin'?" in text_of(page)
    again = fields_of(page)
    assert (again["t0.timezone"], again["maxConcurrency"]) == ("Berlin", "many")
    assert again["description"] == "kept"
    assert (folder / "all.yaml").read_bytes() == before


def test_limits_budget_and_who_is_told_are_fields_of_the_form(folder: Path, ask: Ask) -> None:
    """Each is a line or two of the file, and the page says what follows from them."""
    before = (folder / "all.yaml").read_bytes()
    fields = fields_of(send(ask, fields_of(ask("GET", EDIT)), "add:notify"))
    fields |= {
        "spec.timeout": "2h",
        "spec.budget.perRun": "0.50",
        "spec.budget.perDay": "5",
        "t0.jitter": "5m",
        "t0.moment": "0 8,20 * * *",
        "metadata.labels": "team=core",
        "n0.on.breaker": "on",
    }
    page = send(ask, fields, "preview")
    assert "At most 2 runs a day, before 1." in text_of(page)
    assert "At most $1.00 a day, before no limit." in text_of(page)
    assert "Newly reaches channels: log" in text_of(page)
    assert "Next runs, before and after" in text_of(page)
    assert "spec.notify log: failed, recovered, breaker" in text_of(page)
    saved(send(ask, fields_of(page), "save"))
    after = (folder / "all.yaml").read_text().splitlines()
    added = "\n".join(line for line in after if line not in before.decode().splitlines())
    for line in ("timeout: 2h", "perRun: 0.5", "perDay: 5", "team: core", "jitter: 5m", "to: log"):
        assert line in added
    assert "# mornings" in (folder / "all.yaml").read_text()
    assert "[failed, recovered, breaker]" in added
    again = fields_of(ask("GET", EDIT))
    assert (again["spec.timeout"], again["spec.budget.perRun"]) == ("2h", "0.5")
    emptied = {"spec.timeout": "", "spec.budget.perRun": "", "spec.budget.perDay": ""}
    saved(send(ask, again | emptied, "save"))
    assert "budget" not in (folder / "all.yaml").read_text()


def test_what_is_wrong_opens_its_section_and_is_said_there(ask: Ask) -> None:
    fields = fields_of(send(ask, fields_of(ask("GET", EDIT)), "add:notify"))
    page = send(ask, fields | {"assignee": "agent:bat"}, "preview")
    assert text_of(page).count("there is no agent 'bat' in workspace 'default'") == 3
    fields |= {"spec.budget.perDay": "five", "n0.to": "nowhere", "t0.startAt": "tomorrow"}
    page = send(ask, fields, "save")
    assert text_of(page).count("expected US dollars as a number such as 5 or 2.50") == 2
    assert "there is no channel 'nowhere'" in text_of(page)
    for name in ("limits", "notify"):
        assert f'<details class="folded" id="{name}" open>' in page.text
    assert '<details class="folded" id="meeting">' in page.text
    assert fields_of(page)["t0.startAt"] == "tomorrow"


def test_a_new_autopilot_is_a_new_file(folder: Path, ask: Ask) -> None:
    page = ask("GET", NEW)
    fields = fields_of(page, NEW) | {"name": "deploy", "title": "Ship it"}
    for button in ("add:schedule", "add:webhook", "add:api"):
        fields = fields_of(send(ask, fields, button, NEW), NEW)
    fields |= {"t0.moment": "@daily", "t1.scheme": "none"}
    assert saved(send(ask, fields, "save", NEW)) == f"/autopilots/{id_of('deploy')}?saved=yes"
    text = (folder / "default" / "deploy.yaml").read_text()
    assert 'cron: "@daily"' in text
    assert "scheme: none" in text
    assert text.count("- name:") == 3


def test_a_text_may_stand_in_a_file_that_is_there(folder: Path, ask: Ask) -> None:
    """Chosen in the form, by its path; edited in that file from then on."""
    (folder / "prompts").mkdir()
    (folder / "prompts" / "triage.md").write_text("Label them.")
    chosen = {"spec.descriptionFrom.file": "prompts/triage.md", "spec.timeout": "2h"}
    fields = fields_of(ask("GET", EDIT)) | chosen
    wrong = send(ask, fields | {"spec.descriptionFrom.file": "prompts/other.md"}, "save")
    assert "there is no such file here" in text_of(wrong)
    twice = send(ask, fields | {"description": "Both."}, "save")
    assert "prompts/triage.md is there already and says something else" in text_of(twice)
    text = fields_of(send(ask, fields, "to-yaml"))
    assert "descriptionFrom: {file: prompts/triage.md}" in text["yaml"]
    form = fields_of(send(ask, text, "to-form"))
    assert form["spec.descriptionFrom.file"] == "prompts/triage.md"
    assert form["description"] == ""
    saved(send(ask, form, "save"))
    written = (folder / "all.yaml").read_text()
    assert "descriptionFrom: {file: prompts/triage.md}" in written
    assert "timeout: 2h" in written
    page = ask("GET", EDIT)
    assert "It stands in prompts/triage.md , and is edited there" in text_of(page)
    assert fields_of(page)["description"] == "Label them."
    saved(send(ask, fields_of(page) | {"description": "Close them."}, "save"))
    assert (folder / "prompts" / "triage.md").read_text() == "Close them."
    assert (folder / "all.yaml").read_text() == written
    for named in ("../agents.yaml", "/etc/passwd"):
        page = send(ask, fields | {"spec.descriptionFrom.file": named}, "save")
        assert "Somebody changed it" in text_of(page) or "One thing is wrong" in text_of(page)


SCHEMA = '{"type": "object"}'
MOVES = {
    "description": "Label them.\nAll of them.",
    "spec.descriptionFrom.file": "prompts/triage.md",
    "spec.resultSchema": SCHEMA,
    "spec.expectSchema.file": "_schemas/triage.json",
}


def test_a_long_text_moves_into_a_new_file(folder: Path, ask: Ask) -> None:
    """Shown before it is written, with all that changes; nothing of its meaning does."""
    inline = {name: text for name, text in MOVES.items() if not name.endswith(".file")}
    saved(send(ask, fields_of(ask("GET", EDIT)) | inline, "save"))
    page = ask("GET", EDIT)
    assert '<option value="prompts/triage.md">' in page.text
    page = send(ask, fields_of(page) | MOVES, "preview")
    text = text_of(page)
    assert "What it means stays the same." in text
    assert "The description moves into the new file prompts/triage.md" in text
    assert "The schema moves into the new file _schemas/triage.json" in text
    assert "+All of them." in text
    assert "+ descriptionFrom: {file: prompts/triage.md}" in text
    assert not (folder / "prompts").exists()
    saved(send(ask, fields_of(page), "save"))
    assert (folder / "prompts" / "triage.md").read_bytes() == b"Label them.\nAll of them."
    assert (folder / "_schemas" / "triage.json").read_text() == SCHEMA
    written = (folder / "all.yaml").read_text()
    assert "Label them" not in written
    assert "name: triage      # do not rename" in written
    page = ask("GET", EDIT)
    assert "It stands in prompts/triage.md , and is edited there" in text_of(page)
    assert fields_of(page)["description"] == "Label them.\nAll of them."
    assert ask("GET", "/v1/drift").json()["items"] == []


def test_a_text_that_is_new_and_a_new_autopilot_move_at_once(folder: Path, ask: Ask) -> None:
    fields = fields_of(ask("GET", NEW), NEW) | MOVES | {"name": "deploy", "title": "Ship it"}
    saved(send(ask, fields, "save", NEW))
    assert (folder / "default" / "prompts" / "triage.md").read_text().startswith("Label them.")
    assert "descriptionFrom:" in (folder / "default" / "deploy.yaml").read_text()
    saved(send(ask, fields_of(ask("GET", EDIT)) | MOVES | {"title": "New"}, "save"))
    assert 'title: "New"   # what people see' in (folder / "all.yaml").read_text()
    assert (folder / "_schemas" / "triage.json").read_text() == SCHEMA


def test_a_file_that_is_there_is_not_written_over(folder: Path, ask: Ask) -> None:
    """Whatever it is: a text, a manifest, a folder, a link."""
    fields = fields_of(ask("GET", EDIT)) | {"description": "Mine."}
    (folder / "theirs.md").write_text("Theirs.")
    (folder / "prompts").mkdir()
    (folder / "away.md").symlink_to(folder.parent / "away.md")
    before = {path.name: path.read_text() for path in folder.glob("*.*") if path.exists()}
    for name in ("theirs.md", "all.yaml", "prompts", "away.md", "../away.md", "/away.md", ".a.md"):
        page = send(ask, fields | {"spec.descriptionFrom.file": name}, "save")
        assert page.status_code in (200, 409, 503), name
        assert fields_of(page)["description"] == "Mine.", name
        after = {path.name: path.read_text() for path in folder.glob("*.*") if path.exists()}
        assert after == before, name
    assert not (folder.parent / "away.md").exists()


@pytest.mark.parametrize("policy", ["reject"])
def test_a_patch_makes_the_new_file_too(folder: Path, ask: Ask, tmp_path: Path) -> None:
    download = send(ask, fields_of(ask("GET", EDIT)) | MOVES, "download")
    repo = GitFolder.make(folder)
    (tmp_path / "triage.patch").write_bytes(download.content)
    repo.git("apply", str(tmp_path / "triage.patch"))
    assert (folder / "prompts" / "triage.md").read_text() == "Label them.\nAll of them."
    assert "descriptionFrom: {file: prompts/triage.md}" in (folder / "all.yaml").read_text()


def test_a_trigger_can_be_removed_and_switched_off(folder: Path, ask: Ask) -> None:
    fields = fields_of(send(ask, fields_of(ask("GET", EDIT)), "add:api"))
    fields = fields_of(send(ask, fields, "remove:0"))
    fields.pop("t0.enabled")
    saved(send(ask, fields, "save"))
    (trigger,) = ask("GET", f"/v1/autopilots/{id_of('triage')}").json()["spec"]["triggers"]
    assert (trigger["kind"], trigger["enabled"]) == ("api", False)


def test_a_name_that_is_taken_is_not_written_over(folder: Path, ask: Ask) -> None:
    fields = fields_of(ask("GET", NEW), NEW) | {"name": "other", "title": "Mine now"}
    page = send(ask, fields, "save", NEW)
    assert "there is an autopilot default/other already" in text_of(page)
    assert "Mine now" not in (folder / "all.yaml").read_text()


def test_the_same_as_yaml_and_back(folder: Path, ask: Ask) -> None:
    fields = fields_of(send(ask, fields_of(ask("GET", EDIT)) | {"title": "By form"}, "to-yaml"))
    assert "title: By form" in fields["yaml"]
    fields["yaml"] = fields["yaml"].replace("By form", "By YAML") + "  timeout: 2h\n"
    form = fields_of(send(ask, fields, "to-form"))
    assert form["title"] == "By YAML"
    assert "yaml" not in form
    saved(send(ask, form, "save"))
    text = (folder / "all.yaml").read_text()
    assert "By YAML" in text
    assert "timeout: 2h" in text


def test_yaml_that_is_wrong_stays_in_its_field(ask: Ask) -> None:
    fields = fields_of(send(ask, fields_of(ask("GET", EDIT)), "to-yaml"))
    fields["yaml"] += "  tittle: x\n"
    for button in ("preview", "save", "to-form"):
        page = send(ask, fields, button)
        assert "did you mean 'title'?" in text_of(page)
        assert fields_of(page)["yaml"] == fields["yaml"]


def edited_meanwhile(folder: Path, rig: Rig, before: str, after: str) -> None:
    """Somebody else edits the file, and it is applied."""
    file = folder / "all.yaml"
    file.write_text(file.read_text().replace(before, after))
    reconcile(rig, folder)


def test_two_people_at_once_become_a_merge(folder: Path, rig: Rig, ask: Ask) -> None:
    fields = fields_of(ask("GET", EDIT)) | {"title": "Mine"}
    edited_meanwhile(folder, rig, '"0 9 * * *"', '"0 8 * * *"')
    page = send(ask, fields, "save")
    assert "Somebody changed it while you edited" in text_of(page)
    assert "Nothing is saved yet." in text_of(page)
    assert "Mine" not in (folder / "all.yaml").read_text()
    merged = fields_of(page)
    assert (merged["title"], merged["t0.moment"]) == ("Mine", "0 8 * * *")
    saved(send(ask, merged, "save"))
    text = (folder / "all.yaml").read_text()
    assert 'title: "Mine"' in text
    assert '"0 8 * * *"' in text
    assert "# mornings" in text


def test_where_both_changed_the_same_one_chooses(folder: Path, rig: Rig, ask: Ask) -> None:
    fields = fields_of(ask("GET", EDIT)) | {"title": "Mine"}
    edited_meanwhile(folder, rig, '"Triage"', '"Theirs"')
    page = send(ask, fields, "preview")
    assert fields_of(page)["title"] == "Mine"
    assert "take:spec/title" in form_of(page.text, EDIT).buttons
    taken = send(ask, fields_of(page), "take:spec/title")
    assert fields_of(taken)["title"] == "Theirs"
    assert "Nothing would change." in text_of(taken)


def test_an_edit_of_yaml_is_merged_too(folder: Path, rig: Rig, ask: Ask) -> None:
    fields = fields_of(send(ask, fields_of(ask("GET", EDIT)) | {"title": "Mine"}, "to-yaml"))
    edited_meanwhile(folder, rig, '"0 9 * * *"', '"0 8 * * *"')
    merged = fields_of(send(ask, fields, "save"))
    assert "title: Mine" in merged["yaml"]
    assert "0 8 * * *" in merged["yaml"]
    saved(send(ask, merged, "save"))


def test_a_file_that_was_saved_a_moment_ago_is_not_written_over(folder: Path, ask: Ask) -> None:
    """Somebody else's edit is in the file, and not applied yet."""
    fields = fields_of(ask("GET", EDIT)) | {"title": "Mine"}
    file = folder / "all.yaml"
    file.write_text(file.read_text().replace('"0 9 * * *"', '"0 8 * * *"'))
    page = send(ask, fields, "save")
    assert page.status_code == 409
    assert "has been edited in the file since it was applied" in text_of(page)
    assert fields_of(page)["title"] == "Mine"
    assert "Mine" not in file.read_text()


@pytest.mark.parametrize("policy", ["reject"])
def test_a_server_that_writes_nothing_gives_a_patch(folder: Path, ask: Ask, tmp_path: Path) -> None:
    fields = fields_of(ask("GET", EDIT)) | {"title": "By patch", "spec.limits.perHour": "3"}
    page = send(ask, fields, "save")
    assert "Here is the patch." in text_of(page)
    download = send(ask, fields, "download")
    assert download.headers["content-disposition"] == 'attachment; filename="triage.patch"'
    repo = GitFolder.make(folder)
    (tmp_path / "triage.patch").write_bytes(download.content)
    repo.git("apply", str(tmp_path / "triage.patch"))
    written = (folder / "all.yaml").read_text()
    assert 'title: "By patch"   # what people see' in written
    assert "limits: {perHour: 3}" in written


def test_hostile_text_is_text_and_comes_back_just_so(ask: Ask) -> None:
    """In every field that takes text, those of triggers and of who is told too."""
    page = ask("GET", EDIT)
    for button in ("add:webhook", "add:api", "add:notify"):
        page = send(ask, fields_of(page), button)
    kept = {"form_token", "base", "was", "under"}
    fields = {name: EVIL for name in fields_of(page).keys() - kept if ".on." not in name}
    page = send(ask, fields_of(page) | fields | {"title": "<b>&amp;"}, "preview")
    assert "<script>" not in page.text
    again = fields_of(page)
    assert again["title"] == "<b>&amp;"
    for name in ("description", "spec.expect", "spec.budget.perDay", "spec.precheck.args", "n0.to"):
        assert again[name] == EVIL, name
    for name in ("t0.startAt", "t1.maxBody", "t2.when", "spec.precheck.program"):
        assert again[name] == EVIL, name


@pytest.mark.parametrize(
    "under",
    [
        pytest.param("[1]", id="a list"),
        pytest.param("{", id="no JSON"),
        pytest.param('{"metadata": {}, "spec": []}', id="no spec"),
        pytest.param('{"metadata": {}, "spec": {"assignee": {}, "triggers": 5}}', id="triggers"),
        pytest.param(
            '{"metadata": {}, "spec": {"assignee": {}, "triggers": [{"signature": []}]}}',
            id="signature",
        ),
    ],
)
@pytest.mark.parametrize("name", ["under", "base", "was"])
def test_a_form_that_no_page_sent_is_refused(ask: Ask, name: str, under: str) -> None:
    fields = fields_of(ask("GET", EDIT)) | {name: under}
    assert send(ask, fields, "preview").status_code == 400


def test_a_manifest_that_is_wrong_in_every_value_is_told_of(ask: Ask) -> None:
    fields = fields_of(ask("GET", EDIT))
    under = json.loads(fields["under"])
    under["spec"] |= {"timeout": [], "retry": 5, "limits": "x"}
    page = send(ask, fields | {"under": json.dumps(under)}, "save")
    assert page.status_code == 200
    assert "things are wrong" in text_of(page)


def test_what_is_wrong_a_thousand_times_is_counted_and_shown_in_part(ask: Ask) -> None:
    """A page looks through its Problems for each of its fields."""
    fields = fields_of(ask("GET", EDIT))
    under = json.loads(fields["under"])
    under["spec"] |= {f"key{number}": 1 for number in range(1500)}
    page = send(ask, fields | {"under": json.dumps(under)}, "save")
    assert "1,500 things are wrong" in text_of(page)
    assert "(and 1,499 more)" in text_of(page)
    assert 0 < page.text.count("unknown field") <= MOST_PROBLEMS
    under["spec"] = {**json.loads(fields["under"])["spec"], "notify": [{"on": []}] * 1000}
    assert send(ask, fields | {"under": json.dumps(under)}, "save").status_code == 400


def test_a_limited_admin_makes_nothing_elsewhere_and_sees_nobody_elses(
    folder: Path, rig: Rig, tmp_path: Path
) -> None:
    """Viewers and operators have no editor at all."""
    tokens = {"admin": "red", "operator": "default", "viewer": "default"}
    path = tmp_path / "tokens.toml"
    path.write_text(
        "".join(
            f'[[token]]\nname = "{role}"\nrole = "{role}"\nworkspaces = ["{workspace}"]\n'
            f'sha256 = "{token_hash(f"rct_{role}")}"\n'
            for role, workspace in tokens.items()
        )
    )
    web = following(rig, folder)
    web.authority = Tokens(path, rig.clock)

    async def ask(role: str, method: str, path: str, **fields: str) -> httpx.Response:
        async with web.client(headers={"Origin": BASE}) as client:
            login = form_of((await client.get("/login")).text, "/login").fields
            await client.post("/login", data={**login, "token": f"rct_{role}"})
            if method == "GET":
                return await client.get(path)
            form = form_of((await client.get(path)).text, path).fields
            return await client.post(path, data={**form, **fields})

    with asyncio.Runner() as runner:
        for role in ("operator", "viewer"):
            page = runner.run(ask(role, "GET", EDIT))
            assert page.status_code == 403
            shown = runner.run(ask(role, "GET", EDIT.removesuffix("/edit")))
            assert "/edit" not in shown.text
        assert runner.run(ask("admin", "GET", EDIT)).status_code == 404
        new = {"name": "mine", "title": "Mine", "assignee": "agent:bot", "action": "save"}
        page = runner.run(ask("admin", "POST", NEW, workspace="default", **new))
        assert "your token does not reach workspace default" in text_of(page)
        assert "bot (agent" not in text_of(runner.run(ask("admin", "GET", NEW)))
        mine = {**new, "workspace": "red", "assignee": "agent:red"} | MOVES
        page = runner.run(ask("admin", "POST", NEW, **mine))
        assert "description and descriptionFrom are both given" in text_of(page)
    assert not (folder / "default").exists()


def test_a_proposal_has_the_link_of_its_pull_request(rig: Rig, tmp_path: Path) -> None:
    hub = Hub.make(tmp_path)
    hub.clone.write("autopilots/agents.yaml", AGENT)
    hub.clone.write("autopilots/all.yaml", TEXT)
    hub.push("First")
    mirror = Mirror.below(tmp_path / "mirrors", str(hub.bare))
    reconcile_git(rig, mirror)
    checks = WriteChecks(
        database=rig.database, source_id="default", policy=OFFLINE, token_hash=hash_of
    )
    with StandInForge() as forge, asyncio.Runner() as runner:
        writer = GitWriter(
            mirror=mirror,
            branch="main",
            path="autopilots",
            checks=checks,
            now=rig.clock.now,
            proposes=True,
            forge=Forge(forge.github, PROJECT, TOKEN),
        )
        more: dict[str, Any] = {"writer": lambda _source: writer}
        web = Web(rig, settings=Settings(write_policy="branch"), more=more)

        async def propose() -> httpx.Response:
            async with web.client(headers={"Origin": BASE}) as client:
                fields = form_of((await client.get(EDIT)).text, EDIT).fields
                changed = {**MOVES, "title": "New", "action": "save"}
                return await client.post(EDIT, data={**fields, **changed})

        page = runner.run(propose())
    assert "Proposed on branch reconciler/default/triage-" in text_of(page)
    assert re.search(r'<a href="http[^"]+/pull/\d+"[^>]*>Open the pull request', page.text)
    assert "New" not in hub.git("show", "main:autopilots/all.yaml")
    (branch,) = re.findall(r"reconciler/default/triage-[0-9a-f]+", text_of(page))
    assert hub.git("show", f"{branch}:autopilots/prompts/triage.md") == MOVES["description"]
    assert "descriptionFrom:" in hub.git("show", f"{branch}:autopilots/all.yaml")

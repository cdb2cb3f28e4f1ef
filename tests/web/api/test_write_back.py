"""Writes that are carried out, `write_policy = files`: the folder says it, and it is in force."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.control.apply.source_files import SourceFiles
from reconciler.control.apply.write_folder import FolderWriter
from reconciler.store.revisions.revisions import Via, list_attempts
from tests.support.following import reconcile, write_checks
from tests.support.rig import Rig, id_of, schedule
from tests.support.web import Web
from tests.support.yaml_styles import AGENT, styled_file
from tests.web.conftest import Ask

TEXT = """\
# The team's work.
apiVersion: autopilots/v1
kind: Autopilot
metadata:
  name: triage      # do not rename
spec:
  title: "Triage"   # what people see
  assignee: {type: agent, id: bot}
  triggers:
    # mornings
    - {name: clock, kind: schedule, cron: "0 9 * * *"}
---
apiVersion: autopilots/v1
kind: Autopilot
metadata: {name: other}
spec: {title: Other, assignee: {type: agent, id: bot}}"""
TRIAGE = f"/v1/autopilots/{id_of('triage')}"
OTHER = f"/v1/autopilots/{id_of('other')}"
DEPLOY = {
    "metadata": {"name": "deploy"},
    "spec": {"title": "Ship it", "assignee": {"type": "agent", "id": "bot"}},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the server follows."""
    folder = tmp_path / "autopilots"
    folder.mkdir()
    (folder / "agents.yaml").write_bytes(AGENT)
    (folder / "all.yaml").write_text(TEXT)
    return folder


@pytest.fixture
def writer(rig: Rig, folder: Path) -> FolderWriter:
    """Writes into the folder, which is in force."""
    reconcile(rig, folder)
    return FolderWriter(folder, write_checks(rig))


@pytest.fixture
def web(rig: Rig, folder: Path, writer: FolderWriter) -> Web:
    """A server that follows the folder and writes into it."""
    files = SourceFiles.below(folder)
    return Web(rig, more={"files": lambda _source: files, "writer": {"default": writer}.get})


def written(ask: Ask, method: str, path: str, body: Any = None, tag: str | None = None) -> Any:
    """Do a write with the tag of what is there now."""
    known = tag or ask("GET", "/".join(path.split("/")[:4])).headers["etag"]
    return ask(method, path, json=body, headers={"If-Match": known})


def changed(before: bytes, after: bytes) -> list[tuple[bytes, bytes]]:
    """The lines of which each became another."""
    pairs = zip(before.splitlines(True), after.splitlines(True), strict=True)
    return [(was, now) for was, now in pairs if was != now]


def test_an_edit_is_one_line_of_the_file_and_in_force_at_once(
    folder: Path, rig: Rig, ask: Ask
) -> None:
    wanted = ask("GET", TRIAGE).json()
    wanted["spec"]["title"] = "Triage, nightly"
    before = (folder / "all.yaml").read_bytes()
    answer = written(ask, "PUT", TRIAGE, wanted)
    assert answer.status_code == 200, answer.text
    assert answer.json()["spec"]["title"] == "Triage, nightly"
    assert changed(before, (folder / "all.yaml").read_bytes()) == [
        (
            b'  title: "Triage"   # what people see\n',
            b'  title: "Triage, nightly"   # what people see\n',
        )
    ]
    read = ask("GET", TRIAGE)
    assert read.json()["spec"]["title"] == "Triage, nightly"
    assert read.headers["etag"] == answer.headers["etag"]
    (newest, *_) = rig.database.read(list_attempts)
    assert (newest.actor, newest.via) == ("local", Via.API)


def test_an_answer_has_the_tag_for_the_next_write(ask: Ask) -> None:
    wanted = ask("GET", TRIAGE).json()
    tag = None
    for title in ("One", "Two", "Three"):
        wanted["spec"]["title"] = title
        answer = written(ask, "PUT", TRIAGE, wanted, tag)
        assert answer.status_code == 200, answer.text
        tag = answer.headers["etag"]


def test_a_creation_is_a_new_file_and_its_removal_removes_the_file(folder: Path, ask: Ask) -> None:
    answer = ask("POST", "/v1/autopilots", json=DEPLOY)
    assert answer.status_code == 200, answer.text
    file = folder / "default" / "deploy.yaml"
    assert file.read_text().startswith("apiVersion: autopilots/v1\nkind: Autopilot\n")
    assert file.stat().st_mode & 0o777 == 0o644
    path = f"/v1/autopilots/{answer.json()['id']}"
    assert ask("GET", path).headers["etag"] == answer.headers["etag"]
    removed = written(ask, "DELETE", path)
    assert removed.status_code == 200, removed.text
    assert not file.exists()
    assert not list(file.parent.iterdir())
    # It comes back with its history, under the id that it had.
    restored = ask("POST", "/v1/autopilots", json=DEPLOY)
    assert (restored.status_code, restored.json()["id"]) == (200, answer.json()["id"])


def test_a_creation_goes_into_the_source_that_it_names(folder: Path, ask: Ask) -> None:
    manifest = {**DEPLOY, "metadata": {"name": "elsewhere"}}
    refused = ask("POST", "/v1/autopilots?source=theirs", json=manifest)
    assert (refused.status_code, refused.json()["code"]) == (409, "yaml-is-the-source")
    assert ask("POST", "/v1/autopilots?source=default", json=manifest).status_code == 200
    assert (folder / "default" / "elsewhere.yaml").is_file()


def test_a_removal_of_one_of_several_takes_its_own_lines(folder: Path, ask: Ask) -> None:
    assert written(ask, "DELETE", OTHER).status_code == 200
    assert (folder / "all.yaml").read_text() == TEXT.partition("---\n")[0]
    listed = ask("GET", "/v1/autopilots").json()["items"]
    assert [item["metadata"]["name"] for item in listed] == ["triage"]


def test_triggers_come_change_and_go_as_lines(folder: Path, ask: Ask) -> None:
    added = written(ask, "POST", f"{TRIAGE}/triggers", {"name": "call", "kind": "api"})
    assert added.status_code == 200, added.text
    lines = (folder / "all.yaml").read_text().splitlines()
    assert [line for line in lines if line not in TEXT.splitlines()] == [
        "    - name: call",
        "      kind: api",
    ]
    clock = next(t for t in added.json()["status"]["triggers"] if t["name"] == "clock")["id"]
    trigger = schedule("5 9 * * *")
    assert written(ask, "PUT", f"{TRIAGE}/triggers/{clock}", trigger).status_code == 200
    assert '{name: clock, kind: schedule, cron: "5 9 * * *"}' in (folder / "all.yaml").read_text()
    assert written(ask, "DELETE", f"{TRIAGE}/triggers/{clock}").status_code == 200
    names = [trigger["name"] for trigger in ask("GET", TRIAGE).json()["spec"]["triggers"]]
    assert names == ["call"]


def test_a_write_names_the_version_that_it_is_of(folder: Path, ask: Ask) -> None:
    wanted = ask("GET", TRIAGE).json()
    old = ask("GET", TRIAGE).headers["etag"]
    wanted["spec"]["title"] = "One"
    without = ask("PUT", TRIAGE, json=wanted)
    assert (without.status_code, without.json()["code"]) == (428, "precondition-required")
    assert (folder / "all.yaml").read_text() == TEXT
    assert written(ask, "PUT", TRIAGE, wanted).status_code == 200
    wanted["spec"]["title"] = "Two"
    for tag in (old, f"W/{old}", '"0.1"', "x"):
        stale = written(ask, "PUT", TRIAGE, wanted, tag)
        assert (stale.status_code, stale.json()["code"]) == (412, "precondition-failed"), tag
    assert ask("DELETE", TRIAGE, headers={"If-Match": old}).status_code == 412
    assert written(ask, "PUT", TRIAGE, wanted, "*").status_code == 200
    new = ask("POST", "/v1/autopilots", json=DEPLOY, headers={"If-Match": "*"})
    assert new.status_code == 412


def test_a_run_between_reading_and_writing_does_not_matter(rig: Rig, ask: Ask) -> None:
    read = ask("GET", TRIAGE)
    rig.launch("triage")
    assert ask("GET", TRIAGE).headers["etag"] != read.headers["etag"]
    wanted = {**read.json(), "spec": {**read.json()["spec"], "title": "Later"}}
    assert written(ask, "PUT", TRIAGE, wanted, read.headers["etag"]).status_code == 200


def test_what_changes_nothing_needs_no_tag_and_writes_nothing(folder: Path, ask: Ask) -> None:
    before = (folder / "all.yaml").stat()
    assert ask("PUT", TRIAGE, json=ask("GET", TRIAGE).json()).status_code == 200
    after = (folder / "all.yaml").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"assignee": {"type": "agent", "id": "no"}}, id="an agent that is not there"),
        pytest.param({"timeout": "long"}, id="a value that is wrong"),
    ],
)
def test_what_is_invalid_writes_nothing(folder: Path, ask: Ask, spec: dict[str, Any]) -> None:
    wanted = ask("GET", TRIAGE).json()
    answer = written(ask, "PUT", TRIAGE, {**wanted, "spec": {**wanted["spec"], **spec}})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-manifests")
    assert (folder / "all.yaml").read_text() == TEXT
    assert ask("GET", TRIAGE).json() == wanted


def test_a_rename_without_its_former_name_is_refused(folder: Path, ask: Ask) -> None:
    wanted = ask("GET", TRIAGE).json()
    wanted["metadata"]["name"] = "label"
    answer = written(ask, "PUT", TRIAGE, wanted)
    assert (answer.status_code, answer.json()["code"]) == (409, "source-unsettled")
    assert "archive" in answer.json()["detail"]
    assert (folder / "all.yaml").read_text() == TEXT
    wanted["metadata"]["formerNames"] = ["triage"]
    moved = written(ask, "PUT", TRIAGE, wanted)
    assert (moved.status_code, moved.json()["id"]) == (200, wanted["id"]), moved.text


def test_a_guard_stops_a_write_before_it_is_made(rig: Rig, folder: Path, ask: Ask) -> None:
    text = TEXT.replace("spec: {title: Other", "spec: {deletionPolicy: protect, title: Other")
    (folder / "all.yaml").write_text(text)
    reconcile(rig, folder)
    answer = written(ask, "DELETE", OTHER)
    assert (answer.status_code, answer.json()["code"]) == (409, "unsafe")
    assert (folder / "all.yaml").read_text() == text


def test_edits_by_hand_come_first_and_are_not_undone(folder: Path, rig: Rig, ask: Ask) -> None:
    (folder / "all.yaml").write_text(TEXT.replace("title: Other", "title: By hand"))
    wanted = ask("GET", TRIAGE).json()
    wanted["spec"]["title"] = "By request"
    assert written(ask, "PUT", TRIAGE, wanted).status_code == 200
    assert "title: By hand" in (folder / "all.yaml").read_text()
    newest, before, *_ = rig.database.read(list_attempts)
    assert (newest.actor, before.actor) == ("local", "server")
    assert ask("GET", OTHER).json()["spec"]["title"] == "By hand"
    (folder / "all.yaml").write_text((folder / "all.yaml").read_text().replace("By request", "No"))
    wanted["spec"]["title"] = "Again"
    refused = written(ask, "PUT", TRIAGE, wanted)
    assert (refused.status_code, refused.json()["code"]) == (409, "cannot-edit")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        pytest.param("broken.yaml", "{", id="a file with problems"),
        pytest.param("agents.yaml", None, id="a file that is missing"),
    ],
)
def test_a_source_that_is_not_in_order_takes_no_writes(
    folder: Path, ask: Ask, path: str, text: str | None
) -> None:
    if text is None:
        (folder / path).unlink()
    else:
        (folder / path).write_text(text)
    wanted = ask("GET", TRIAGE).json()
    wanted["spec"]["title"] = "By request"
    answer = written(ask, "PUT", TRIAGE, wanted)
    assert (answer.status_code, answer.json()["code"]) == (409, "source-unsettled")
    assert (folder / "all.yaml").read_text() == TEXT


@pytest.mark.parametrize(
    "files", [60, pytest.param(200, marks=[pytest.mark.soak, pytest.mark.timeout(600)])]
)
def test_files_of_any_style_are_edited_line_by_line(
    rig: Rig, folder: Path, ask: Ask, files: int
) -> None:
    (folder / "all.yaml").unlink()
    for first in range(0, files, 20):
        for file in folder.glob("styled-*"):
            file.unlink()
        for seed in range(first, first + 20):
            (folder / f"styled-{seed}.yaml").write_bytes(styled_file(seed, f"a{seed}").data)
        reconcile(rig, folder, whatever_leaves=True)
        for seed in range(first, first + 20):
            file = folder / f"styled-{seed}.yaml"
            before = file.read_bytes()
            path = f"/v1/autopilots/{id_of(f'a{seed}')}"
            read: httpx.Response = ask("GET", path)
            wanted = read.json()
            wanted["spec"]["title"] = "It's: another"
            answer = written(ask, "PUT", path, wanted, read.headers["etag"])
            assert answer.status_code == 200, answer.text
            assert len(changed(before, file.read_bytes())) == 1, seed


class TestADescriptionInAFileOfItsOwn:
    """`descriptionFrom`: the file is what is edited, and the manifest keeps naming it."""

    @pytest.fixture
    def folder(self, folder: Path) -> Path:
        text = TEXT.replace(
            'spec:\n  title: "Triage"',
            'spec:\n  descriptionFrom: {file: prompts/triage.md}\n  title: "Triage"',
        )
        (folder / "all.yaml").write_text(text)
        (folder / "prompts").mkdir()
        (folder / "prompts/triage.md").write_bytes(b"Read them.\r\nLabel them.\r\n")
        return folder

    def test_is_edited_there(self, folder: Path, ask: Ask) -> None:
        wanted = ask("GET", TRIAGE).json()
        assert wanted["spec"]["description"] == "Read them.\nLabel them.\n"
        wanted["spec"]["description"] = "Read them.\nClose them.\n"
        manifest = (folder / "all.yaml").read_bytes()
        answer = written(ask, "PUT", TRIAGE, wanted)
        assert answer.status_code == 200, answer.text
        assert answer.json()["spec"]["description"] == "Read them.\nClose them.\n"
        assert (folder / "prompts/triage.md").read_bytes() == b"Read them.\r\nClose them.\r\n"
        assert (folder / "all.yaml").read_bytes() == manifest

    def test_stays_as_it_is_when_another_field_changes(self, folder: Path, ask: Ask) -> None:
        wanted = ask("GET", TRIAGE).json()
        wanted["spec"]["title"] = "Sorting"
        before = (folder / "all.yaml").read_bytes()
        assert written(ask, "PUT", TRIAGE, wanted).status_code == 200
        assert [now.strip() for _, now in changed(before, (folder / "all.yaml").read_bytes())] == [
            b'title: "Sorting"   # what people see'
        ]

    def test_two_files_are_not_changed_by_one_write(self, folder: Path, ask: Ask) -> None:
        wanted = ask("GET", TRIAGE).json()
        wanted["spec"] |= {"title": "Sorting", "description": "Close them.\n"}
        answer = written(ask, "PUT", TRIAGE, wanted)
        assert (answer.status_code, answer.json()["code"]) == (409, "cannot-edit")
        assert "prompts/triage.md, a file of its own" in answer.json()["detail"]
        assert b"Label" in (folder / "prompts/triage.md").read_bytes()

    def test_an_edit_of_the_file_that_is_not_in_force_yet_is_not_undone(
        self, folder: Path, ask: Ask
    ) -> None:
        wanted = ask("GET", TRIAGE).json()
        wanted["spec"]["description"] = "Close them.\n"
        (folder / "prompts/triage.md").write_text("Somebody's edit.\n")
        answer = written(ask, "PUT", TRIAGE, wanted)
        assert (answer.status_code, answer.json()["code"]) == (409, "cannot-edit")
        assert (folder / "prompts/triage.md").read_text() == "Somebody's edit.\n"

    def test_a_body_cannot_name_a_file(self, ask: Ask) -> None:
        wanted = ask("GET", TRIAGE).json()
        del wanted["spec"]["description"]
        wanted["spec"]["descriptionFrom"] = {"file": "prompts/triage.md"}
        answer = written(ask, "PUT", TRIAGE, wanted)
        assert answer.status_code == 422
        assert (
            "there is no such file here; add it, or write its text into the manifest" in answer.text
        )

"""The suggested patch of a refused write: git takes it, and applying it is what was asked for."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from reconciler.control.apply.reconcile import ApplyRequest, apply_once
from reconciler.control.apply.source_files import SourceFiles
from reconciler.control.apply.sources import load_source
from reconciler.core.manifest.checks import OFFLINE
from reconciler.store.revisions.revisions import Via
from reconciler.web.writing.patch import unified_diff
from tests.support.rig import Rig, hash_of, id_of
from tests.support.web import Web
from tests.web.conftest import Ask

TEXT = """\
# The team's work.
apiVersion: autopilots/v1
kind: Agent
metadata: {name: bot}
spec: {runtime: {type: worker}}
---
apiVersion: autopilots/v1
kind: Autopilot
metadata:
  name: triage      # do not rename
spec:
  title: "Triage"   # what people see
  assignee: {type: agent, id: bot}
  triggers:
    - {name: clock, kind: schedule, cron: "0 9 * * *"}
---
apiVersion: autopilots/v1
kind: Autopilot
metadata: {name: other}
spec: {title: Other, assignee: {type: agent, id: bot}}"""


AGENT = b"""\
apiVersion: autopilots/v1
kind: Agent
metadata: {name: shipper}
spec: {runtime: {type: worker}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository whose manifests lie in a folder of it."""
    folder = tmp_path / "repository" / "auto pilots"
    folder.mkdir(parents=True)
    (folder / "all.yaml").write_text(TEXT)
    _git(folder, "init", "--quiet", "..")
    return folder


@pytest.fixture
def web(rig: Rig, folder: Path) -> Web:
    """A server that follows the folder."""
    _apply(rig, folder)
    return Web(rig, more={"files": lambda _source: SourceFiles.below(folder)})


def _git(folder: Path, *arguments: str, text: str | None = None) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, input=text, text=True)


def _apply(rig: Rig, folder: Path) -> None:
    desired = load_source(rig.database, folder, source_id="default", policy=OFFLINE).desired
    request = ApplyRequest(actor="tester", via=Via.CLI)
    apply_once(rig.database, desired, request, token_hash=hash_of)


def _refused(ask: Ask, method: str, path: str, body: Any = None) -> str:
    answer = ask(method, path, json=body)
    assert answer.status_code == 409, answer.text
    patch: str = answer.json()["suggestedPatch"]
    return patch


def _taken(rig: Rig, folder: Path, patch: str, *, inside: bool = False) -> None:
    _git(folder if inside else folder.parent, "apply", "-", text=patch)
    _apply(rig, folder)


@pytest.mark.parametrize("inside", [True, False])
def test_one_changed_value_is_one_changed_line(
    rig: Rig, folder: Path, ask: Ask, inside: bool
) -> None:
    path = f"/v1/autopilots/{id_of('triage')}"
    wanted = ask("GET", path).json()
    wanted["spec"]["title"] = "Triage, nightly"
    patch = _refused(ask, "PUT", path, wanted)
    changed = [
        line for line in patch.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")
    ]
    assert changed == [
        '-  title: "Triage"   # what people see',
        '+  title: "Triage, nightly"   # what people see',
    ]
    _taken(rig, folder, patch, inside=inside)
    assert ask("PUT", path, json=wanted).status_code == 200


def test_a_creation_is_a_new_file(rig: Rig, folder: Path, ask: Ask) -> None:
    manifest = {
        "metadata": {"name": "deploy", "workspace": "default"},
        "spec": {"title": "Ship it", "assignee": {"type": "agent", "id": "bot"}},
    }
    patch = _refused(ask, "POST", "/v1/autopilots", manifest)
    assert "+++ b/auto pilots/default/deploy.yaml" in patch
    _taken(rig, folder, patch)
    assert ask("POST", "/v1/autopilots", json=manifest).status_code == 200


def test_a_creation_whose_file_is_there_stands_at_its_end(rig: Rig, folder: Path, ask: Ask) -> None:
    (folder / "default").mkdir()
    (folder / "default" / "deploy.yaml").write_bytes(b"# Ours\r\n" + AGENT.replace(b"\n", b"\r\n"))
    _apply(rig, folder)
    manifest = {
        "metadata": {"name": "deploy"},
        "spec": {"title": "Ship it", "assignee": {"type": "agent", "id": "shipper"}},
    }
    patch = _refused(ask, "POST", "/v1/autopilots", manifest)
    assert not [line for line in patch.splitlines() if line.startswith("-") and line[1] != "-"]
    _taken(rig, folder, patch)
    assert ask("POST", "/v1/autopilots", json=manifest).status_code == 200
    assert (folder / "default" / "deploy.yaml").read_bytes().startswith(b"# Ours\r\napiVersion")


def test_a_creation_whose_file_cannot_be_read_gives_no_patch(folder: Path, ask: Ask) -> None:
    (folder / "default").mkdir()
    (folder / "default" / "deploy.yaml").write_text("{broken")
    manifest = {
        "metadata": {"name": "deploy"},
        "spec": {"title": "Ship it", "assignee": {"type": "agent", "id": "bot"}},
    }
    answer = ask("POST", "/v1/autopilots", json=manifest)
    assert (answer.status_code, answer.json()["suggestedPatch"]) == (409, None)


def test_a_removal_leaves_the_others(rig: Rig, folder: Path, ask: Ask) -> None:
    path = f"/v1/autopilots/{id_of('other')}"
    _git(folder.parent, "apply", "-", text=_refused(ask, "DELETE", path))
    text = (folder / "all.yaml").read_text()
    assert "name: other" not in text
    assert text.startswith("# The team's work.")


def test_triggers_too(rig: Rig, folder: Path, ask: Ask) -> None:
    path = f"/v1/autopilots/{id_of('triage')}"
    trigger = {"name": "call", "kind": "api"}
    _taken(rig, folder, _refused(ask, "POST", f"{path}/triggers", trigger))
    assert ask("POST", f"{path}/triggers", json=trigger).status_code == 200
    clock = ask("GET", path).json()["status"]["triggers"][0]["id"]
    _taken(rig, folder, _refused(ask, "DELETE", f"{path}/triggers/{clock}"))
    names = [one["name"] for one in ask("GET", path).json()["spec"]["triggers"]]
    assert names == ["call"]


def test_a_file_that_was_edited_since_gives_no_patch(rig: Rig, folder: Path, ask: Ask) -> None:
    (folder / "all.yaml").write_text(TEXT.replace("Triage", "Edited"))
    path = f"/v1/autopilots/{id_of('triage')}"
    answer = ask(
        "DELETE", f"{path}/triggers/{ask('GET', path).json()['status']['triggers'][0]['id']}"
    )
    assert (answer.status_code, answer.json()["suggestedPatch"]) == (409, None)


@pytest.mark.parametrize(
    "path",
    [
        "../secret.yaml",
        "/etc/passwd",
        ".hidden.yaml",
        "a/../../b.yaml",
        "notes.txt",
        "",
        "a\0.yaml",
    ],
)
def test_no_other_file_is_ever_read(folder: Path, path: str) -> None:
    (folder.parent / "secret.yaml").write_text("secret")
    assert SourceFiles.below(folder).read(path) is None


@pytest.mark.parametrize("path", ['a"b.yaml', "a\nb.yaml", "a\tb.yaml"])
def test_names_that_git_would_quote_give_no_patch(path: str) -> None:
    assert unified_diff(path, None, b"x\n") is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(b"a\nb\n", b"a\nc\n", id="a line"),
        pytest.param(b"a\nb", b"a\nb\n", id="an end of line"),
        pytest.param(b"a\r\nb\r\n", b"a\r\nc\r\n", id="carriage returns"),
        pytest.param(b"a\x0cb\nc", b"a\x0cb\nd", id="what Python takes for ends of lines"),
        pytest.param("ü\u2028ö\n".encode(), "ü\u2028ä\n".encode(), id="separators of Unicode"),
        pytest.param(None, b"new\n", id="a new file"),
        pytest.param(None, b"new", id="a new file without an end"),
        pytest.param(b"old\n", None, id="no file"),
    ],
)
def test_git_takes_every_diff(tmp_path: Path, before: bytes | None, after: bytes | None) -> None:
    file = tmp_path / "a.yaml"
    if before is not None:
        file.write_bytes(before)
    patch = unified_diff("a.yaml", before, after)
    assert patch is not None
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, check=True, input=patch.encode())
    assert (file.read_bytes() if file.exists() else None) == after


def test_an_edit_of_a_description_in_a_file_of_its_own_is_a_patch_of_that_file(
    rig: Rig, folder: Path, ask: Ask
) -> None:
    (folder / "triage.md").write_text("Read them.\nLabel them.\n")
    named = TEXT.replace('title: "Triage"', 'descriptionFrom: {file: triage.md}\n  title: "Triage"')
    (folder / "all.yaml").write_text(named)
    _apply(rig, folder)
    wanted = ask("GET", f"/v1/autopilots/{id_of('triage')}").json()
    wanted["spec"]["description"] = "Read them.\nClose them.\n"
    patch = _refused(ask, "PUT", f"/v1/autopilots/{id_of('triage')}", wanted)
    _git(folder.parent, "apply", "-", text=patch)
    assert (folder / "triage.md").read_text() == "Read them.\nClose them.\n"
    assert (folder / "all.yaml").read_text() == named

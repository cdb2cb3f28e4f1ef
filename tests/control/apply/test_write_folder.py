"""Writes into a folder on both databases: one by one, none lost, and whole after a crash."""

import copy
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.control.apply.write_back import StaleWrite, WriteRequest
from reconciler.control.apply.write_folder import FolderWriter, put
from reconciler.core.access.roles import LOCAL, Caller, Role
from reconciler.core.base.errors import Conflict
from reconciler.core.base.identity import Key
from reconciler.core.manifest.state import Stored
from reconciler.manifest.edit.file_edit import FileEdit
from reconciler.store.objects.current import find
from tests.support.following import reconcile, write_checks
from tests.support.rig import Document, Rig, autopilot, declare, webhook
from tests.support.yaml_styles import AGENT

TEXT = """\
apiVersion: autopilots/v1
kind: Autopilot
metadata: {name: triage}
spec:
  title: "Triage"
  assignee: {type: agent, id: bot}
"""
KEY = Key("Autopilot", "default", "triage")


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


def row(rig: Rig, key: Key = KEY) -> Stored:
    """The object as it is in force."""
    stored = rig.database.read(lambda tx: find(tx, key))
    assert stored is not None
    return stored


def retitled(before: Stored, title: str, caller: Caller = LOCAL) -> WriteRequest:
    """A request for another title."""
    document: Document = copy.deepcopy(before.document)
    document["spec"]["title"] = title
    return WriteRequest(before=before, after=declare(document), caller=caller)


def test_what_is_written_is_in_force(rig: Rig, folder: Path, writer: FolderWriter) -> None:
    new = declare(autopilot("deploy", webhook()))
    writer.write(WriteRequest(before=None, after=new, caller=LOCAL))
    assert row(rig, new.key).digest == new.digest
    writer.write(retitled(row(rig), "Another"))
    assert row(rig).document["spec"]["title"] == "Another"
    writer.write(WriteRequest(before=row(rig, new.key), after=None, caller=LOCAL))
    assert rig.database.read(lambda tx: find(tx, new.key)) is None
    assert (folder / "all.yaml").read_text() == TEXT.replace("Triage", "Another")
    reconcile(rig, folder)
    assert row(rig).document["spec"]["title"] == "Another"


def test_who_sees_one_workspace_is_not_told_of_others(
    rig: Rig, folder: Path, writer: FolderWriter
) -> None:
    (folder / "hidden.yaml").write_text("kind: Secretive")
    limited = Caller("ada", Role.ADMIN, frozenset({"default"}))
    with pytest.raises(Conflict) as caught:
        writer.write(retitled(row(rig), "Another", limited))
    assert "hidden" not in str(caught.value)
    with pytest.raises(Conflict, match=r"hidden\.yaml"):
        writer.write(retitled(row(rig), "Another"))


def test_writers_at_once_go_one_by_one_and_none_is_lost(
    rig: Rig, folder: Path, writer: FolderWriter
) -> None:
    before = row(rig)
    start = threading.Barrier(4)

    def write(number: int) -> bool:
        start.wait()
        try:
            writer.write(retitled(before, f"Title {number}"))
        except StaleWrite:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(write, range(4)))
    assert outcomes.count(True) == 1
    assert f'title: "Title {outcomes.index(True)}"' in (folder / "all.yaml").read_text()


class PowerCut(BaseException):
    """Nothing after it is done."""


def test_a_crash_after_the_write_leaves_a_source_that_is_applied_at_the_start(
    rig: Rig, folder: Path, writer: FolderWriter
) -> None:
    def cut(_trigger_id: str, _generation: int) -> str:
        raise PowerCut

    before = row(rig)
    document = copy.deepcopy(before.document)
    document["spec"]["triggers"].append(webhook())
    request = WriteRequest(before=before, after=declare(document), caller=LOCAL)
    with pytest.raises(PowerCut):
        replace(writer, checks=replace(writer.checks, token_hash=cut)).write(request)
    assert row(rig) == before
    reconcile(rig, folder)
    assert row(rig).digest == declare(document).digest


@pytest.mark.parametrize(
    "made",
    [
        pytest.param({"prompts/new.md": b"Mine."}, id="the manifest was saved a moment ago"),
        pytest.param({"prompts/new.md": b"Mine.", "all.yaml": b"x"}, id="a file is there by now"),
    ],
)
def test_a_text_and_its_manifest_are_written_together_or_not_at_all(
    folder: Path, made: dict[str, bytes]
) -> None:
    with pytest.raises(Conflict):
        put(folder, FileEdit("agents.yaml", b"as it was read", b"edited", made))
    assert (folder / "all.yaml").read_text() == TEXT
    assert (folder / "agents.yaml").read_bytes() == AGENT
    assert not (folder / "prompts" / "new.md").exists()

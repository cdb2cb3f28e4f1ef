"""Commits by plumbing: git itself counts one line for each edit."""

import copy
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.control.apply.source_files import SourceFiles
from reconciler.core.base.identity import Key
from reconciler.core.manifest.state import Declared, Origin, Stored, digest_of
from reconciler.manifest.edit.file_edit import edit_file
from reconciler.manifest.files import Bundle
from reconciler.manifest.git.commit import Proposal, Signature, commit_files
from reconciler.manifest.git.repository import Repository
from reconciler.manifest.load.load import load_bundle
from tests.support.git import GitFolder
from tests.support.yaml_styles import AGENT, styled_file

ADA = Signature("Ada <Lovelace>", "ada@example.org")
SERVER = Signature("server", "server@example.org")
AT = datetime(2026, 11, 28, 12, tzinfo=UTC)


def proposal(parent: str, path: str, content: bytes | None, message: str = "A change") -> Proposal:
    return Proposal(
        parent=parent,
        contents={path: content},
        message=message,
        author=ADA,
        committer=SERVER,
        at=AT,
    )


def repository(folder: GitFolder) -> Repository:
    return Repository(folder.folder / ".git")


@pytest.mark.parametrize(
    "count", [60, pytest.param(200, marks=[pytest.mark.soak, pytest.mark.timeout(600)])]
)
def test_edits_are_commits_of_one_line_each(tmp_path: Path, count: int) -> None:
    folder = GitFolder.make(tmp_path / "work")
    folder.git("config", "core.autocrlf", "true")
    files = {f"a{seed}.yaml": styled_file(seed, f"a{seed}").data for seed in range(count)}
    head = folder.commit()
    for path, data in files.items():
        head = commit_files(repository(folder), proposal(head, path, data))
    loaded = load_bundle({"agents.yaml": AGENT, **files}, source_id="x").objects
    first = head
    for path in files:
        before = loaded[Key("Autopilot", "default", path.removesuffix(".yaml"))]
        document = copy.deepcopy(before.document)
        document["spec"]["queueLimit"] = 17
        after = Declared(before.key, before.id, document, digest_of(document), Origin("x", path))
        row = Stored(before.key, before.id, before.document, before.digest, "x", Origin("x", path))
        edit = edit_file(row, after, SourceFiles(Bundle(files)))
        head = commit_files(repository(folder), proposal(head, edit.path, edit.after, "An edit"))
    counts = folder.git("log", "--format=", "--numstat", "--reverse", f"{first}..{head}")
    assert counts.splitlines() == [f"1\t1\t{path}" for path in files]


def test_nothing_but_the_file_changes(tmp_path: Path) -> None:
    folder = GitFolder.make(tmp_path / "work")
    folder.write("run.sh", "#!/bin/sh\n")
    (folder.folder / "run.sh").chmod(0o755)
    head = folder.commit(a="one", b="two")
    data = "ü\r\n".encode()
    edited = commit_files(repository(folder), proposal(head, "deep/er/c d.yaml", data, "Größe\n"))
    assert folder.git("diff", "--name-status", "-z", head, edited) == "A\0deep/er/c d.yaml\0"
    assert folder.git("cat-file", "-s", f"{edited}:deep/er/c d.yaml") == str(len(data))
    removed = commit_files(repository(folder), proposal(edited, "deep/er/c d.yaml", None))
    assert folder.git("rev-parse", f"{removed}^{{tree}}") == folder.git(
        "rev-parse", f"{head}^{{tree}}"
    )
    executable = commit_files(repository(folder), proposal(head, "run.sh", b"#!/bin/bash\n"))
    assert folder.git("ls-tree", executable, "run.sh").startswith("100755 ")
    assert folder.git("rev-parse", "HEAD") == head
    assert folder.git("status", "--porcelain") == ""


def test_names_are_those_of_the_caller_and_the_server(tmp_path: Path) -> None:
    folder = GitFolder.make(tmp_path / "work")
    head = folder.commit()
    commit = commit_files(repository(folder), proposal(head, "a.yaml", b"x", "Größe\n\nMore.\n"))
    shown = folder.git("show", "--no-patch", "--format=%an|%ae|%cn|%ce|%aI|%s|%b", commit)
    assert shown.split("|") == [
        "Ada Lovelace",
        "ada@example.org",
        "server",
        "server@example.org",
        "2026-11-28T12:00:00+00:00",
        "Größe",
        "More.",
    ]

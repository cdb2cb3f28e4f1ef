"""A folder on a disk: what is read of it, in which order, and what is refused."""

import io
import os
import socket
from pathlib import Path

import pytest

from reconciler.core.base.codes import Code
from reconciler.core.base.errors import InvalidManifests, Problem, Refused
from reconciler.core.base.identity import Key
from reconciler.manifest.files import LARGEST_STREAM, Stream
from reconciler.manifest.load.load import load, load_path
from reconciler.manifest.text import LARGEST
from tests.support.builders import an_agent, text_of


def write(folder: Path, *paths: str) -> None:
    """Each file declares an agent that is named by its number."""
    for number, path in enumerate(paths):
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text_of(an_agent(f"agent-{number}")))


def read(folder: Path) -> list[str]:
    return [file.path for file in load_path(folder, source_id="x").files]


def problems(folder: Path) -> list[Problem]:
    with pytest.raises(InvalidManifests) as invalid:
        load_path(folder, source_id="x")
    return list(invalid.value.problems)


def refusals(path: Path) -> list[str]:
    with pytest.raises(Refused) as refused:
        load_path(path, source_id="x")
    return [objection.code for objection in refused.value.objections]


def test_every_folder_in_path_order(tmp_path: Path) -> None:
    write(tmp_path, "z.yaml", "b/a.yml", "b/c/d.json", "a.yaml", "b.yaml", "B.yaml")
    assert read(tmp_path) == ["B.yaml", "a.yaml", "b.yaml", "b/a.yml", "b/c/d.json", "z.yaml"]


@pytest.mark.parametrize(
    "path",
    [".hidden.yaml", "_template.yaml", ".git/a.yaml", "_parts/a.yaml", "a.txt", "yaml", "a.yaml~"],
)
def test_not_read(tmp_path: Path, path: str) -> None:
    write(tmp_path, "a.yaml", path)
    assert read(tmp_path) == ["a.yaml"]


def test_a_folder_that_is_named_like_a_file(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml/b.yaml")
    assert read(tmp_path) == ["a.yaml/b.yaml"]


def test_a_folder_reached_by_a_link(tmp_path: Path) -> None:
    write(tmp_path / "real", "a.yaml")
    (tmp_path / "link").symlink_to("real")
    assert read(tmp_path / "link") == ["a.yaml"]


def test_a_link_inside_the_folder_is_read(tmp_path: Path) -> None:
    write(tmp_path, "_parts/a.txt")
    (tmp_path / "a.yaml").symlink_to("_parts/a.txt")
    assert read(tmp_path) == ["a.yaml"]


def test_a_mounted_config_map_is_read(tmp_path: Path) -> None:
    write(tmp_path, "..2026_01_01/a.yaml")
    (tmp_path / "..data").symlink_to("..2026_01_01")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    assert read(tmp_path) == ["a.yaml"]


@pytest.mark.parametrize(
    ("link", "target"),
    [
        pytest.param("a.yaml", "/etc/passwd", id="out of the folder"),
        pytest.param("a.yaml", "../outside.yaml", id="to a neighbour"),
        pytest.param("a.yaml", "nowhere.yaml", id="nowhere"),
        pytest.param("a.yaml", "a.yaml", id="to itself"),
        pytest.param("folder", "b", id="to a folder"),
        pytest.param("loop", ".", id="to the folder itself"),
        pytest.param("a.yaml", "/dev/zero", id="to a device"),
    ],
)
def test_links_that_are_refused(tmp_path: Path, link: str, target: str) -> None:
    write(tmp_path, "outside.yaml", "source/b/ok.yaml")
    (tmp_path / "source" / link).symlink_to(target)
    (problem,) = problems(tmp_path / "source")
    assert (problem.path, problem.code) == (link, Code.FILE_LINK)


def test_a_link_without_a_manifests_name_that_leads_nowhere(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml")
    (tmp_path / "notes.txt").symlink_to("nowhere")
    assert read(tmp_path) == ["a.yaml"]


def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    assert [p.code for p in problems(tmp_path)] == [Code.FILE_SPECIAL]


def test_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("a.yaml")
        assert [p.code for p in problems(tmp_path)] == [Code.FILE_UNREADABLE]


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.yaml").open("wb") as sparse:
        sparse.truncate(50 * 1024**3)
    assert [p.code for p in problems(tmp_path)] == [Code.FILE_TOO_LARGE]


@pytest.mark.parametrize(("size", "fine"), [(LARGEST, True), (LARGEST + 1, False)])
def test_the_limit_of_a_file(tmp_path: Path, size: int, fine: bool) -> None:
    text = text_of(an_agent())
    (tmp_path / "a.yaml").write_text(text + "#" * (size - len(text)))
    if fine:
        assert read(tmp_path) == ["a.yaml"]
    else:
        assert [p.code for p in problems(tmp_path)] == [Code.FILE_TOO_LARGE]


def test_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff.yaml")).write_text(text_of(an_agent()))
    (problem,) = problems(tmp_path)
    assert (problem.path, problem.code) == ("\\xff.yaml", Code.FILE_NAME)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml")
    (tmp_path / "a.yaml").chmod(0)
    assert [p.code for p in problems(tmp_path)] == [Code.FILE_UNREADABLE]


def test_folders_inside_each_other(tmp_path: Path) -> None:
    write(tmp_path, "/".join(["d"] * 60) + "/a.yaml")
    assert [p.code for p in problems(tmp_path)] == [Code.FILE_UNREADABLE]


def test_missing_and_empty_paths(tmp_path: Path) -> None:
    assert refusals(tmp_path / "nowhere") == ["source-missing"]
    assert refusals(tmp_path) == ["empty-source"]


def test_a_single_file_must_be_allowed(tmp_path: Path) -> None:
    write(tmp_path, "agents.txt")
    assert refusals(tmp_path / "agents.txt") == ["single-file"]
    loaded = load_path(tmp_path / "agents.txt", source_id="x", allow_file=True)
    (agent,) = loaded.objects.values()
    assert agent.origin.path == "agents.txt"


def test_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "\n\n" + text_of(an_agent(), an_agent("other"))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    loaded = load_path("-", source_id="x")
    origin = loaded.objects[Key("Agent", "platform", "other")].origin
    assert (origin.path, origin.line) == ("<stdin>", 6)


def test_a_stream_without_end() -> None:
    with Path("/dev/zero").open("rb") as zeros, pytest.raises(InvalidManifests) as invalid:
        load(Stream.read(zeros), source_id="x")
    (problem,) = invalid.value.problems
    assert (problem.path, problem.code) == ("<stdin>", Code.FILE_TOO_LARGE)
    assert str(LARGEST_STREAM // 1024**2) in problem.message

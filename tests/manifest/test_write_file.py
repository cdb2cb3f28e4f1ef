"""Files of a folder are replaced whole, inside the folder only, and never over another's edit."""

from pathlib import Path

import pytest

from reconciler.core.base.errors import Conflict
from reconciler.manifest.write_file import write_file

TEXT = "kind: Agent\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A source with one file."""
    folder = tmp_path / "autopilots"
    folder.mkdir()
    (folder / "all.yaml").write_text(TEXT)
    return folder


def test_an_editor_that_saves_meanwhile_is_not_overwritten(folder: Path) -> None:
    with pytest.raises(Conflict):
        write_file(folder, "all.yaml", b"what was read", b"what is written")
    assert (folder / "all.yaml").read_text() == TEXT
    with pytest.raises(Conflict):
        write_file(folder, "all.yaml", None, b"a new file")
    assert sorted(entry.name for entry in folder.iterdir()) == ["all.yaml"]


def test_links_are_followed_inside_the_folder_only(folder: Path, tmp_path: Path) -> None:
    (folder / "link.yaml").symlink_to("all.yaml")
    write_file(folder, "link.yaml", TEXT.encode(), b"new")
    assert (folder / "link.yaml").is_symlink()
    assert (folder / "all.yaml").read_bytes() == b"new"
    (tmp_path / "outside.yaml").write_text("theirs")
    (folder / "out.yaml").symlink_to(tmp_path / "outside.yaml")
    for path in ("out.yaml", "../outside.yaml", str(tmp_path / "outside.yaml")):
        with pytest.raises(Conflict):
            write_file(folder, path, b"theirs", b"ours")
    assert (tmp_path / "outside.yaml").read_text() == "theirs"


def test_permissions_stay(folder: Path) -> None:
    (folder / "all.yaml").chmod(0o640)
    write_file(folder, "all.yaml", TEXT.encode(), b"new")
    assert (folder / "all.yaml").stat().st_mode & 0o777 == 0o640

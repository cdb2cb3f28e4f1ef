"""Several paths as one source."""

from pathlib import Path

import pytest

from reconciler.core.base.errors import Problem, Refused
from reconciler.manifest.load.several import Several

TEXT = b"kind: Agent\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Some files, below the working directory."""
    monkeypatch.chdir(tmp_path)
    for path in ("a/one.yaml", "a/deep/two.yaml", "b/one.yaml", "c.yaml"):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(TEXT + path.encode())
    return tmp_path


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        pytest.param(["a"], ["a/deep/two.yaml", "a/one.yaml"], id="a folder"),
        pytest.param(["./a/", "b"], ["a/deep/two.yaml", "a/one.yaml", "b/one.yaml"], id="two"),
        pytest.param(["c.yaml", "b/one.yaml"], ["b/one.yaml", "c.yaml"], id="two files"),
        pytest.param(["a", "a/deep", "a/one.yaml"], ["a/deep/two.yaml", "a/one.yaml"], id="inside"),
        pytest.param(["."], ["a/deep/two.yaml", "a/one.yaml", "b/one.yaml", "c.yaml"], id="here"),
    ],
)
def test_files_are_named_from_here_in_order_and_once(
    root: Path, paths: list[str], expected: list[str]
) -> None:
    several = Several.at(paths)
    assert [file.path for file in several.files()] == expected
    assert [several.again(path) for path in expected] == [
        (root / path).read_bytes() for path in expected
    ]


def test_what_cannot_be_read_is_named_from_here_too(root: Path) -> None:
    (root / "a" / "broken.yaml").symlink_to("/nowhere")
    contents = [file.content for file in Several.at(["a"]).files()]
    assert [one.path for one in contents if isinstance(one, Problem)] == ["a/broken.yaml"]


def test_an_absolute_path_stays_one(root: Path) -> None:
    assert [file.path for file in Several.at([str(root / "b")]).files()] == [f"{root}/b/one.yaml"]


def test_a_path_that_is_missing_is_refused(root: Path) -> None:
    with pytest.raises(Refused, match="nothing at d"):
        Several.at(["a", "d"])

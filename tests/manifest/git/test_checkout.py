"""A folder that is as committed is known by its commit (decision 0048)."""

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.core.base.identity import Revision
from reconciler.manifest.folder import Folder
from reconciler.manifest.git.checkout import Checkout, order_around
from tests.support.git import GitFolder


@pytest.fixture
def repository(tmp_path: Path) -> GitFolder:
    """A commit of two manifests in a folder, and other files."""
    made = GitFolder.make(tmp_path / "repo")
    made.write("manifests/a.yaml", "kind: Agent\n")
    made.write("manifests/deep/b.json", "{}\n")
    made.write("manifests/_drafts/c.yaml", "draft\n")
    made.write("manifests/readme.md", "text\n")
    made.commit("First")
    return made


def revision_of(folder: Path) -> Revision | None:
    """What the checkout says once its files are read."""
    checkout = Checkout.around(Folder(folder))
    assert checkout is not None
    assert list(checkout.files()) == list(Folder(folder).files())
    return checkout.revision()


def test_as_committed_it_is_the_commit(repository: GitFolder) -> None:
    actual = revision_of(repository.folder / "manifests")
    assert actual is not None
    assert (actual.id, actual.subject) == (repository.git("rev-parse", "HEAD"), "First")
    assert revision_of(repository.folder) == actual


@pytest.mark.parametrize(
    ("edit", "same"),
    [
        pytest.param(lambda f: (f / "a.yaml").write_text("kind: Squad\n"), False, id="edited"),
        pytest.param(lambda f: (f / "a.yaml").unlink(), False, id="removed"),
        pytest.param(lambda f: (f / "new.yaml").write_text(""), False, id="untracked"),
        pytest.param(lambda f: (f / "l.yaml").symlink_to("a.yaml"), False, id="a new link"),
        pytest.param(lambda f: (f / "a.yaml").touch(), True, id="touched"),
        pytest.param(lambda f: (f / "readme.md").write_text("other"), True, id="no manifest"),
        pytest.param(lambda f: (f / "_drafts/c.yaml").unlink(), True, id="hidden"),
    ],
)
def test_only_what_is_read_counts(
    repository: GitFolder, edit: Callable[[Path], object], same: bool
) -> None:
    folder = repository.folder / "manifests"
    edit(folder)
    assert (revision_of(folder) is not None) is same


def test_a_link_that_is_committed_is_never_taken_for_the_same(repository: GitFolder) -> None:
    (repository.folder / "manifests" / "link.yaml").symlink_to("a.yaml")
    repository.commit("A link")
    assert revision_of(repository.folder / "manifests") is None


def test_a_repository_of_sha256(tmp_path: Path) -> None:
    made = GitFolder.make(tmp_path / "repo")
    made.git("init", "--quiet", "--object-format=sha256", "../newer")
    newer = GitFolder(tmp_path / "newer")
    newer.write("a.yaml", "kind: Agent\n")
    commit = newer.commit("First")
    actual = revision_of(newer.folder)
    assert actual is not None
    assert (len(commit), actual.id) == (64, commit)


def test_without_a_repository_or_a_commit_there_is_none(tmp_path: Path) -> None:
    assert Checkout.around(Folder(tmp_path)) is None
    GitFolder.make(tmp_path)
    assert Checkout.around(Folder(tmp_path)) is None
    (tmp_path / ".git" / "HEAD").unlink()
    assert Checkout.around(Folder(tmp_path)) is None


def test_a_folder_that_is_in_no_commit_is_its_own_revision(repository: GitFolder) -> None:
    repository.write("elsewhere/a.yaml", "kind: Agent\n")
    assert revision_of(repository.folder / "elsewhere") is None


def test_the_order_of_commits(repository: GitFolder) -> None:
    first = Revision(repository.git("rev-parse", "HEAD"))
    second = Revision(repository.commit("Second"))
    folder = repository.folder / "manifests"
    checkout = Checkout.around(Folder(folder))
    assert checkout is not None
    assert checkout.descends(first) is None  # nothing was read yet
    list(checkout.files())
    checkout.revision()
    assert checkout.descends(first) is True
    assert checkout.descends(Revision("0" * 40)) is False
    assert checkout.descends(Revision("a folder's digest")) is None
    order = order_around(folder, first.id)
    assert order is not None
    assert (order(second), order(first)) == (False, True)
    assert order_around(repository.folder.parent, first.id) is None

"""Commits, their order and their trees, in real repositories."""

import os
import stat
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.core.base.codes import Code
from reconciler.core.base.errors import InvalidManifests, NotFound, Refused, UsageError
from reconciler.core.base.identity import Key
from reconciler.core.base.masking import mask
from reconciler.core.manifest.state import Desired
from reconciler.manifest.git import program
from reconciler.manifest.git.discovery import repository_around
from reconciler.manifest.git.program import GitFailed, git, objects
from reconciler.manifest.git.repository import Repository
from reconciler.manifest.load.load import load, load_path
from tests.support.builders import an_agent, text_of
from tests.support.clock import FakeClock
from tests.support.eventually import eventually
from tests.support.git import GitFolder

AGENT = text_of(an_agent())


@pytest.fixture
def origin(tmp_path: Path) -> GitFolder:
    return GitFolder.make(tmp_path / "origin")


def loaded(repository: Repository, commit: str, path: str = "") -> Desired:
    return load(repository.tree(commit, path), source_id="x", revision=repository.revision(commit))


def problems(repository: Repository, commit: str, path: str = "") -> list[tuple[str, str]]:
    with pytest.raises(InvalidManifests) as invalid:
        loaded(repository, commit, path)
    return [(problem.path, problem.code) for problem in invalid.value.problems]


def test_a_commit_says_who_when_and_why(origin: GitFolder) -> None:
    commit = origin.commit("Add the agent\n\nAt last.", agent=AGENT)
    revision = Repository(origin.folder / ".git").revision(commit)
    assert revision.id == commit
    assert revision.author == "Ada Lovelace <ada@example.org>"
    assert revision.subject == "Add the agent"
    assert revision.committed_at == datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC)


def test_a_tree_is_read_without_the_checkout(origin: GitFolder) -> None:
    commit = origin.commit(agent=AGENT)
    origin.write("agent.yaml", "half writ")
    desired = loaded(Repository(origin.folder / ".git"), commit)
    (agent,) = desired.objects.values()
    assert agent.key == Key("Agent", "platform", "triage-bot")
    assert (agent.origin.path, agent.origin.revision) == ("agent.yaml", commit)
    assert desired.revision.subject == "A change"


def test_a_tree_and_a_folder_give_the_same(origin: GitFolder) -> None:
    origin.write("b/c/a.yml", text_of(an_agent("a")))
    origin.write("b.yaml", text_of(an_agent("b")))
    origin.write("ä b.json", text_of(an_agent("c")).removeprefix("---\n"))
    for passed_over in (".x.yaml", "_y/z.yaml", ".github/w.yaml", "readme.md", "b/_t/u.yaml"):
        origin.write(passed_over, "no: [")
    origin.write("_parts/d.txt", text_of(an_agent("d")))
    (origin.folder / "d.yaml").symlink_to("_parts/d.txt")
    commit = origin.commit()
    from_tree = loaded(Repository(origin.folder / ".git"), commit)
    from_folder = load_path(origin.folder, source_id="x", revision=from_tree.revision)
    assert from_tree == from_folder
    assert len(from_tree.objects) == 4


def test_a_folder_of_the_tree_is_the_source(origin: GitFolder) -> None:
    origin.write("autopilots/team/a.yaml", AGENT)
    commit = origin.commit(other="no: [")
    desired = loaded(Repository(origin.folder / ".git"), commit, "./autopilots/")
    assert [file.path for file in desired.files] == ["team/a.yaml"]


@pytest.mark.parametrize("path", ["nowhere", "a.yaml"])
def test_a_path_that_is_no_folder(origin: GitFolder, path: str) -> None:
    commit = origin.commit(a=AGENT)
    with pytest.raises(Refused, match="has no folder"):
        Repository(origin.folder / ".git").tree(commit, path)


@pytest.mark.parametrize("path", ["..", "a/../../b", "/etc", "a\0b"])
def test_a_path_that_leaves_the_repository(origin: GitFolder, path: str) -> None:
    with pytest.raises(UsageError):
        Repository(origin.folder / ".git").tree(origin.commit(), path)


@pytest.mark.parametrize(
    ("link", "target"),
    [
        pytest.param("a.yaml", "/etc/passwd", id="out of the tree"),
        pytest.param("a.yaml", "../secret.yaml", id="to a neighbour in the repository"),
        pytest.param("a.yaml", "nowhere.yaml", id="nowhere"),
        pytest.param("a.yaml", "a.yaml", id="to itself"),
        pytest.param("folder", "b", id="to a folder"),
        pytest.param("loop", ".", id="to the tree itself"),
    ],
)
def test_links_that_are_refused(origin: GitFolder, link: str, target: str) -> None:
    origin.write("secret.yaml", AGENT)
    origin.write("source/b/ok.yaml", AGENT)
    (origin.folder / "source" / link).symlink_to(target)
    commit = origin.commit()
    assert problems(Repository(origin.folder / ".git"), commit, "source") == [
        (link, Code.FILE_LINK)
    ]


def test_submodules_large_files_and_odd_names_are_problems(origin: GitFolder) -> None:
    origin.write("large.yaml", b"#" * (1024**2 + 1))
    (origin.folder / os.fsdecode(b"\xff.yaml")).write_text(AGENT)
    first = origin.commit()
    origin.git("update-index", "--add", "--cacheinfo", f"160000,{first},sub")
    origin.git("commit", "--quiet", "-m", "sub")
    commit = origin.git("rev-parse", "HEAD")
    assert problems(Repository(origin.folder / ".git"), commit) == [
        ("\\xff.yaml", Code.FILE_NAME),
        ("large.yaml", Code.FILE_TOO_LARGE),
        ("sub", Code.FILE_LINK),
    ]


def test_an_empty_tree_is_refused(origin: GitFolder) -> None:
    commit = origin.commit()
    with pytest.raises(Refused, match="no manifests"):
        loaded(Repository(origin.folder / ".git"), commit)


def test_the_order_of_commits(origin: GitFolder) -> None:
    first = origin.commit(a=AGENT)
    second = origin.commit(a=AGENT + "\n")
    origin.git("checkout", "--quiet", "-b", "side", first)
    side = origin.commit("Another")
    repository = Repository(origin.folder / ".git")
    assert repository.descends(second, first) is True
    assert repository.descends(second, second) is True
    assert repository.descends(first, second) is False
    assert repository.descends(side, second) is False
    assert repository.descends(side, "0" * 40) is False
    assert repository.descends(side, "a digest of a folder") is None
    assert repository.descends(side, "0" * 64) is None


def test_names_of_commits(origin: GitFolder) -> None:
    first = origin.commit()
    second = origin.commit()
    origin.git("tag", "--annotate", "v1", "-m", "v1", first)
    repository = Repository(origin.folder / ".git")
    assert [repository.resolve(ref) for ref in ("main", "HEAD~1", "v1", first[:10])] == [
        second,
        first,
        first,
        first,
    ]
    with pytest.raises(NotFound):
        repository.resolve("nowhere")


@pytest.mark.parametrize("ref", ["--output=x", "-x", "", "a\nb", "+main", "a b"])
def test_what_is_no_ref(origin: GitFolder, tmp_path: Path, ref: str) -> None:
    origin.commit()
    clone = Repository.clone(str(origin.folder), tmp_path / "clone")
    with pytest.raises((UsageError, NotFound)):
        clone.resolve(ref)
    with pytest.raises(UsageError):
        clone.fetch(str(origin.folder), ref)


@pytest.mark.parametrize("url", ["--upload-pack=touch x", "ext::sh -c touch% x", "", "a\nb"])
def test_what_is_no_url(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError):
        Repository.clone(url, tmp_path / "clone").fetch(url, "main")


def test_a_clone_follows_a_branch(origin: GitFolder, tmp_path: Path) -> None:
    first = origin.commit(a=AGENT)
    clone = Repository.clone(str(origin.folder), tmp_path / "clone")
    assert clone.fetch(str(origin.folder), "main") == first
    second = origin.commit(b=text_of(an_agent("b")))
    again = Repository.clone(str(origin.folder), tmp_path / "clone")
    assert again.fetch(str(origin.folder), "main") == second
    assert again.descends(second, first) is True
    assert len(loaded(again, second).objects) == 2
    assert not (tmp_path / "clone" / "a.yaml").exists()


def test_a_clone_follows_a_force_push(origin: GitFolder, tmp_path: Path) -> None:
    first = origin.commit(a=AGENT)
    clone = Repository.clone(str(origin.folder), tmp_path / "clone")
    clone.fetch(str(origin.folder), "main")
    origin.git("commit", "--quiet", "--amend", "-m", "Rewritten")
    rewritten = clone.fetch(str(origin.folder), "main")
    assert rewritten != first
    assert clone.descends(rewritten, first) is False


def test_a_remote_that_is_not_there(tmp_path: Path) -> None:
    clone = Repository.clone("x", tmp_path / "clone")
    with pytest.raises(GitFailed, match="nowhere"):
        clone.fetch(str(tmp_path / "nowhere"), "main")


def test_where_a_path_lies(origin: GitFolder, tmp_path: Path) -> None:
    origin.write("autopilots/a.yaml", AGENT)
    origin.commit()
    folder = origin.folder.resolve()
    assert repository_around(folder) == (Repository(folder / ".git"), "")
    assert repository_around(folder / "autopilots") == (Repository(folder / ".git"), "autopilots")
    assert repository_around(folder / "autopilots/a.yaml") == (
        Repository(folder / ".git"),
        "autopilots/a.yaml",
    )
    with pytest.raises(UsageError, match="no git repository"):
        repository_around(tmp_path)


def test_in_a_shallow_clone_nobody_knows_what_descends(origin: GitFolder, tmp_path: Path) -> None:
    first, second = origin.commit("First"), origin.commit("Second")
    origin.git("clone", "--quiet", "--depth=1", f"file://{origin.folder}", str(tmp_path / "clone"))
    shallow = Repository(tmp_path / "clone/.git")
    assert shallow.descends(second, second) is True
    assert shallow.descends(second, first) == "shallow"
    assert shallow.descends(second, "0" * 40) == "shallow"
    assert Repository(origin.folder / ".git").descends(second, "0" * 40) is False


def test_a_repository_cannot_make_us_run_its_programs(origin: GitFolder, tmp_path: Path) -> None:
    commit = origin.commit(a=AGENT)
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(trap.stat().st_mode | stat.S_IXUSR)
    for key in (
        "core.fsmonitor",
        "core.pager",
        "core.sshCommand",
        "gpg.program",
        "diff.external",
        "filter.x.smudge",
        "core.editor",
    ):
        origin.git("config", key, str(trap))
    origin.git("config", "log.showSignature", "true")
    hook = origin.folder / ".git/hooks/reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(trap.read_text())
    hook.chmod(0o755)
    repository = Repository(origin.folder / ".git")
    loaded(repository, repository.resolve("main"))
    repository.fetch(str(origin.folder), "main")
    assert repository.descends(commit, commit)
    assert not (tmp_path / "sprung").exists()


def test_another_repositorys_variables_are_ignored(
    origin: GitFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = origin.commit()
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    assert Repository(origin.folder / ".git").resolve("main") == commit


def test_git_is_stopped_when_it_takes_too_long(origin: GitFolder, tmp_path: Path) -> None:
    origin.git("config", "alias.wait", "!sleep 600")
    with pytest.raises(GitFailed, match="took longer"):
        git(origin.folder / ".git", "wait", seconds=0.2)


WATCH = "git-objects"
"""The thread that stops a git which is not read."""


class WatchedClock(FakeClock):
    """A clock that counts who reads it from the thread that watches git."""

    def __init__(self) -> None:
        super().__init__()
        self.watched = 0

    def monotonic(self) -> float:
        """Seconds that only `advance` moves."""
        self.watched += threading.current_thread().name == WATCH
        return super().monotonic()

    def await_watch(self) -> None:
        """Wait until the time of now was seen: read after this was called, and acted on."""
        before = self.watched
        eventually(lambda: self.watched >= before + 4)


def test_git_is_stopped_only_after_a_time_without_reading(
    origin: GitFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large source is parsed between the reads, and takes its time as a whole."""
    commit, clock = origin.commit(), WatchedClock()
    monkeypatch.setattr(program, "time", clock)
    with objects(origin.folder / ".git", seconds=0.05) as reader:
        for _ in range(3):
            clock.advance(seconds=0.04)
            clock.await_watch()
            assert reader.read(commit)[0] == "commit"
        clock.advance(seconds=0.06)
        eventually(lambda: not any(thread.name == WATCH for thread in threading.enumerate()))
        with pytest.raises(GitFailed):
            reader.read(commit)


def test_a_git_that_hangs_while_an_object_is_read_is_stopped(
    origin: GitFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, hanging = origin.commit(), tmp_path / "bin/git"
    hanging.parent.mkdir()
    hanging.write_text("#!/bin/sh\nexec sleep 600\n")
    hanging.chmod(0o755)
    monkeypatch.setenv("PATH", f"{hanging.parent}:{os.environ['PATH']}")
    with objects(origin.folder / ".git", seconds=0.1) as reader, pytest.raises(GitFailed):
        reader.read(commit)


def test_an_object_that_is_not_there(origin: GitFolder) -> None:
    commit = origin.commit()
    with objects(origin.folder / ".git") as reader:
        with pytest.raises(GitFailed, match="no object"):
            reader.read("0" * 40)
        assert reader.read(commit)[0] == "commit"


def test_git_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitFailed, match="not installed"):
        git(tmp_path, "version")
    with pytest.raises(GitFailed, match="no folder"):
        git(tmp_path / "nowhere", "version")


def test_credentials_are_masked() -> None:
    assert mask("fatal: https://ada:secret@example.org/x") == "fatal: https://***@example.org/x"
    with pytest.raises(UsageError) as refused:
        Repository.clone("-https://ada:secret@example.org", Path("x"))
    assert "secret" not in str(refused.value)

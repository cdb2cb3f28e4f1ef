"""A pull request fills the manifests' folder: it is read, and nothing in it is believed or run."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.cli import BOT, Cli, autopilot
from tests.support.git import GitFolder

TRAPS = (
    "core.fsmonitor", "core.pager", "core.editor", "core.sshCommand", "core.askPass",
    "core.alternateRefsCommand", "credential.helper", "gpg.program", "diff.external",
    "diff.trap.textconv", "diff.trap.command", "filter.trap.clean", "filter.trap.smudge",
    "filter.trap.process", "uploadpack.packObjectsHook", "remote.origin.uploadpack",
)  # fmt: skip
"""Settings that name a program which git may start."""


@pytest.fixture
def repository(cli: Cli) -> GitFolder:
    """A repository whose first commit is applied and whose second one edits a title."""
    made = GitFolder.make(cli.folder)
    made.write(".gitignore", ".reconciler/\n")
    cli.write(agent=BOT, one=autopilot("one"))
    made.commit("First")
    assert cli("apply", "autopilots", "--yes").code == 0
    cli.write(one=autopilot("one", title="Edited"))
    return made


def set_traps(made: GitFolder, trap: Path) -> None:
    """Let git start `trap` wherever a setting, an attribute or a hook of this repository can."""
    for key in TRAPS:
        made.git("config", key, str(trap))
    made.git("config", "remote.origin.url", f"ext::{trap}")
    git_dir = Path(made.git("rev-parse", "--absolute-git-dir"))
    (git_dir / "hooks").mkdir(exist_ok=True)
    for hook in ("reference-transaction", "post-index-change", "fsmonitor-watchman"):
        shutil.copy(trap, git_dir / "hooks" / hook)
    (git_dir / "info").mkdir(exist_ok=True)
    (git_dir / "info/attributes").write_text("* filter=trap diff=trap\n")


@pytest.fixture
def trap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that leaves a file `sprung` beside itself."""
    folder = tmp_path_factory.mktemp("trap")
    program = folder / "trap"
    program.write_text(f"#!/bin/sh\necho run >> {folder}/sprung\ncat\n")
    program.chmod(0o755)
    return program


def a_bare_one(cli: Cli, trap: Path) -> None:
    """`HEAD`, `config`, `objects/` and `refs/`, committed below the folder: git takes it for a
    repository whose work tree is the folder."""
    folder = cli.folder / "autopilots"
    inner = a_repository_of_its_own(cli, trap)
    git_dir = folder / ".git"
    for name in ("HEAD", "config", "objects", "refs", "hooks", "info"):
        (git_dir / name).rename(folder / name)
    shutil.rmtree(git_dir)
    config = folder / "config"
    config.write_text(config.read_text() + "[core]\n\tbare = false\n\tworktree = .\n")
    (folder / "refs/heads/keep").write_text(inner + "\n")
    (folder / "objects/keep").write_text("")


def a_git_folder(cli: Cli, trap: Path) -> None:
    """A whole `.git`, as an unpacked archive may bring it."""
    a_repository_of_its_own(cli, trap)


def a_git_file(cli: Cli, trap: Path) -> None:
    """A `.git` file that leads to a repository elsewhere."""
    a_repository_of_its_own(cli, trap)
    folder = cli.folder / "autopilots"
    (folder / ".git").rename(folder / "_elsewhere")
    (folder / ".git").write_text("gitdir: _elsewhere\n")


def a_repository_of_its_own(cli: Cli, trap: Path) -> str:
    """The folder's content as the `main` of a repository inside it; give its commit."""
    inner = GitFolder.make(cli.folder / "autopilots")
    inner.write(".gitattributes", "* filter=trap diff=trap\n")
    commit = inner.commit("Nothing to see")
    set_traps(inner, trap)
    return commit


@pytest.fixture(params=[a_bare_one, a_git_folder, a_git_file])
def pull_request(
    request: pytest.FixtureRequest, cli: Cli, repository: GitFolder, trap: Path
) -> GitFolder:
    """The repository with its second commit, whose folder looks like a repository."""
    plant: Callable[[Cli, Path], None] = request.param
    plant(cli, trap)
    made = repository
    made.git("checkout", "--quiet", "-b", "change")
    # What git refuses to take into a commit came by other ways; the folder's files are committed.
    names = [p.name for p in (cli.folder / "autopilots").iterdir() if p.name != ".git"]
    aside = cli.folder.parent / "aside"
    if (cli.folder / "autopilots/.git").exists():
        (cli.folder / "autopilots/.git").rename(aside)
    made.git("add", "--force", *(f"autopilots/{name}" for name in names))
    made.git("commit", "--quiet", "-m", "Second")
    if aside.exists():
        aside.rename(cli.folder / "autopilots/.git")
    set_traps(made, trap)
    return made


def test_git_itself_would_believe_it_and_run_its_programs(
    cli: Cli, pull_request: GitFolder, trap: Path
) -> None:
    """The trap is real: this is what a command that lets git discover the repository does."""
    command = ["git", "-c", "safe.bareRepository=all", "status"]
    subprocess.run(command, cwd=cli.folder / "autopilots", check=False, capture_output=True)
    assert (trap.parent / "sprung").exists()


def test_diff_shows_the_change(cli: Cli, pull_request: GitFolder, trap: Path) -> None:
    for folder in ("autopilots", str(cli.folder / "autopilots")):
        answer = cli("diff", "--base", "main", folder)
        assert answer.code == 0
        assert '"A title" -> "Edited"' in answer.out
    assert not (trap.parent / "sprung").exists()


def test_diff_within_the_folder_shows_the_change(
    cli: Cli, pull_request: GitFolder, trap: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(cli.folder / "autopilots")
    assert '"A title" -> "Edited"' in cli("diff", "--base", "main").out
    assert not (trap.parent / "sprung").exists()


def test_plan_and_apply_take_the_commit_around_it(
    cli: Cli, pull_request: GitFolder, trap: Path
) -> None:
    commit = pull_request.git("rev-parse", "change")
    assert cli("plan", "autopilots", "-o", "json").json["revision"] == commit
    assert cli("plan", "autopilots", "--out", "saved.plan").code == 0
    assert cli("apply", "saved.plan", "--yes").code == 0
    newest, *_ = json.loads(cli("history", "-o", "json").out)
    assert (newest["revision"], newest["subject"]) == (commit, "Second")
    assert not (trap.parent / "sprung").exists()


def test_a_folder_that_became_a_submodule_is_no_folder_without_changes(
    cli: Cli, repository: GitFolder
) -> None:
    """The submodule's own `main` may well be what is checked out."""
    elsewhere = GitFolder.make(cli.folder.parent / "elsewhere")
    elsewhere.commit("Another source", agent=BOT)
    repository.git("checkout", "--quiet", "-b", "change")
    repository.git("rm", "-rfq", "autopilots")
    add = ("submodule", "--quiet", "add", str(elsewhere.folder), "autopilots")
    repository.git("-c", "protocol.file.allow=always", *add)
    repository.git("commit", "--quiet", "-m", "Second")
    summary = cli("diff", "--base", "main", "autopilots", "-o", "json").json["summary"]
    assert summary["archive"] == 2
    assert cli("apply", "autopilots", "--yes", "--confirm-deletes", "1").code == 4


def test_a_missing_object_is_fetched_from_nobody(
    cli: Cli, repository: GitFolder, trap: Path
) -> None:
    """A partial clone would ask its remote, by a program that its configuration names."""
    repository.commit("Second")
    set_traps(repository, trap)
    for key, value in (
        ("core.repositoryFormatVersion", "1"),
        ("extensions.partialClone", "origin"),
        ("remote.origin.promisor", "true"),
        ("remote.origin.url", str(cli.folder)),
        ("protocol.ext.allow", "always"),
        ("protocol.allow", "always"),
    ):
        repository.git("config", key, value)
    blob = repository.git("rev-parse", "HEAD:autopilots/one.yaml")
    (cli.folder / ".git/objects" / blob[:2] / blob[2:]).unlink()
    answer = cli("diff", "--base", "HEAD~1", "autopilots")
    assert (answer.code, "git" in answer.err) == (1, True)
    cli("plan", "autopilots")
    assert not (trap.parent / "sprung").exists()


def test_a_checkout_of_its_own_in_an_ignored_folder_is_its_own(
    cli: Cli, repository: GitFolder
) -> None:
    """What the outer repository does not hold may well be another one."""
    repository.write(".gitignore", ".reconciler/\nother/\n")
    repository.commit("Second")
    inner = GitFolder.make(cli.folder / "other")
    commit = inner.commit("Inner", agent=BOT.replace("bot", "another"))
    planned = cli("plan", "other", "--source", "other", "-o", "json").json
    assert planned["revision"] == commit

"""Commits made without a checkout, by plumbing: no hook, filter or attribute has a say.

Nothing in the repository but new objects is written, so that no lock of it is taken.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from reconciler.core.base.errors import Conflict
from reconciler.manifest.git.program import GitFailed, git
from reconciler.manifest.git.repository import Repository
from reconciler.manifest.git.tree import PLAIN

_FILE = "100644"
_REJECTED = 1
"""git's status where the remote answers and does not take what is pushed."""


class PushRejected(Conflict):
    """The remote does not take the commit: it has another one by now, or a rule against it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="push-rejected")


@dataclass(frozen=True, slots=True)
class Signature:
    """Who, as a commit says it."""

    name: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A commit to be: files of `parent` with other contents, None for none."""

    parent: str
    contents: Mapping[str, bytes | None]
    message: str
    author: Signature
    committer: Signature
    at: datetime


def commit_files(repository: Repository, proposal: Proposal) -> str:
    """Make a commit, which no ref names, and give its id. Raises Conflict and GitFailed."""
    with tempfile.TemporaryDirectory(prefix="reconciler-commit-") as folder:
        draft = Path(folder)
        index = {"GIT_INDEX_FILE": str(draft / "index")}

        def run(*arguments: str, variables: Mapping[str, str] = index) -> str:
            return git(repository.git_dir, *arguments, variables=variables).decode().strip()

        run("read-tree", proposal.parent)
        for path, content in proposal.contents.items():
            if content is None:
                run("update-index", "--force-remove", "--", path)
                continue
            (draft / "content").write_bytes(content)
            oid = run("hash-object", "-w", "--no-filters", "--", str(draft / "content"))
            mode = _mode(run("ls-files", "--stage", "-z", "--", f":(literal){path}"))
            run("update-index", "--add", "--cacheinfo", f"{mode},{oid},{path}")
        tree = run("write-tree")
        (draft / "message").write_text(proposal.message, "utf-8")
        arguments = ("commit-tree", tree, "-p", proposal.parent, "-F", str(draft / "message"))
        return run(*arguments, variables=_signed(proposal))


def push(repository: Repository, url: str, commit: str, branch: str) -> None:
    """Put a commit on a branch of the remote; never by force.

    Raises PushRejected where the branch is elsewhere by now, or the remote has a rule against it.
    """
    target = str(Path(url).absolute()) if Path(url).is_dir() else url
    options = ("--no-follow-tags", "--no-signed", "--recurse-submodules=no", "--no-verify")
    refspec = f"{commit}:refs/heads/{branch}"
    try:
        git(repository.git_dir, "push", "--quiet", *options, "--", target, refspec, remote=True)
    except GitFailed as error:
        if error.status != _REJECTED:
            raise
        raise PushRejected(f"the remote does not take the commit: {error}") from None


def _mode(staged: str) -> str:
    """The mode of a file as the index has it, or that of a new one."""
    mode = staged.partition(" ")[0] or _FILE
    if mode not in PLAIN:
        raise Conflict("the file is a link; change what it leads to", reason="cannot-edit")
    return mode


def _signed(proposal: Proposal) -> dict[str, str]:
    at = f"{int(proposal.at.timestamp())} +0000"
    return {
        "GIT_AUTHOR_NAME": proposal.author.name,
        "GIT_AUTHOR_EMAIL": proposal.author.email,
        "GIT_AUTHOR_DATE": at,
        "GIT_COMMITTER_NAME": proposal.committer.name,
        "GIT_COMMITTER_EMAIL": proposal.committer.email,
        "GIT_COMMITTER_DATE": at,
    }

"""A git repository as a place of revisions: commits, their order, their trees."""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Literal

from reconciler.core.base.errors import NotFound, Objection, Refused, UsageError
from reconciler.core.base.identity import Revision
from reconciler.core.base.masking import mask
from reconciler.manifest.git.program import (
    REMOTE_SECONDS,
    GitFailed,
    git,
    git_at,
    objects,
)
from reconciler.manifest.git.tree import Tree
from reconciler.manifest.load.checkpoint import Checkpoint, proceed

_FOLLOWED = "refs/reconciler/followed"
"""Below it a clone keeps the commits that are followed, one for each ref."""
_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_AUTHOR = re.compile(r"(.*?) ?<(.*?)> (-?[0-9]+) ([-+][0-9]{4})")
_HELPER = re.compile(r"[A-Za-z0-9+.-]*::")
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository on this machine; of a checkout its `.git`, the files themselves are not read."""

    git_dir: Path

    @classmethod
    def clone(cls, url: str, folder: Path) -> "Repository":
        """An empty bare repository for what is fetched from `url`; one that is there is kept."""
        _require_plain("the URL", url)
        if not (folder / "HEAD").exists():
            folder.mkdir(parents=True, exist_ok=True)
            git_at(folder, "init", "--bare", "--quiet", ".")
        return cls(folder)

    def fetch(
        self,
        url: str,
        ref: str,
        *,
        seconds: float = REMOTE_SECONDS,
        checkpoint: Checkpoint = proceed,
    ) -> str:
        """Bring the commits of a branch or tag here and give its commit, history included.

        Raises UsageError for what cannot be a URL or ref, and GitFailed. What `checkpoint` raises
        ends git.
        """
        _require_plain("the URL", url)
        self._require_ref(ref)
        if Path(url).is_dir():
            url = str(Path(url).absolute())
        followed = f"{_FOLLOWED}/{hashlib.sha256(ref.encode()).hexdigest()[:16]}"
        options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")
        arguments = ("fetch", *options, "--", url, f"+{ref}:{followed}")
        git(self.git_dir, *arguments, remote=True, seconds=seconds, checkpoint=checkpoint)
        return self.resolve(followed)

    def resolve(self, ref: str) -> str:
        """The commit that a branch, tag or other expression names. Raises NotFound."""
        _require_plain("the revision", ref)
        try:
            output = git(
                self.git_dir,
                "rev-parse",
                "--verify",
                "--quiet",
                "--end-of-options",
                f"{ref}^{{commit}}",
            )
        except GitFailed as error:
            if error.status < 0:
                raise
            raise NotFound(f"there is no commit {mask(ref)!r} in {self.git_dir}") from None
        return output.decode("ascii").strip()

    def revision(self, commit: str) -> Revision:
        """A commit with its author, subject and time. Raises GitFailed."""
        with objects(self.git_dir) as reader:
            kind, content = reader.read(commit)
        if kind != "commit":
            raise GitFailed(f"{commit} is a {kind}, not a commit")
        return _revision(commit, content)

    def descends(self, commit: str, ancestor: str) -> bool | Literal["shallow"] | None:
        """Whether `ancestor` is in the history of `commit`, itself included.

        None if there is no order: `ancestor` is no commit at all (the digest of a folder). A commit
        that is not here is in no history that is, unless the clone is shallow: then nobody knows.
        """
        if not _OID.fullmatch(ancestor) or len(ancestor) != len(commit):
            return None
        try:
            git(self.git_dir, "merge-base", "--is-ancestor", ancestor, commit)
        except GitFailed as error:
            if error.status not in (1, 128):
                raise
            return "shallow" if self._is_shallow() else False
        return True

    def _is_shallow(self) -> bool:
        return git(self.git_dir, "rev-parse", "--is-shallow-repository").strip() == b"true"

    def tree(self, commit: str, path: str = "") -> Tree:
        """The manifests below a path of a commit. Raises Refused if there is no such folder."""
        inside = _inside(path)
        oid = self._folder(commit, inside)
        if oid is None:
            message = f"commit {commit[:12]} has no folder {inside or '/'}"
            raise Refused([Objection("source-missing", message)])
        return Tree(self.git_dir, oid)

    def holds(self, commit: str, path: str) -> bool:
        """Whether a commit has a folder at this path."""
        return self._folder(commit, _inside(path)) is not None

    def _folder(self, commit: str, inside: str) -> str | None:
        try:
            expression = f"{commit}:{inside}"
            output = git(self.git_dir, "rev-parse", "--verify", "--end-of-options", expression)
            oid = output.decode("ascii").strip()
            is_tree = git(self.git_dir, "cat-file", "-t", oid).strip() == b"tree"
        except GitFailed as error:
            if error.status < 0:
                raise
            return None
        return oid if is_tree else None

    def _require_ref(self, ref: str) -> None:
        _require_plain("the ref", ref)
        try:
            git(self.git_dir, "check-ref-format", "--allow-onelevel", ref)
        except GitFailed:
            raise UsageError(f"{ref!r} is not the name of a branch or tag") from None


def _revision(commit: str, content: bytes) -> Revision:
    head, _, message = content.decode("utf-8", "replace").partition("\n\n")
    fields = dict(line.partition(" ")[::2] for line in reversed(head.split("\n")))
    author, committer = _AUTHOR.match(fields.get("author", "")), fields.get("committer", "")
    subject = message.lstrip("\n").split("\n", 1)[0].strip()
    return Revision(
        commit,
        author=f"{author[1]} <{author[2]}>"[:_LONGEST] if author else None,
        subject=subject[:_LONGEST] or None,
        committed_at=_moment(committer),
    )


def _moment(signature: str) -> datetime | None:
    match = _AUTHOR.match(signature)
    if match is None:
        return None
    try:
        return datetime.fromtimestamp(int(match[3]), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _inside(path: str) -> str:
    """A path of a tree without `.` and final slashes. Raises UsageError for one that leaves it."""
    parts = PurePosixPath(path).parts
    if ".." in parts or path.startswith("/") or "\0" in path:
        raise UsageError(f"{path!r} is not a path inside the repository")
    return "/".join(part for part in parts if part != ".")


def _require_plain(what: str, text: str) -> None:
    """Nothing that git would take for an option or another helper."""
    if not text or text.startswith(("-", "+")) or _HELPER.match(text) or not text.isprintable():
        raise UsageError(f"{what} {mask(text)!r} cannot be used")

"""Writes into a repository that the server follows: the edit becomes a commit, which is pushed."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from reconciler.control.apply.forge import Forge
from reconciler.control.apply.source_files import SourceFiles
from reconciler.control.apply.sources import LoadedSource, Opened
from reconciler.control.apply.write_back import WriteChecks, WriteRequest, Written
from reconciler.core.base.errors import Locked, Unavailable
from reconciler.core.plan.plan import Plan
from reconciler.manifest.edit.file_edit import edit_file
from reconciler.manifest.git.commit import (
    Proposal,
    PushRejected,
    Signature,
    commit_files,
    push,
)
from reconciler.manifest.git.mirror import Mirror
from reconciler.manifest.git.program import GitFailed
from reconciler.manifest.git.repository import Repository

log = structlog.get_logger(__name__)

TURN_SECONDS = 60.0
"""How long a write waits for those before it."""
_ATTEMPTS = 5
"""How often an edit is made again on a head that somebody pushed meanwhile."""
_SERVER = "reconciler"


@dataclass(frozen=True, slots=True)
class _Commit:
    """A commit that is made and checked, and not pushed yet."""

    repository: Repository
    id: str
    head: str
    edited: Opened
    loaded: LoadedSource
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class GitWriter:
    """Writes into the folder `path` of the branch `branch` of a repository.

    With `proposes` each write is a commit on a branch of its own, which somebody merges; without it
    the commit goes onto `branch` itself. `domain` is that of the e-mail addresses in commits;
    `forge` opens pull requests.
    """

    mirror: Mirror
    branch: str
    path: str
    checks: WriteChecks
    now: Callable[[], datetime]
    proposes: bool = False
    domain: str = "reconciler.invalid"
    forge: Forge | None = None
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def write(self, request: WriteRequest) -> Written:
        """See `SourceWriter.write`. Raises PushRejected where the remote has a rule against it."""
        with self._taking_turns():
            try:
                return self._propose(request) if self.proposes else self._commit(request)
            except GitFailed as error:
                raise Unavailable(str(error)) from None

    def _propose(self, request: WriteRequest) -> Written:
        commit = self._make(request)
        branch = f"{_SERVER}/{request.key.workspace}/{request.key.name}-{commit.id[:10]}"
        push(commit.repository, self.mirror.url, commit.id, branch)
        written = Written(applied=False, commit=commit.id, branch=branch)
        return self._request_merge(request, written, branch)

    def _request_merge(self, request: WriteRequest, written: Written, branch: str) -> Written:
        """The write with its pull request, or with why there is none: the branch is there."""
        if self.forge is None:
            return written
        title, _, text = _message(request).partition("\n\n")
        try:
            url = self.forge.open_request(branch, self.branch, title, text)
        except Unavailable as error:
            log.warning("no pull request was opened", branch=branch, why=str(error))
            return replace(written, problem=str(error))
        return replace(written, pull_request=url)

    def _commit(self, request: WriteRequest) -> Written:
        """Commit onto the head, and again onto a newer one where somebody was faster."""
        commit = self._make(request)
        for _attempt in range(_ATTEMPTS):
            try:
                push(commit.repository, self.mirror.url, commit.id, self.branch)
                break
            except PushRejected:
                # Only a head that moved is a reason to try again; a rule of the remote is not.
                again = self._make(request)
                if again.head == commit.head:
                    raise
                commit = again
        else:
            raise Locked(f"branch {self.branch} moves all the time; try again")
        edited = commit.edited
        self.checks.apply(request, commit.loaded, commit.plan, lambda: edited)
        return Written(commit=commit.id, branch=self.branch)

    def _make(self, request: WriteRequest) -> _Commit:
        """The commit of a request on the branch's head, made and checked, known to nobody yet."""
        self.checks.require_fresh(request)
        # By its whole name: a tag of this name is not pushed to.
        repository, head = self.mirror.fetch(f"refs/heads/{self.branch}")
        unedited = self._open(repository, head)
        files = SourceFiles(unedited.source)
        file = edit_file(request.before, request.after, files, request.named, request.made)
        prefix = f"{self.path.strip('/')}/" if self.path.strip("/.") else ""
        proposal = Proposal(
            parent=head,
            contents={
                f"{prefix}{path}": content
                for path, content in {**file.made, file.path: file.after}.items()
            },
            message=_message(request),
            author=Signature(
                request.caller.name, f"{_local_part(request.caller.name)}@{self.domain}"
            ),
            committer=Signature(_SERVER, f"{_SERVER}@{self.domain}"),
            at=self.now(),
        )
        # A row that was changed by hand may be asked to be what its file says already.
        id_ = head if file.changes_nothing else commit_files(repository, proposal)
        edited = self._open(repository, id_)
        loaded, plan = self.checks.check(request, edited, unedited, whole=True)
        return _Commit(repository, id_, head, edited, loaded, plan)

    def _open(self, repository: Repository, commit: str) -> Opened:
        tree, revision = repository.tree(commit, self.path), repository.revision(commit)
        return Opened(tree, revision, lambda applied: repository.descends(commit, applied.id))

    @contextmanager
    def _taking_turns(self) -> Iterator[None]:
        """One write at a time here; writes of other servers meet at the remote."""
        if not self._turn.acquire(timeout=TURN_SECONDS):
            raise Locked("other writes into this source take too long; try again")
        try:
            yield
        finally:
            self._turn.release()


def _message(request: WriteRequest) -> str:
    match request:
        case WriteRequest(after=None):
            verb = "Remove"
        case WriteRequest(live=None):
            verb = "Add"
        case _:
            verb = "Change"
    kind, workspace, name = request.key
    return (
        f"{verb} {kind.lower()} {workspace}/{name}\n\nThrough the API, by {request.caller.name}.\n"
    )


def _local_part(actor: str) -> str:
    """A caller's name as it can stand before the @ of an address."""
    plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in actor)
    return plain.strip("-").lower()[:64] or "caller"

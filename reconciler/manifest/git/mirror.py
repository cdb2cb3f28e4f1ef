"""A mirror: a bare clone of a remote repository, of which only commits and their trees are read.

It is a cache: what is damaged in it is thrown away and fetched anew (docs/gitops.md#the-mirror).
"""

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from reconciler.core.base.errors import Unavailable
from reconciler.core.base.masking import mask
from reconciler.manifest.git.program import REMOTE_SECONDS, GitFailed, git
from reconciler.manifest.git.repository import Repository
from reconciler.manifest.load.checkpoint import Checkpoint, proceed

LOCK_SECONDS = 30.0
"""How long a fetch waits for another one of the same mirror."""
_LOCK_PAUSE = 0.05
_ANSWER_SECONDS = 30.0
Fetched = tuple[Repository, str]
"""A repository, and the commit of it that a ref named when it was fetched."""


@dataclass(frozen=True, slots=True)
class Mirror:
    """The clone of `url` in `folder`, which is made when it is first fetched."""

    url: str
    folder: Path

    @classmethod
    def below(cls, folder: Path, url: str) -> "Mirror":
        """The mirror of a URL among others; two sources of one repository share it."""
        digest = hashlib.sha256(url.encode()).hexdigest()[:16]
        return cls(url, folder.absolute() / digest)

    def fetch(
        self, ref: str, checkpoint: Checkpoint = proceed, *, seconds: float = REMOTE_SECONDS
    ) -> Fetched:
        """The repository with all that belongs to a branch or tag now, and the commit it names.

        Raises UsageError for what cannot be a URL or ref, GitFailed, and Unavailable where another
        process holds the mirror. What `checkpoint` raises ends git.
        """
        with self._locked(checkpoint):
            try:
                return self._fetch(ref, checkpoint, seconds)
            except GitFailed as error:
                # A status is git's own: below zero it was stopped by us, and nothing is known.
                if error.status <= 0 or not self._answers(ref, checkpoint):
                    raise
                # The remote has the ref, so what fails is here: a full disk, a power cut.
                self._remove()
                return self._fetch(ref, checkpoint, seconds)

    def discard(self) -> None:
        """Throw the mirror away: something cannot be read from it that the fetch brought."""
        with self._locked(proceed):
            self._remove()

    def _fetch(self, ref: str, checkpoint: Checkpoint, seconds: float) -> Fetched:
        repository = Repository.clone(self.url, self.folder)
        # Only holders of our lock write here: what is locked was left by a git that was killed.
        for lock in self.folder.rglob("*.lock"):
            lock.unlink(missing_ok=True)
        return repository, repository.fetch(self.url, ref, seconds=seconds, checkpoint=checkpoint)

    def _answers(self, ref: str, checkpoint: Checkpoint) -> bool:
        """Whether the remote can be reached and has the ref; the mirror is not asked."""
        url = str(Path(self.url).absolute()) if Path(self.url).is_dir() else self.url
        arguments = ("ls-remote", "--quiet", "--exit-code", "--", url, ref)
        try:
            git(
                self.folder.parent,  # no repository: what is damaged here cannot change the answer
                *arguments,
                remote=True,
                seconds=_ANSWER_SECONDS,
                checkpoint=checkpoint,
            )
        except GitFailed:
            return False
        return True

    def _remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def _locked(self, checkpoint: Checkpoint) -> Iterator[None]:
        """Hold the mirror alone: servers of one host may share the folder."""
        try:
            self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(f"{self.folder}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            message = f"no mirror can be kept in {self.folder.parent}: {error.strerror}"
            raise Unavailable(message) from None
        try:
            until = time.monotonic() + LOCK_SECONDS
            while not _acquired(lock):
                checkpoint()
                if time.monotonic() > until:
                    message = f"another process is busy with the mirror of {mask(self.url)}"
                    raise Unavailable(message)
                time.sleep(_LOCK_PAUSE)
            yield
        finally:
            os.close(lock)


def _acquired(descriptor: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False

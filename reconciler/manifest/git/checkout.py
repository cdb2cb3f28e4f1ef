"""A folder inside a git checkout: where its files are what HEAD says, its revision is that commit.

So that an apply from a checkout, as CI does it, is known by commit and author, and one that comes
late is seen not to descend from what is applied.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from reconciler.core.base.errors import Problem, ReconcilerError
from reconciler.core.base.identity import Revision
from reconciler.manifest.files import File, is_hidden, is_manifest, joined
from reconciler.manifest.folder import Folder
from reconciler.manifest.git.discovery import has_repository, repository_around
from reconciler.manifest.git.repository import Repository
from reconciler.manifest.git.tree import PLAIN, Entry


@dataclass(slots=True)
class Checkout:
    """The files of a folder, each compared with the commit that is checked out."""

    folder: Folder
    repository: Repository
    inside: str
    commit: str
    _read: dict[str, str | None] = field(default_factory=dict)
    _named: dict[str, str | None] = field(default_factory=dict)
    """Files that are no manifests and that some of these name; None for what is not read."""
    _is_commit: bool = False

    @classmethod
    def around(cls, folder: Folder) -> "Checkout | None":
        """The checkout that a folder lies in, or None where there is none or no commit yet."""
        if not has_repository(folder.root):
            return None
        try:
            repository, inside = repository_around(folder.root)
            return cls(folder, repository, inside, repository.resolve("HEAD"))
        except ReconcilerError:
            return None

    def files(self) -> Iterator[File]:
        """The files of the folder."""
        for file in self.folder.files():
            match file.content:
                case bytes() as content:
                    self._read[file.path] = _blob(content, self.commit)
                case _:
                    self._read[file.path] = None
            yield file

    def again(self, path: str) -> bytes | None:
        """The file once more."""
        return self.folder.again(path)

    def beside(self, path: str, file: str) -> bytes | Problem:
        """A file that a manifest names."""
        content = self.folder.beside(path, file)
        blob = _blob(content, self.commit) if isinstance(content, bytes) else None
        self._named[joined(path, file)] = blob
        return content

    def revision(self) -> Revision | None:
        """The commit, if the files that were read are just those of it; else None."""
        try:
            entries = self.repository.tree(self.commit, self.inside).entries()
            same = all(_is_of(entries, path, blob) for path, blob in self._named.items())
            self._is_commit = same and _expected(entries) == self._read
            return self.repository.revision(self.commit) if self._is_commit else None
        except ReconcilerError:
            return None  # the folder is in no commit, or git does not answer

    def descends(self, applied: Revision) -> bool | Literal["shallow"] | None:
        """Whether the commit descends from the one that is applied; None if there is no order."""
        return self.repository.descends(self.commit, applied.id) if self._is_commit else None


def _expected(entries: dict[str, Entry]) -> dict[str, str | None]:
    """What a checkout of these entries reads. Links are followed: they are never the same."""
    return {
        path: entry.oid if entry.mode in PLAIN else ""
        for path, entry in entries.items()
        if is_manifest(path.rsplit("/", 1)[-1]) and not any(map(is_hidden, path.split("/")))
    }


def _is_of(entries: dict[str, Entry], path: str, blob: str | None) -> bool:
    entry = entries.get(path)
    return entry is not None and entry.mode in PLAIN and entry.oid == blob


def _blob(content: bytes, commit: str) -> str:
    """The name under which git keeps these bytes, in a repository with this commit."""
    digest = hashlib.sha256() if len(commit) == 64 else hashlib.sha1(usedforsecurity=False)
    digest.update(b"blob %d\0" % len(content))
    digest.update(content)
    return digest.hexdigest()


def order_around(
    folder: Path, commit: str
) -> Callable[[Revision], bool | Literal["shallow"] | None] | None:
    """Whether a commit descends from others, as the repository around `folder` has them."""
    checkout = Checkout.around(Folder(folder))
    if checkout is None:
        return None
    repository = checkout.repository
    return lambda applied: repository.descends(commit, applied.id)

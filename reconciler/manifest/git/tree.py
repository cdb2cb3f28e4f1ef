"""The manifests of a commit's tree, read without a checkout; a Source like a folder on a disk."""

import posixpath
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from reconciler.core.base.codes import Code
from reconciler.core.base.errors import Problem
from reconciler.manifest.files import (
    File,
    Identity,
    bounded,
    is_hidden,
    is_manifest,
    joined,
    problem,
)
from reconciler.manifest.git.program import GitFailed, Objects, git, objects
from reconciler.manifest.text import LARGEST, too_large

PLAIN = ("100644", "100755")
"""The modes of files that are no links."""
_LINK, _SUBMODULE = "120000", "160000"
_MOST_LINKS = 40


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a tree; `size` is 0 where git knows none."""

    mode: str
    oid: str
    size: int


@dataclass(slots=True)
class Tree:
    """The files below one tree of a repository. The rules are those of a folder (decision 0021)."""

    git_dir: Path
    oid: str
    _local: threading.local = field(default_factory=threading.local)
    """What `files` reads with: whoever takes files from it may ask for those that they name.

    Of each thread its own: two that ask one `git cat-file` would read each other's answers.
    """

    def files(self) -> Iterator[File]:
        """Every manifest in path order. Raises GitFailed."""
        with self._open() as reading:
            for path, entry in sorted(reading.entries.items()):
                if any(map(is_hidden, path.split("/"))):
                    continue
                match reading.resolved(path, entry):
                    case Entry() as file:
                        yield _named(path, partial(self._read, file), self._identity(path, file))
                    case Problem() as wrong:
                        yield _named(path, wrong)

    def again(self, path: str) -> bytes | None:
        """The file once more."""
        with self._open() as reading:
            content = reading.content(path)
        return content if isinstance(content, bytes) else None

    def beside(self, path: str, file: str) -> bytes | Problem:
        """A file that a manifest names, of the same commit. Raises GitFailed."""
        named = joined(path, file)
        with self._open() as reading:
            content = reading.content(named, wanted=True)
        return bounded(content, named)

    def _read(self, entry: Entry) -> bytes:
        with self._open() as reading:
            return reading.blob(entry)

    def _identity(self, path: str, entry: Entry) -> Identity:
        return Identity(bytes.fromhex(entry.oid), partial(self._own_beside, path))

    def _own_beside(self, path: str, file: str) -> bytes | None:
        with self._open() as reading:
            entry = reading.entries.get(joined(path, file))
        return bytes.fromhex(entry.oid) if entry and entry.mode in PLAIN else None

    @contextmanager
    def _open(self) -> Iterator["_Reading"]:
        """One listing and one `git cat-file` for all that is read at the same time."""
        open_already: _Reading | None = getattr(self._local, "reading", None)
        if open_already is not None:
            yield open_already
            return
        with objects(self.git_dir) as reader:
            self._local.reading = _Reading(self.entries(), reader)
            try:
                yield self._local.reading
            finally:
                self._local.reading = None

    def entries(self) -> dict[str, Entry]:
        """All files of the tree by path, hidden ones too; undecodable bytes as surrogates."""
        listed = git(self.git_dir, "ls-tree", "-r", "-z", "-l", "--full-tree", self.oid)
        return dict(_entry(line) for line in listed.split(b"\0") if line)


@dataclass(frozen=True, slots=True)
class _Reading:
    entries: dict[str, Entry]
    reader: Objects

    def content(self, path: str, *, wanted: bool = False) -> bytes | Problem | None:
        """The bytes, why they are not read, or None for what is no manifest or not there."""
        entry = self.entries.get(path)
        resolved = entry and self.resolved(path, entry, wanted=wanted)
        return self.blob(resolved) if isinstance(resolved, Entry) else resolved

    def blob(self, entry: Entry) -> bytes:
        """The bytes of a file. Raises GitFailed."""
        kind, data = self.reader.read(entry.oid)
        if kind != "blob":
            raise GitFailed(f"git has a {kind} where a file should be: {entry.oid}")
        return data

    def resolved(self, path: str, entry: Entry, *, wanted: bool = False) -> Entry | Problem | None:
        """The file that is read, why none is, or None for what is no manifest.

        With `wanted` it is read whatever it is called.
        """
        if entry.mode == _SUBMODULE:
            message = "a submodule is not read; name it '_…', or follow it as a source of its own"
            return problem(path, message, Code.FILE_LINK)
        wanted = wanted or is_manifest(path.rsplit("/", 1)[-1])
        if entry.mode == _LINK:
            target = self._target(path, entry)
            if isinstance(target, Problem):
                # A link to a folder may hold manifests, whatever it is called.
                return target if wanted or "folder is not followed" in target.message else None
            entry = target
        if not wanted:
            return None
        return too_large(path) if entry.size > LARGEST else entry

    def _target(self, path: str, entry: Entry) -> Entry | Problem:
        place = path
        for _ in range(_MOST_LINKS):
            target = self.reader.read(entry.oid)[1].decode("utf-8", "surrogateescape")
            place = posixpath.normpath(posixpath.join(posixpath.dirname(place), target))
            if place.startswith(("/", "../")) or place == "..":
                return problem(path, "the link leaves the source's folder", Code.FILE_LINK)
            if place == "." or any(other.startswith(f"{place}/") for other in self.entries):
                message = "a link to a folder is not followed; move the folder here"
                return problem(path, message, Code.FILE_LINK)
            if place not in self.entries:
                break
            entry = self.entries[place]
            if entry.mode != _LINK:
                return entry
        return problem(path, "the link leads nowhere", Code.FILE_LINK)


def _entry(line: bytes) -> tuple[str, Entry]:
    head, _, path = line.partition(b"\t")
    mode, _, oid, size = head.decode("ascii").split()
    # "BAD" is the size of what a partial clone lacks; reading it says so.
    entry = Entry(mode, oid, int(size) if size.isdecimal() else 0)
    return path.decode("utf-8", "surrogateescape"), entry


def _named(
    path: str, source: Callable[[], bytes] | Problem, identity: Identity | None = None
) -> File:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        shown = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        message = "the file's name is not UTF-8; rename it"
        return File(shown, problem(shown, message, Code.FILE_NAME))
    return File(path, source, identity)

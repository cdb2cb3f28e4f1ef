"""What tells that a folder is as it was: sizes, times and the commit."""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from reconciler.manifest.files import read_file
from reconciler.manifest.folder import Folder
from reconciler.manifest.git.checkout import Checkout

RACY_NS = 2_000_000_000
"""A file that changed so shortly before may change once more and keep its time."""
_DEEPEST = 50


class Stamp(NamedTuple):
    """A folder at a moment: equal stamps are equal files. Equal only within one process."""

    files: int
    commit: str | None


class _Entry(NamedTuple):
    """A file, what a link leads to, or a folder. A change of it always changes its `ctime`, which
    nobody can set, but not twice within a tick of the clock.
    """

    path: str
    mode: int
    size: int
    inode: int
    mtime: int
    ctime: int


@dataclass(slots=True)
class FolderStamps:
    """The stamps of a folder, one after the other.

    Every file counts, whatever its name, as manifests take texts from other files. A file that
    changed just before is racy, as in git's index: its stamp holds its digest too. It is read once
    more when its time is old enough to be believed, and then no more.
    """

    root: Path
    _racy: dict[_Entry, str] = field(default_factory=dict)
    """The digests of files that were racy when they were first seen so."""
    _believed: dict[_Entry, str] = field(default_factory=dict)
    """The digests of those that were read again since."""

    def at(self, now: int) -> Stamp | None:
        """Return the stamp; None where the folder cannot be walked.

        `now` is in nanoseconds since 1970, by the clock that files have their times from.
        """
        try:
            entries = sorted(_entries(os.path.realpath(self.root)))
        except OSError:
            return None
        digests = self._digests(entries, now)
        checkout = Checkout.around(Folder(self.root))
        commit = checkout.commit if checkout else None
        return Stamp(hash((*entries, *digests.items())), commit)

    def _digests(self, entries: list[_Entry], now: int) -> dict[_Entry, str]:
        racy: dict[_Entry, str] = {}
        believed: dict[_Entry, str] = {}
        digests: dict[_Entry, str] = {}
        for entry in entries:
            is_racy = entry.ctime > now - RACY_NS
            if entry in self._believed:
                digest = self._believed[entry]
            elif stat.S_ISREG(entry.mode) and (is_racy or entry in self._racy):
                digest = _digest(entry.path)
            else:
                continue
            (racy if is_racy else believed)[entry] = digests[entry] = digest
        self._racy, self._believed = racy, believed
        return digests


def _digest(path: str) -> str:
    content = read_file(os.path.realpath(path), path)
    return hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else str(content)


def _entries(root: str) -> Iterator[_Entry]:
    """Every file, what a link leads to, and each folder; what is hidden no manifest may name."""
    waiting = [(root, 0)]
    while waiting:
        folder, depth = waiting.pop()
        yield _entry(folder, Path(folder).stat())
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                yield _entry(entry.path, entry.stat(follow_symlinks=False))
                if entry.is_symlink():
                    with suppress(OSError):  # it leads nowhere
                        yield _entry(entry.path, entry.stat())
                elif entry.is_dir() and depth < _DEEPEST:
                    waiting.append((entry.path, depth + 1))


def _entry(path: str, of: os.stat_result) -> _Entry:
    return _Entry(path, of.st_mode, of.st_size, of.st_ino, of.st_mtime_ns, of.st_ctime_ns)

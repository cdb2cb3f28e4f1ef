"""What tells that a folder is as it was, without reading a file: sizes, times and the commit."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from reconciler.manifest.folder import Folder
from reconciler.manifest.git.checkout import Checkout

RACY_NS = 2_000_000_000
"""A file that changed so shortly before may change once more and keep its time."""
_DEEPEST = 50


class Stamp(NamedTuple):
    """A folder at a moment: equal stamps are equal files. Equal only within one process."""

    files: int
    commit: str | None


def stamp_of(root: Path, now: int) -> Stamp | None:
    """Return the stamp of a folder; None where it changed just before `now`, or cannot be walked.

    `now` is in nanoseconds since 1970, by the clock that files have their times from.

    Every file counts, whatever its name, as manifests take texts from other files. A change of a
    file always changes its `ctime`, which nobody can set.
    """
    try:
        entries = sorted(_entries(os.path.realpath(root)))
    except OSError:
        return None
    newest = max((entry[-1] for entry in entries), default=0)
    if newest > now - RACY_NS:
        return None
    checkout = Checkout.around(Folder(root))
    return Stamp(hash(tuple(entries)), checkout.commit if checkout else None)


_Entry = tuple[str, int, int, int, int]


def _entries(root: str) -> Iterator[_Entry]:
    """Path, size, inode and times of every file, of what a link leads to, and of each folder."""
    waiting = [(root, 0)]
    while waiting:
        folder, depth = waiting.pop()
        yield _entry(folder, Path(folder).stat())
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):  # no manifest may name one of these either
                    continue
                yield _entry(entry.path, entry.stat(follow_symlinks=False))
                if entry.is_symlink():
                    with suppress(OSError):  # it leads nowhere
                        yield _entry(entry.path, entry.stat())
                elif entry.is_dir() and depth < _DEEPEST:
                    waiting.append((entry.path, depth + 1))


def _entry(path: str, state: os.stat_result) -> _Entry:
    return (path, state.st_size, state.st_ino, state.st_mtime_ns, state.st_ctime_ns)

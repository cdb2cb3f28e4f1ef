"""A folder of manifests: walked in path order, links followed only to files inside it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

from reconciler.core.base.codes import Code
from reconciler.core.base.errors import Problem
from reconciler.manifest.files import (
    File,
    is_hidden,
    is_manifest,
    joined,
    problem,
    read_file,
    read_inside,
)

_DEEPEST = 50
"""Folders inside each other; a mount inside itself would otherwise be walked for ever."""


@dataclass(frozen=True, slots=True)
class Folder:
    """Every manifest file below `root`, which may itself be reached by a link."""

    root: Path

    def files(self) -> Iterator[File]:
        """The files in the order of their paths, and what of them cannot be read."""
        entries = sorted(self._walk(), key=itemgetter(0))
        for path, file in entries:
            yield File(path, read_file(file, path) if isinstance(file, str) else file)

    def again(self, path: str) -> bytes | None:
        """The file once more; None if it went away."""
        content = read_file(os.path.realpath(self.root / path), path)
        return content if isinstance(content, bytes) else None

    def beside(self, path: str, file: str) -> bytes | Problem:
        """A file that a manifest names, inside the folder."""
        return read_inside(self.root, joined(path, file))

    def _walk(self) -> Iterator[tuple[str, str | Problem]]:
        """Each file's path in the source, and where it is (as text: a Path takes its time)."""
        root = os.path.realpath(self.root)
        waiting = [(root, "", 0)]
        while waiting:
            folder, prefix, depth = waiting.pop()
            try:
                with os.scandir(folder) as entries:
                    names = [entry for entry in entries if not is_hidden(entry.name)]
            except OSError as error:
                message = f"the folder cannot be read: {error.strerror or error}"
                path = prefix.rstrip("/") or "."
                yield path, problem(path, message, Code.FILE_UNREADABLE)
                continue
            for entry in names:
                path = prefix + entry.name
                if not entry.is_dir(follow_symlinks=False):
                    yield from _file(root, entry, path)
                elif depth < _DEEPEST:
                    waiting.append((entry.path, f"{path}/", depth + 1))
                else:
                    message = f"more than {_DEEPEST} folders inside each other"
                    yield path, problem(path, message, Code.FILE_UNREADABLE)


def _file(root: str, entry: os.DirEntry[str], path: str) -> Iterator[tuple[str, str | Problem]]:
    wanted = is_manifest(entry.name)
    if entry.is_symlink():
        target = _target(root, entry, path, wanted=wanted)
    else:
        target = entry.path if wanted else None
    if target is not None:
        yield _named(path, target)


def _target(root: str, entry: os.DirEntry[str], path: str, *, wanted: bool) -> str | Problem | None:
    """Where a link leads: a file inside the source, or a Problem (decision 0021)."""
    try:
        target = Path(os.path.realpath(entry.path, strict=True))
    except OSError as error:
        message = f"the link leads nowhere: {error.strerror or error}"
        return problem(path, message, Code.FILE_LINK) if wanted else None
    if target.is_dir():
        message = "a link to a folder is not followed; move the folder here, or name the link '_…'"
        return problem(path, message, Code.FILE_LINK)
    if not wanted:
        return None
    if not target.is_relative_to(root):
        return problem(path, "the link leaves the source's folder", Code.FILE_LINK)
    return str(target)


def _named(path: str, target: str | Problem) -> tuple[str, str | Problem]:
    """The pair, unless the name itself is no text."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        shown = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        message = "the file's name is not UTF-8; rename it"
        return shown, problem(shown, message, Code.FILE_NAME)
    return path, target

"""Several paths read as one source: references resolve over all of them, names are unique in all.

Files are named as they are seen from the working directory, so that every Problem can be followed.
"""

import heapq
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from reconciler.core.base.errors import Problem
from reconciler.manifest.files import File, SingleFile, Source
from reconciler.manifest.load.load import source_at


class Part(NamedTuple):
    """A source, and what its paths begin with."""

    prefix: str
    source: Source


@dataclass(slots=True)
class Several:
    """The files of all parts in path order; a file that two parts hold is read once."""

    parts: tuple[Part, ...]
    _inside: dict[str, tuple[Source, str]] = field(default_factory=dict)

    @classmethod
    def at(cls, paths: Sequence[str]) -> "Several":
        """The folders, files and `-` that a command line names. Raises Refused."""
        return cls(tuple(_part(path) for path in paths))

    def files(self) -> Iterator[File]:
        """Every file of every part."""
        read: set[str] = set()
        for file in heapq.merge(*(self._files(part) for part in self.parts), key=_path):
            real = os.path.realpath(file.path)
            if real not in read:
                read.add(real)
                yield file

    def again(self, path: str) -> bytes | None:
        """The file once more, from the part that gave it."""
        source, inside = self._inside[path]
        return source.again(inside)

    def beside(self, path: str, file: str) -> bytes | Problem:
        """A file that a manifest names, from the part that gave the manifest."""
        source, inside = self._inside[path]
        return source.beside(inside, file)

    def _files(self, part: Part) -> Iterator[File]:
        for file in part.source.files():
            path = part.prefix + file.path
            self._inside.setdefault(path, (part.source, file.path))
            content = file.content
            yield File(
                path, replace(content, path=path) if isinstance(content, Problem) else content
            )


def _path(file: File) -> str:
    return file.path


def _part(path: str) -> Part:
    source = source_at(path, allow_file=True)
    if path == "-":
        return Part("", source)
    place = os.path.normpath(path)
    folder = str(Path(place).parent) if isinstance(source, SingleFile) else place
    return Part("" if folder == "." else f"{folder.rstrip('/')}/", source)

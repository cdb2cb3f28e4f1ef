"""A source as it would be with one file changed: edits are checked before they are written."""

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.core.base.errors import Problem
from reconciler.manifest.files import Bundle, File, Source, bounded, joined


@dataclass(frozen=True, slots=True)
class Overlaid:
    """A source in which `path` holds `content`, or is missing where that is None."""

    source: Source
    path: str
    content: bytes | None

    def files(self) -> Iterator[File]:
        """The files in path order, with the changed one in its place."""
        edited = {} if self.content is None else {self.path: self.content}
        pending = list(Bundle(edited).files())
        for file in self.source.files():
            if pending and pending[0].path <= file.path:
                yield pending.pop()
            if file.path != self.path:
                yield file
        yield from pending

    def again(self, path: str) -> bytes | None:
        """The bytes of a file."""
        return self.content if path == self.path else self.source.again(path)

    def beside(self, path: str, file: str) -> bytes | Problem:
        """A file that a manifest names, which may be the one that is changed."""
        if joined(path, file) == self.path:
            return bounded(self.content, self.path)
        return self.source.beside(path, file)

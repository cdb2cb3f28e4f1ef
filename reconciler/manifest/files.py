"""Where manifests are read from: a folder, a file, a stream, or a bundle of texts.

Every source gives its files in path order, and refuses by Problems what cannot be read safely.
"""

import json
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from reconciler.core.base.codes import Code
from reconciler.core.base.errors import Problem
from reconciler.manifest.text import LARGEST, too_large

SUFFIXES = (".yaml", ".yml", ".json")
LARGEST_STREAM = 16 * LARGEST
"""Bytes of a stream, which may hold what many files hold."""
STREAM = "<stdin>"
"""What the file of a stream is called."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells that a file and those that it names are as they were, without reading them.

    `own` is equal exactly for equal bytes; `beside` gives the same for a file that this one names,
    and None where that has to be read.
    """

    own: bytes
    beside: Callable[[str], bytes | None]


@dataclass(frozen=True, slots=True)
class File:
    """A file of a source: its bytes, or the reason why they are not read.

    `source` may read them only when they are asked for: each time, and while `files` goes on.
    """

    path: str
    source: bytes | Problem | Callable[[], bytes]
    identity: Identity | None = field(default=None, compare=False)

    @property
    def content(self) -> bytes | Problem:
        """The bytes, or the Problem."""
        return self.source() if callable(self.source) else self.source


class Source(Protocol):
    """Something that manifests are read from."""

    def files(self) -> Iterator[File]:
        """Every manifest file in path order."""
        ...

    def again(self, path: str) -> bytes | None:
        """The bytes of a file that was read before, if they can still be had."""
        ...

    def beside(self, path: str, file: str) -> bytes | Problem:
        """The bytes of `file`, as the manifest at `path` names it (core/manifest/file_ref.py).

        Whatever it is called: such a file is no manifest. The Problem says why it is not read.
        """
        ...


def is_manifest(name: str) -> bool:
    """Whether a file of this name is read."""
    return name.endswith(SUFFIXES) and not is_hidden(name)


def is_kustomization(path: str) -> bool:
    """Whether kustomize reads this file, which is no manifest; its name is fixed."""
    return path.rsplit("/", 1)[-1] in ("kustomization.yaml", "kustomization.yml")


def is_json_schema(path: str, content: bytes) -> bool:
    """Whether a JSON file is a JSON Schema, such as manifests name with `expectSchema`."""
    if not path.endswith(".json"):
        return False
    return _SCHEMA.search(content) is not None and b'"apiVersion"' not in content


_SCHEMA = re.compile(rb'"\$schema"\s*:\s*"https?://json-schema\.org/')


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is passed over."""
    return name.startswith((".", "_"))


def problem(path: str, message: str, code: Code) -> Problem:
    """A Problem of the file as a whole."""
    return Problem(path, 1, 1, "", message, code)


@dataclass(frozen=True, slots=True)
class Bundle:
    """Files that are in memory: paths to bytes."""

    contents: Mapping[str, bytes]
    largest: int = LARGEST

    def files(self) -> Iterator[File]:
        """Every file whose name is a manifest's, in path order."""
        for path, data in sorted(self.contents.items()):
            if is_manifest(path.rsplit("/", 1)[-1]) and not any(map(is_hidden, path.split("/"))):
                fits = len(data) <= self.largest
                yield File(path, data if fits else too_large(path, self.largest))

    def again(self, path: str) -> bytes | None:
        """The bytes of a file."""
        return self.contents.get(path)

    def beside(self, path: str, file: str) -> bytes | Problem:
        """The bytes of a named file."""
        named = joined(path, file)
        return bounded(self.contents.get(named), named, self.largest)


@dataclass(frozen=True, slots=True)
class Stream:
    """One text that came from nowhere in particular, such as standard input."""

    data: bytes
    path: str = STREAM

    @classmethod
    def read(cls, stream: BinaryIO) -> "Stream":
        """All of the stream; what is beyond the limit is not kept in memory."""
        return cls(stream.read(LARGEST_STREAM + 1))

    def files(self) -> Iterator[File]:
        """The one file, or one for each item of a JSON list, as `export -o json` writes it."""
        if len(self.data) > LARGEST_STREAM:
            yield File(self.path, too_large(self.path, LARGEST_STREAM))
        elif items := self._items():
            yield from (File(f"{self.path}[{n}]", item) for n, item in enumerate(items))
        else:
            yield File(self.path, self.data)

    def again(self, path: str) -> bytes | None:
        """The text."""
        content = next((file.content for file in self.files() if file.path == path), None)
        return content if isinstance(content, bytes) else None

    def beside(self, path: str, file: str) -> bytes | Problem:
        """Nothing lies beside a stream."""
        message = "nothing lies beside a stream; give a folder, or write the text into the manifest"
        return problem(path, message, Code.FILE_UNREADABLE)

    def _items(self) -> list[bytes]:
        """The objects of a JSON list; nothing for any other text, which is read as YAML."""
        if not self.data.lstrip().startswith(b"["):
            return []
        try:
            items = json.loads(self.data, object_pairs_hook=_without_duplicates)
        except (ValueError, RecursionError):
            return []
        return [json.dumps(item).encode() for item in items]


@dataclass(frozen=True, slots=True)
class Submitted:
    """Files that somebody else read and sent, in the order in which they read them."""

    content_by_path: Mapping[str, bytes | Problem]
    named: Mapping[str, bytes | Problem] = field(default_factory=dict)
    """The files that these name, and that are no manifests."""

    def files(self) -> Iterator[File]:
        """The files as they came, and the reasons why some could not be read."""
        for path, content in self.content_by_path.items():
            largest = LARGEST_STREAM if path.startswith(STREAM) else LARGEST
            too_long = isinstance(content, bytes) and len(content) > largest
            yield File(path, too_large(path, largest) if too_long else content)

    def again(self, path: str) -> bytes | None:
        """The bytes of a file."""
        content = self.content_by_path.get(path)
        return content if isinstance(content, bytes) else None

    def beside(self, path: str, file: str) -> bytes | Problem:
        """The bytes of a named file, or what the sender said of it."""
        if path.startswith(STREAM):
            return Stream(b"").beside(path, file)
        named = joined(path, file)
        return bounded(self.named.get(named), named)


@dataclass(frozen=True, slots=True)
class SingleFile:
    """One file, whatever its name."""

    file: Path

    def files(self) -> Iterator[File]:
        """The one file."""
        yield File(self.file.name, read_file(self.file, self.file.name))

    def again(self, path: str) -> bytes | None:
        """The file once more."""
        content = read_file(self.file, path)
        return content if isinstance(content, bytes) else None

    def beside(self, path: str, file: str) -> bytes | Problem:
        """A file in or below the folder of this one."""
        return read_inside(self.file.parent, file)


def joined(path: str, file: str) -> str:
    """The path in the source of a file that the manifest at `path` names."""
    folder, slash, _ = path.rpartition("/")
    return folder + slash + file


def bounded(content: bytes | Problem | None, path: str, largest: int = LARGEST) -> bytes | Problem:
    """The bytes of a named file that was looked up; None where it is not there."""
    if content is None:
        message = "there is no such file here; add it, or write its text into the manifest"
        return problem(path, message, Code.FILE_UNREADABLE)
    too_long = isinstance(content, bytes) and len(content) > largest
    return too_large(path, largest) if too_long else content


def read_inside(root: Path, path: str) -> bytes | Problem:
    """The bytes of a named file below a folder; a link is followed to files inside it only."""
    folder = os.path.realpath(root)
    try:
        target = os.path.realpath(root / path, strict=True)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        return problem(path, f"the file cannot be read: {why}", Code.FILE_UNREADABLE)
    if not Path(target).is_relative_to(folder):
        return problem(path, "the link leaves the source's folder", Code.FILE_LINK)
    return read_file(target, path)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(mapping := dict(pairs)) != len(pairs):
        raise ValueError("a key stands twice")
    return mapping


def read_file(file: str | Path, path: str) -> bytes | Problem:
    """The bytes of a regular file of at most 1 MiB; `path` is what Problems call it.

    Never blocks on a FIFO, never reads a file that is too large, follows no link.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(file, flags)
    except OSError as error:
        message = f"the file cannot be read: {error.strerror or error}"
        return problem(path, message, Code.FILE_UNREADABLE)
    try:
        return _read(descriptor, path)
    except OSError as error:
        message = f"the file cannot be read: {error.strerror or error}"
        return problem(path, message, Code.FILE_UNREADABLE)
    finally:
        os.close(descriptor)


def _read(descriptor: int, path: str) -> bytes | Problem:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        message = "this is no regular file (a pipe, a socket or a device); remove it"
        return problem(path, message, Code.FILE_SPECIAL)
    if status.st_size > LARGEST:
        return too_large(path)
    # One more than there is: what comes short of it ends the file. A megabyte would be a mapping.
    data = os.read(descriptor, status.st_size + 1)
    if len(data) == status.st_size:
        return data
    return _remainder(descriptor, data, path)


def _remainder(descriptor: int, start: bytes, path: str) -> bytes | Problem:
    """A file that changed its size since it was opened, or that comes in parts."""
    parts = [start]
    missing = LARGEST + 1 - len(start)
    while missing > 0 and (part := os.read(descriptor, missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts) if missing > 0 else too_large(path)

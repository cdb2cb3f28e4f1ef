"""The three streams of a command: results are whole or fail, messages never fail.

- A closed stream is put on /dev/null before anything is opened: a database that got the number of
  stdout would be written over by the first result.
- stdout raises `Unwritable` where it cannot be written, and `ReaderGone` where nobody reads any
  more, whoever writes to it (also the library that writes the help).
- stderr swallows both: a message that nobody can see changes no exit code.

Text goes out in the encoding of the locale, what machines read in UTF-8 (`reconciler.cli.console`).
"""

import io
import os
import select
import sys
from contextlib import suppress
from typing import Any, TextIO

from reconciler.core.base.errors import Unavailable

_STALLED = 5.0
"""Seconds that a message waits for a reader of a non-blocking stream."""


class ReaderGone(Exception):
    """Whoever read our results went away (`reconciler runs | head`)."""


class Unwritable(Unavailable):
    """Results cannot be written: a full disk, say."""


class _Output(io.RawIOBase):
    """A file descriptor that belongs to somebody else; all of a write goes out."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, data: Any, /) -> int:
        view = memoryview(data)
        remaining = view
        while remaining:
            remaining = remaining[self._write(remaining) :]
        return len(view)

    def _write(self, data: memoryview) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:  # a parent made the pipe non-blocking
            select.select([], [self._descriptor], [])
            return 0


class _Results(_Output):
    """stdout."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise ReaderGone from None
        except OSError as error:
            raise Unwritable(f"the output cannot be written: {error.strerror}") from None


class _Messages(_Output):
    """stderr."""

    def write(self, data: Any, /) -> int:
        with suppress(OSError):
            super().write(data)
        return len(memoryview(data))

    def _write(self, data: memoryview) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            _, ready, _ = select.select([], [self._descriptor], [], _STALLED)
            return 0 if ready else len(data)


def take_streams() -> None:
    """Put these in the place of Python's own."""
    for descriptor in range(3):
        _reserve(descriptor)
    sys.stdout = _text(io.BufferedWriter(_Results(1)), sys.stdout)
    sys.stderr = _text(io.BufferedWriter(_Messages(2)), sys.stderr, line_buffering=True)


def _reserve(descriptor: int) -> None:
    """Let /dev/null have the number of a stream that is closed."""
    try:
        os.fstat(descriptor)
    except OSError:
        os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one


def _text(
    binary: io.BufferedWriter, replaced: TextIO | None, *, line_buffering: bool = False
) -> TextIO:
    """A character that the encoding lacks is escaped: no reason to fail."""
    encoding = "utf-8" if replaced is None else replaced.encoding
    return io.TextIOWrapper(
        binary, encoding, errors="backslashreplace", line_buffering=line_buffering
    )

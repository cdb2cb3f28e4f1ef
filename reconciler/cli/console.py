"""Where output goes: results to stdout, messages to stderr; colour only where it is welcome."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from reconciler.core.base.errors import Unavailable


def out(text: str) -> None:
    """Write a result to stdout, with one line break at its end."""
    out_exactly(text if text.endswith("\n") else f"{text}\n")


def out_exactly(text: str) -> None:
    """Write a result that brings its own line breaks, or is empty. Raises Unavailable."""
    with _writing():
        sys.stdout.write(text)


def finish() -> None:
    """Write what is left of the results. Raises Unavailable."""
    with _writing():
        sys.stdout.flush()


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Unavailable(f"the output cannot be written: {error.strerror}") from None


def out_json(value: Any) -> None:
    """Write a result as JSON."""
    out(json.dumps(value, indent=2, ensure_ascii=False))


def say(text: str) -> None:
    """Write a message to stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def colored(stream: TextIO) -> bool:
    """Whether a stream is a terminal that wants colour (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def interactive() -> bool:
    """Whether somebody is there to be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()

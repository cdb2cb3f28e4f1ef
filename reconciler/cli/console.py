"""Where output goes: results to stdout, messages to stderr; colour only where it is welcome."""

import json
import os
import sys
from typing import Any, TextIO


def out(text: str) -> None:
    """Write a result for people to stdout, with one line break at its end. Raises Unavailable."""
    out_exactly(text if text.endswith("\n") else f"{text}\n")


def out_exactly(text: str) -> None:
    """Write a result that brings its own line breaks, or is empty. Raises Unavailable."""
    sys.stdout.write(text)


def out_document(text: str) -> None:
    """Write what machines read (JSON, YAML, Markdown) as UTF-8, whatever the locale says.

    It ends with one line break, unless it is empty. Raises Unavailable.
    """
    if text and not text.endswith("\n"):
        text += "\n"
    binary = getattr(sys.stdout, "buffer", None)
    if binary is None:
        sys.stdout.write(text)
        return
    sys.stdout.flush()
    binary.write(text.encode("utf-8", "backslashreplace"))


def out_json(value: Any) -> None:
    """Write a result as JSON."""
    out_document(json.dumps(value, indent=2, ensure_ascii=False))


def finish() -> None:
    """Write what is left of the results. Raises Unavailable."""
    sys.stdout.flush()


def say(text: str) -> None:
    """Write a message to stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


_done: list[str] = []


def note_done(what: str) -> None:
    """Note a change that was made, in case its result cannot be written: `the run was recorded`."""
    _done.append(what)


def done() -> str:
    """Return the changes noted, as the end of a sentence; empty where there are none."""
    return "".join(f"; {what} all the same" for what in _done)


def colored(stream: TextIO) -> bool:
    """Whether a stream is a terminal that wants colour (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def interactive() -> bool:
    """Whether somebody is there to be asked."""
    stdin: TextIO | None = sys.stdin
    return stdin is not None and stdin.isatty() and sys.stderr.isatty()

"""Where output goes: results to stdout, messages to stderr; colour only where it is welcome."""

import json
import os
import sys
from typing import Any, TextIO


def out(text: str) -> None:
    """Write a result to stdout, with one line break at its end."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


def out_exactly(text: str) -> None:
    """Write a result that brings its own line breaks, or is empty."""
    sys.stdout.write(text)


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

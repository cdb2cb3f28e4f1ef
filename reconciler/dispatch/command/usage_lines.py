"""The usage that a program tells in lines of its output (docs/runtimes.md#command).

Such a line is a JSON object with `usage` and nothing else. It says what was used until then, in
all: of several the highest of each number counts (docs/runs.md#usage), whether they were read while
the program worked or at its end.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.core.runs.run import Json
from reconciler.core.runs.usage import Usage, reported
from reconciler.dispatch.command.supervisor import OUTPUT

NOT_TOLD = "the program told no usage"
_NAME = '"usage"'


@dataclass(frozen=True, slots=True)
class Told:
    """`output` without these lines; `note` where nothing usable was told, or nothing at last."""

    output: str
    usage: Usage | None = None
    note: str | None = None


def told_usage(output: str) -> Told:
    """Take off every line that tells a usage, and blank lines after the last one."""
    usage: Usage | None = None
    note: str | None = NOT_TOLD
    others: list[str] = []
    before: int | None = None
    for line in io.StringIO(output, newline="\n"):
        document = _document(line)
        if document is None:
            others.append(line)
            continue
        report, invalid = reported(document["usage"])
        usage, before = _both(usage, report), len(others)
        note = invalid or (NOT_TOLD if usage is None else None)
    if before is not None and not "".join(others[before:]).strip():
        del others[before:]
    return Told("".join(others), usage, note)


def _both(earlier: Usage | None, later: Usage | None) -> Usage | None:
    if earlier is None or later is None:
        return later or earlier
    return later.over(earlier.document())


def _document(line: str) -> Mapping[str, Json] | None:
    text = line.strip()
    if not (text.startswith("{") and _NAME in text):
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if document.keys() == {"usage"} else None


class UsageLines:
    """See `Meter`."""

    stream = OUTPUT

    def __init__(self) -> None:
        self.used: Usage | None = None

    def take(self, lines: bytes) -> None:
        """See `Meter.take`."""
        self.used = _both(self.used, told_usage(lines.decode("utf-8", "replace")).usage)

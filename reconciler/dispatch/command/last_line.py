"""The usage that a program tells in the last line of its output (docs/runtimes.md#usage)."""

import json
from dataclasses import dataclass

from reconciler.core.runs.usage import Usage, reported

NOT_TOLD = "the program told no usage in its last line"


@dataclass(frozen=True, slots=True)
class Told:
    """`output` without that line; `note` where nothing usable was told."""

    output: str
    usage: Usage | None = None
    note: str | None = None


def told_usage(output: str) -> Told:
    """Take off the last line where it is a JSON object with `usage` and nothing else."""
    before, line = _last_line(output)
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        document = None
    if not (isinstance(document, dict) and document.keys() == {"usage"}):
        return Told(output, note=NOT_TOLD)
    usage, note = reported(document["usage"])
    return Told(before, usage, note or (NOT_TOLD if usage is None else None))


def _last_line(output: str) -> tuple[str, str]:
    """What stands before the last line that is not empty, and that line."""
    written = output.rstrip()
    start = written.rfind("\n") + 1
    return output[:start], written[start:]

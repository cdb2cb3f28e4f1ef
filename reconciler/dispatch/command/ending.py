"""How a program ended, as its supervisor saw it: told over its connection, and kept in a folder."""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reconciler.dispatch.command.supervisor import (
    ANSWER,
    ANSWER_LIMIT,
    COUNT,
    ENDING,
    OUTPUT,
    TAIL_LIMIT,
)
from reconciler.dispatch.command.tail import tail_text


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a program.

    `status` is the exit status, or minus the number of the signal. `clear`: nothing of the run was
    alive then. `outside` is the signal that somebody else sent to the supervisor, 0 for none.
    `error` says why the program could not be executed. `begun` is false where its server died
    before it opened the gate: nothing was executed. `lingered`: it had told its end, lived on, and
    was stopped. `output` is the tail of its output.
    """

    status: int
    clear: bool
    outside: int
    error: str | None
    output: str
    begun: bool = True
    lingered: bool = False


def parse_ending(told: bytes) -> Ending | None:
    """Read what a supervisor told: a line of JSON, then the tail; None where it is not whole."""
    head, line_break, tail = told.partition(b"\n")
    return _ending(head, tail) if line_break else None


def read_ending(folder: Path) -> Ending | None:
    """Read what a supervisor kept in the run's folder; None where it recorded no end."""
    try:
        head = (folder / ENDING).read_bytes()
    except OSError:
        return None
    return _ending(head, _tail_of(folder / OUTPUT, TAIL_LIMIT))


def read_answer(folder: Path) -> bytes:
    """Read the lines of stdout that a supervisor has kept so far; empty where it kept none."""
    return _tail_of(folder / ANSWER, ANSWER_LIMIT)


def first_line(folder: Path) -> bytes:
    """Read the first of those lines; empty while it is not whole."""
    try:
        with (folder / ANSWER).open("rb") as file:
            line = file.read(COUNT) and file.readline(ANSWER_LIMIT)
    except OSError:
        return b""
    return line if line.endswith(b"\n") else b""


def remove_folder(folder: Path) -> None:
    """Remove what a supervisor kept; nothing where it kept nothing."""
    for name in (ENDING, OUTPUT, ANSWER):
        with suppress(OSError):
            (folder / f"{name}.new").unlink()
        with suppress(OSError):
            (folder / name).unlink()
    with suppress(OSError):
        folder.rmdir()


def remove_forgotten(folder: Path, older_than: float, boot: float, now: float) -> None:
    """Remove what runs left that no server released: it was killed between end and release.

    Only what has not changed for `older_than` seconds, and whose supervisor has ended: there is a
    record, or the machine was started since. `boot` and `now` are seconds since 1970.
    """
    for entry in folder.iterdir():
        with suppress(OSError):
            changed = entry.stat().st_mtime
            if now - changed > older_than and (changed < boot or (entry / ENDING).exists()):
                remove_folder(entry)


def _tail_of(path: Path, limit: int) -> bytes:
    """The file may hold more than its limit, and a pinned line, until the program has ended."""
    try:
        with path.open("rb") as file:
            return file.read(COUNT + 3 * limit)[COUNT:]
    except OSError:
        return b""


def _ending(head: bytes, tail: bytes) -> Ending | None:
    try:
        told = json.loads(head)
        output = tail_text(tail[-TAIL_LIMIT:], int(told["dropped"]))
        error = None if told["error"] is None else str(told["error"])
        status, outside = int(told["status"]), int(told["outside"])
        # A supervisor of the version before this one knows nothing of it.
        begun, lingered = bool(told["begun"]), bool(told.get("lingered"))
        return Ending(status, bool(told["clear"]), outside, error, output, begun, lingered)
    except (ValueError, KeyError, TypeError):
        return None

"""What a program has written so far, read from the folder in which its supervisor keeps it.

The two files are tails: bytes at their beginning may be dropped while they are read. A position
counts all bytes ever written, so that a reader goes on where it was and learns what it missed.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reconciler.dispatch.base import Elsewhere, Handle, Written
from reconciler.dispatch.command.processes import Presence, Tree, locate, read_tree
from reconciler.dispatch.command.supervisor import (
    ANSWER,
    ANSWER_LIMIT,
    COUNT,
    OUTPUT,
    TAIL_LIMIT,
)
from reconciler.dispatch.command.tail import CONTINUATION

Shown = Callable[[bytes, bytes], str]
"""Makes a text of what was written on the output, and of the lines that were asked for."""

_PLAIN = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]*")
_POSITION = re.compile(r"(\d{1,18})\.(\d{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Part:
    """What a stream wrote after a position: `after` is where it ends, `cut` that some is gone."""

    data: bytes
    after: int
    cut: bool


def read_written(
    root: Path, run_id: str, handle: Handle, after: str | None, shown: Shown
) -> Written | Elsewhere | None:
    """Read what a run's program wrote after a position; None where nothing is kept (any more)."""
    tree = read_tree(handle.detail)
    if tree is not None and locate(tree.leader) is Presence.ELSEWHERE:
        return Elsewhere(tree.leader.host)
    folder = folder_of(root, tree, run_id)
    if folder is None or not folder.exists():
        return None
    match = _POSITION.fullmatch(after or "")
    seen = (int(match[1]), int(match[2])) if match else (0, 0)
    output = _whole_characters(_read(folder / OUTPUT, TAIL_LIMIT, seen[0]))
    answer = _whole_lines(_read(folder / ANSWER, ANSWER_LIMIT, seen[1], pinned=True))
    return Written(
        text=shown(output.data, answer.data),
        position=f"{output.after}.{answer.after}",
        cut=output.cut or answer.cut,
    )


def read_lines(folder: Path, stream: str, after: int) -> tuple[bytes, int]:
    """Read the whole lines that a stream has after a position; return them and where they end.

    `stream` is the name of its file. What of them was dropped before it was read is lost.
    """
    if stream == ANSWER:
        part = _whole_lines(_read(folder / ANSWER, ANSWER_LIMIT, after, pinned=True))
        return part.data, part.after
    part = _whole_lines(_read(folder / OUTPUT, TAIL_LIMIT, after))
    # After a cut it may begin within a line, of which the end alone could say something else.
    return part.data.partition(b"\n")[2] if part.cut else part.data, part.after


def folder_of(root: Path, tree: Tree | None, run_id: str) -> Path | None:
    """The folder of this very start; None where it has none, or on another host.

    Its name is checked: it comes out of the database, and what it names is removed.
    """
    if tree is None or tree.supervisor is None or locate(tree.leader) is Presence.ELSEWHERE:
        return None
    named, _, start = tree.folder.partition(".")
    if named != run_id or not _PLAIN.fullmatch(named) or not _PLAIN.fullmatch(start):
        return None
    return root / tree.folder


def _read(path: Path, limit: int, seen: int, *, pinned: bool = False) -> _Part:
    """With `pinned` the first line is kept whatever is dropped after it.

    The file is replaced by rename when it is trimmed: count and content read here belong together.
    """
    try:
        with path.open("rb") as file:
            dropped = int(file.read(COUNT), 16)
            first = len(file.readline(limit)) if pinned and dropped else 0
            if seen > os.fstat(file.fileno()).st_size - COUNT + dropped:
                seen = 0  # of another start of the same run
            is_cut = seen < first + dropped
            file.seek(COUNT + (min(seen, first) if is_cut else seen - dropped))
            data = file.read(3 * limit)
    except (OSError, ValueError):
        return _Part(b"", seen, False)
    return _Part(data, (min(seen, first) + dropped if is_cut else seen) + len(data), is_cut)


def _whole_characters(part: _Part) -> _Part:
    """Without the beginning of a character of UTF-8 that is not there in full yet."""
    data = part.data[:3].lstrip(CONTINUATION) + part.data[3:] if part.cut else part.data
    for size in range(1, min(3, len(data)) + 1):
        byte = data[-size]
        if byte in CONTINUATION:
            continue
        wanted = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
        if wanted > size:
            return _Part(data[:-size], part.after - size, part.cut)
        break
    return _Part(data, part.after, part.cut)


def _whole_lines(part: _Part) -> _Part:
    end = part.data.rfind(b"\n") + 1
    return _Part(part.data[:end], part.after - (len(part.data) - end), part.cut)

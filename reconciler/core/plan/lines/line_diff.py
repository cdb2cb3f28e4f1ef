"""The difference between two long texts, line by line, in time that no input can stretch."""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

CONTEXT = 3
_MAX_CELLS = 250_000
"""Beyond this many pairs of lines the middle is shown as replaced whole: difflib is quadratic."""

DiffLine = tuple[str, str]
"""A mark (`@`, ` `, `-` or `+`) and the line."""

_Opcode = tuple[str, int, int, int, int]


def line_diff(before: str, after: str) -> list[DiffLine]:
    """Hunks of a unified diff. Every line that differs is shown, none is cut."""
    old, new = _lines(before), _lines(after)
    lines: list[DiffLine] = []
    for group in _grouped(_opcodes(old, new)):
        first, last = group[0], group[-1]
        lines.append(("@", f"{_range(first[1], last[2])} {_range(first[3], last[4], '+')}"))
        for opcode in group:
            lines.extend(_shown(opcode, old, new))
    return lines


def _lines(text: str) -> list[str]:
    if not text:
        return []
    return text.removesuffix("\n").split("\n") + ([] if text.endswith("\n") else [_NO_NEWLINE])


_NO_NEWLINE = "\\ no line break at the end"


def _opcodes(old: Sequence[str], new: Sequence[str]) -> list[_Opcode]:
    start = _common(old, new)
    end = _common(old[start:][::-1], new[start:][::-1])
    a, b = old[start : len(old) - end], new[start : len(new) - end]
    middle = _middle(a, b)
    shifted = [(t, i1 + start, i2 + start, j1 + start, j2 + start) for t, i1, i2, j1, j2 in middle]
    head: list[_Opcode] = [("equal", 0, start, 0, start)] if start else []
    tail: list[_Opcode] = [("equal", len(old) - end, len(old), len(new) - end, len(new))]
    return head + shifted + (tail if end else [])


def _middle(a: Sequence[str], b: Sequence[str]) -> list[_Opcode]:
    if not a and not b:
        return []
    if len(a) * len(b) > _MAX_CELLS:
        return [("replace", 0, len(a), 0, len(b))]
    return [*SequenceMatcher(None, a, b, autojunk=False).get_opcodes()]


def _common(a: Sequence[str], b: Sequence[str]) -> int:
    count = 0
    for left, right in zip(a, b, strict=False):
        if left != right:
            break
        count += 1
    return count


def _grouped(opcodes: list[_Opcode]) -> Iterator[list[_Opcode]]:
    """Groups of changes that are close to each other, each with a few lines around it."""
    group: list[_Opcode] = []
    for index, (tag, i1, i2, j1, j2) in enumerate(opcodes):
        if tag != "equal":
            group.append((tag, i1, i2, j1, j2))
            continue
        is_last = index == len(opcodes) - 1
        if group and (is_last or i2 - i1 > 2 * CONTEXT):
            group.append((tag, i1, min(i2, i1 + CONTEXT), j1, min(j2, j1 + CONTEXT)))
            yield group
            group = []
        if not is_last:
            skip = 0 if group else max(0, i2 - i1 - CONTEXT)
            group.append((tag, i1 + skip, i2, j1 + skip, j2))
    if any(tag != "equal" for tag, *_ in group):
        yield group


def _range(start: int, stop: int, sign: str = "-") -> str:
    return f"{sign}{start + 1 if stop > start else start},{stop - start}"


def _shown(opcode: _Opcode, old: Sequence[str], new: Sequence[str]) -> Iterator[DiffLine]:
    tag, i1, i2, j1, j2 = opcode
    if tag == "equal":
        yield from ((" ", line) for line in old[i1:i2])
        return
    yield from (("-", line) for line in old[i1:i2])
    yield from (("+", line) for line in new[j1:j2])

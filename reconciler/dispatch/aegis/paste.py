"""A prompt as keys of a terminal: one bracketed paste, which arrives as one prompt.

Aegis types line by line with Enter between, and the agent takes Enter for "submit" unless it
stands within a paste. tmux takes a line that begins with `-` for an option and no line over 16 KB.
So lines are parted by CR, with an LF about every 6,000 bytes (docs/runtimes.md#aegis).
"""

import re

from reconciler.dispatch.aegis.prompt import fit, units
from reconciler.dispatch.base import Job

OPENING, CLOSING = "\x1b[200~", "\x1b[201~"
CHUNK = 6_000
"""Bytes after which an LF is looked for."""
LONGEST_LINE = 4_000
"""Bytes of a line, at most; a longer one is broken."""
_LONGEST_CHUNK = 12_000
_COMPARED = 200
"""Characters by which a prompt is known again, white space apart."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SHELL = "!/#&"
"""What a prompt may not begin with: the agent takes it for a shell, a command, a note."""


def prompt_of(job: Job) -> str:
    """What the agent of a run is asked: its title where there is nothing else to type."""
    return job.prompt if clean(job.prompt).strip() else job.title


def typed(prompt: str, limit: int) -> str:
    """The keys for a prompt, at most `limit` UTF-16 units; what is cut of it is said."""
    return OPENING + _parted(fit(clean(prompt), limit - units(OPENING + CLOSING))) + CLOSING


def clean(prompt: str) -> str:
    """The prompt without control characters (they could end the paste), no line too long."""
    plain = _CONTROL.sub("", prompt.replace("\r\n", "\n").replace("\r", "\n")).strip("\n")
    text = "\n".join(part for line in plain.split("\n") for part in _broken(line))
    return f"Task: {text}" if text.lstrip()[:1] in tuple(_SHELL) else text


def same_text(ours: str, shown: str) -> bool:
    """Whether a transcript's entry is our prompt; terminals change white space."""
    expected, actual = _words(ours), _words(shown)
    if not expected:
        return False
    # A short text may stand there twice: Aegis types again what it did not see arrive.
    repeated = expected * (len(actual) // len(expected))
    return actual[:_COMPARED] in (expected[:_COMPARED], repeated[:_COMPARED])


def _words(text: str) -> str:
    return "".join(text[: 20 * _COMPARED].split())


def _broken(line: str) -> list[str]:
    width = LONGEST_LINE if line.isascii() else LONGEST_LINE // 4
    return [line[start : start + width] for start in range(0, len(line), width)] or [""]


def _parted(text: str) -> str:
    """Lines parted by CR, and by LF where a chunk is long enough and the next line may begin one.

    Where nothing but lines that begin with `-` follows, one of them gets a space in front.
    """
    first, *lines = text.split("\n")
    parts, size = [first], _bytes(first)
    for line in lines:
        if size < CHUNK or (line.startswith("-") and size < _LONGEST_CHUNK):
            parts.append(f"\r{line}")
            size += 1 + _bytes(line)
        else:
            parts.append(f"\n {line}" if line.startswith("-") else f"\n{line}")
            size = _bytes(line)
    return "".join(parts)


def _bytes(line: str) -> int:
    return len(line.encode("utf-8", "replace"))

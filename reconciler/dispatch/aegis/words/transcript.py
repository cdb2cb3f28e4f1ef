"""What was said in a session: which entry is our prompt, and what the agent answered."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from reconciler.core.runs.run import Json
from reconciler.dispatch.aegis.paste import same_text

_WORDS: Final = "text"
"""The kind of content that is words to anybody."""
_CLOCKS_APART: Final = 1000.0
"""Milliseconds: agent and server run on one host and write times with different care."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a transcript. `at` is in milliseconds since 1970, 0 where that is not told."""

    role: str
    kind: str
    text: str
    at: float = 0.0


def prompt_at(entries: Sequence[Entry], prompt: str, since: float | None) -> int | None:
    """The index of our prompt, among entries that are not older than the session (`since`)."""
    for index, entry in enumerate(entries):
        if is_prompt(entry) and _fresh(entry, since) and same_text(prompt, entry.text):
            return index
    return None


def others_prompt(entries: Sequence[Entry], since: float | None) -> Entry | None:
    """A prompt in a transcript that does not hold ours."""
    return next((e for e in entries if is_prompt(e) and _fresh(e, since)), None)


def is_prompt(entry: Entry) -> bool:
    """Whether it is what somebody asked; results of tools are entries of the user, too."""
    return entry.role == "user" and entry.kind == _WORDS and bool(entry.text.strip())


def answer(entries: Sequence[Entry], prompt: str, since: float | None) -> str | None:
    """What the agent said after our prompt, messages parted by an empty line.

    None where the transcript does not hold the prompt: it is another session's.
    """
    at = prompt_at(entries, prompt, since)
    if at is None:
        return None
    texts = (e.text for e in entries[at + 1 :] if e.role == "assistant" and e.kind == _WORDS)
    return "\n\n".join(text for text in texts if text)


def last_is_answer(entries: Sequence[Entry]) -> bool:
    """Whether the last entry is words of the agent."""
    return bool(entries) and (entries[-1].role, entries[-1].kind) == ("assistant", _WORDS)


def read_entries(value: Mapping[str, Json]) -> list[Entry] | None:
    """A page of a transcript; None where it is something else."""
    messages = value.get("messages")
    if not isinstance(messages, list):
        return None
    return [_entry(message) for message in messages if isinstance(message, dict)]


def _fresh(entry: Entry, since: float | None) -> bool:
    return since is None or entry.at == 0.0 or entry.at >= since - _CLOCKS_APART


def _entry(value: Mapping[str, Json]) -> Entry:
    role, kind, text = (value.get(name) for name in ("role", "contentType", "text"))
    return Entry(
        role if isinstance(role, str) else "",
        kind if isinstance(kind, str) else _WORDS,
        text if isinstance(text, str) else "",
        _moment(value.get("timestamp")),
    )


def _moment(value: Json) -> float:
    with suppress(ValueError, OverflowError):
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return aware.timestamp() * 1000
        if isinstance(value, int | float) and abs(value) < 1e15:
            return float(value)
    return 0.0

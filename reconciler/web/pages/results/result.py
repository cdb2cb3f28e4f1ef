"""The result of a run as its page shows it (docs/runtimes.md#what-comes-back)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from reconciler.web.pages.rendering import shown_json
from reconciler.web.pages.results.json_tree import json_tree
from reconciler.web.pages.results.markdown import is_markdown, markdown

_OWN = ("text", "denied", "stderr", "sessionId", "resumeCommand", "usage")
"""Fields of a coding agent's result that the page shows apart."""
MOST_DENIED = 20


@dataclass(frozen=True, slots=True)
class Part:
    """A payload or result as text; `cut` says that there is more. `tree` where it is JSON."""

    text: str
    cut: bool
    tree: Markup | None = None


@dataclass(frozen=True, slots=True)
class Denied:
    """A tool that the agent was not allowed to use, and with what."""

    tool: str
    input: str


@dataclass(frozen=True, slots=True)
class ShownResult:
    """`html` is the answer rendered, `answer` the same as it came; `more` is what else there is."""

    html: Markup | None = None
    answer: Part | None = None
    more: Part | None = None
    stderr: str | None = None
    resume: str | None = None
    denied: tuple[Denied, ...] = ()


def part_of(value: Any) -> Part | None:
    """A payload, or whatever else is JSON; None where there is none."""
    return None if value is None else Part(*shown_json(value), json_tree(value))


def shown_result(value: Any) -> ShownResult:
    """A result of whatever runtime."""
    if isinstance(value, str):
        return _answer(value)
    if not isinstance(value, Mapping) or not isinstance(value.get("text", ""), str):
        return ShownResult(more=part_of(value))
    shown = _answer(value["text"]) if value.get("text") else ShownResult()
    others = {name: part for name, part in value.items() if name not in _OWN}
    return ShownResult(
        html=shown.html,
        answer=shown.answer,
        more=part_of(others or None),
        stderr=_text(value.get("stderr")),
        resume=_text(value.get("resumeCommand")),
        denied=_denied(value.get("denied")),
    )


def _answer(text: str) -> ShownResult:
    html = markdown(text) if is_markdown(text) else None
    return ShownResult(html=html, answer=Part(*shown_json(text)))


def _text(value: Any) -> str | None:
    return shown_json(value)[0] if isinstance(value, str) and value.strip() else None


def _denied(value: Any) -> tuple[Denied, ...]:
    entries = value if isinstance(value, list) else []
    return tuple(
        Denied(str(entry.get("tool")), shown_json(entry.get("input"))[0][:500])
        for entry in entries[:MOST_DENIED]
        if isinstance(entry, Mapping)
    )

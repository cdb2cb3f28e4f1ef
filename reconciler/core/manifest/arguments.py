"""Arguments of programs: texts with `{{ run.id }}` and `{{ run.title }}` in them."""

import re

_OURS = re.compile(r"\{\{\s*run\.([^{}]*?)\s*\}\}")
NAMES = ("id", "title")
"""What may stand after `run.`; any other double braces are left as they are."""


def unknown_names(text: str) -> list[str]:
    """Return what the text asks of the run that arguments cannot have."""
    return [name for name in _OURS.findall(text) if name not in NAMES]


def fill_in(text: str, run_id: str, title: str) -> str:
    """Put the run's own values in; braces in a title mean nothing."""
    values = {"id": run_id, "title": title}
    return _OURS.sub(lambda match: values.get(match[1], match[0]), text)

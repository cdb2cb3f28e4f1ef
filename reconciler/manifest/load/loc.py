"""Where in a value: a path of keys and indexes, and how it is written for people."""

import json
import re

Loc = tuple[str | int, ...]
"""`("spec", "triggers", 0, "cron")`."""

_SIMPLE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)
_LONGEST_KEY = 60


def dotted(loc: Loc) -> str:
    """`spec.triggers[0].cron`; keys that are no plain words stand in brackets and quotes."""
    text = "".join(_part(part) for part in loc)
    return text.removeprefix(".")


def _part(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    if len(part) > _LONGEST_KEY:
        part = part[: _LONGEST_KEY - 1] + "…"
    return f".{part}" if _SIMPLE.fullmatch(part) else f"[{json.dumps(part, ensure_ascii=False)}]"

"""The values of a manifest as the texts of a form, and back."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from typing import Any

from reconciler.core.manifest.merge import MISSING

_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_AMOUNT = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)


class Kind(StrEnum):
    """How a value is written in a form."""

    LINE = "line"
    """A text without line breaks, and without blanks around it."""
    TEXT = "text"
    """A text of several lines."""
    EXPRESSION = "expression"
    """CEL: of several lines too, and without blanks around it."""
    NUMBER = "number"
    AMOUNT = "amount"
    """US dollars, with a point."""
    PERIOD = "period"
    """A duration that `0` turns off."""
    CHOICE = "choice"
    """One of the options; the first one is the default."""
    LISTED = "listed"
    """A list of one of the options, or nothing at all."""
    PROGRAM = "program"
    """The name of a bound program."""
    LINES = "lines"
    """A list of texts, each on a line."""
    PAIRS = "pairs"
    """Texts by name, each `name=value` on a line."""


def shown(kind: Kind, value: Any) -> str:
    """The text of a value; empty for what is not there, JSON for what is of the wrong type."""
    match kind, value:
        case _ if value is MISSING or value is None:
            return ""
        case _, str():
            return value
        case ((Kind.NUMBER | Kind.AMOUNT | Kind.PERIOD), int()) if not isinstance(value, bool):
            return str(value)
        case Kind.AMOUNT, float():
            return format(Decimal(repr(value)), "f")
        case ((Kind.LINES | Kind.LISTED), list()) if _are_texts(value):
            return "\n".join(value)
        case Kind.PAIRS, dict() if _are_texts([*value, *value.values()]):
            return "\n".join(f"{name}={text}" for name, text in value.items())
    return json.dumps(value, ensure_ascii=False)


def read(kind: Kind, text: str) -> Any:
    """The value of a text, MISSING for an empty one.

    What is not as its kind wants it stays a text, so that the check of manifests says so.
    """
    bare = text.strip()
    if not bare:
        return MISSING
    match kind:
        case Kind.NUMBER:
            return int(bare) if _NUMBER.fullmatch(bare) else bare
        case Kind.AMOUNT:
            return _amount(bare)
        case Kind.PERIOD:
            return 0 if bare == "0" else bare
        case Kind.TEXT:
            return text
        case Kind.LISTED:
            return [bare]
        case Kind.LINES:
            return [line for line in text.split("\n") if line.strip()]
        case Kind.PAIRS:
            return dict(_pairs(text))
        case _:
            return bare


def is_exact(kind: Kind, value: Any) -> bool:
    """Whether the form can say this value: else it is shown, and left to the YAML."""
    if isinstance(value, str) and kind in (Kind.LINE, Kind.EXPRESSION):
        return kind is Kind.EXPRESSION or "\n" not in value.strip()
    expected = MISSING if value is None or value in ([], {}) else value
    return bool(read(kind, shown(kind, value)) == expected)


def same(kind: Kind, text: str, other: str) -> bool:
    """Whether two texts are one to a browser: it writes line breaks as CRLF, and none in a line."""
    return _sent(kind, text) == _sent(kind, other)


def _sent(kind: Kind, text: str) -> str:
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    is_line = kind in (Kind.LINE, Kind.NUMBER, Kind.AMOUNT, Kind.PERIOD)
    return plain.replace("\n", "") if is_line else plain


def _amount(text: str) -> int | float | str:
    if not _AMOUNT.fullmatch(text):
        return text
    return float(text) if "." in text else int(text)


def _pairs(text: str) -> Iterator[tuple[str, Any]]:
    """A line without `=` is a name without a value, which the check of manifests refuses."""
    for line in filter(None, map(str.strip, text.split("\n"))):
        name, equals, value = line.partition("=")
        yield name.strip(), value.strip() if equals else None


def _are_texts(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)

"""Text to YAML events, through libyaml; where libyaml is stricter than YAML 1.2, it is helped.

Two things that YAML 1.2 allows and libyaml refuses are disguised by characters that it lets pass,
one for one so that positions stay, and are put back into the values:

- `:` inside a plain scalar of a flow collection, `{url: http://127.0.0.1}`;
- a pair of surrogates in a JSON text, `"\\ud83d\\ude00"`.
"""

import re
from collections.abc import Iterator
from typing import Any, Protocol

from _ruamel_yaml import CParser
from ruamel.yaml.error import MarkedYAMLError, YAMLError

_COLON, _FILLER = "\ue000", "\ue001"
"""Characters of the private use area; a text that holds them is not disguised."""
_INNER_COLON = re.compile(r"(?<=[^\s\[\]{},\"']):(?=[^\s\[\]{},])")
_JSON = re.compile(r"\s*(?:---\s+)?[{\[]")
_PAIR = re.compile(
    r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})", re.ASCII
)


class Mark(Protocol):
    """A place of libyaml: all three count from 0, in characters."""

    index: int
    line: int
    column: int


class Event(Protocol):
    """What the events of libyaml have that matters here; each kind has a part of it."""

    start_mark: Mark
    end_mark: Mark
    anchor: str | None
    ctag: Any
    value: str
    style: str


class Events:
    """The events of one text. `restore` gives a value of them as it was written."""

    __slots__ = ("_parser", "disguised")

    def __init__(self, text: str, *, disguised: bool = False) -> None:
        self.disguised = disguised
        self._parser = CParser((_disguise(text) if disguised else text).encode("utf-8"))

    def __iter__(self) -> Iterator[Event]:
        """Raises YAMLError."""
        return iter(self._parser.get_event, None)

    def restore(self, value: str) -> str:
        """The scalar as it stands in the text."""
        if not self.disguised:
            return value
        return value.replace(_COLON, ":").replace(_FILLER, "")


def can_be_helped(error: YAMLError, text: str) -> bool:
    """Whether reading the text once more in disguise may get further."""
    problem = error.problem if isinstance(error, MarkedYAMLError) else None
    helpful = problem in ("found unexpected ':'", "found invalid Unicode character escape code")
    return helpful and _COLON not in text and _FILLER not in text


def _disguise(text: str) -> str:
    text = _INNER_COLON.sub(_COLON, text)
    # Outside of JSON the same characters may be meant as they stand, in single quotes or a block.
    return _PAIR.sub(_joined, text) if _JSON.match(text) else text


def _joined(pair: re.Match[str]) -> str:
    high, low = int(pair[2], 16), int(pair[3], 16)
    character = chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
    return pair[1] + character + _FILLER * (len(pair[0]) - len(pair[1]) - 1)

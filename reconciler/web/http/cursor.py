"""Cursors of lists: the key of the last item seen, opaque to clients (docs/http.md#conventions)."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request

from reconciler.web.http.problems import HttpProblem

MAX_LENGTH = 600
_VERSION = 1


def encode_cursor(kind: str, *key: str | int) -> str:
    """The cursor after the item of this key, in a list of this kind."""
    text = json.dumps([_VERSION, kind, *key], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode("ascii")


def decode_cursor(cursor: str, kind: str, *types: type[str] | type[int]) -> tuple[str | int, ...]:
    """The key in a cursor. Raises a problem 400 for one that this list did not give."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise _refused() from None
    if not isinstance(parts, list) or parts[:2] != [_VERSION, kind]:
        raise _refused()
    key = tuple(parts[2:])
    if tuple(type(part) for part in key) != types or any(_unstorable(part) for part in key):
        raise _refused()
    return key


class _Identified(Protocol):
    @property
    def id(self) -> str: ...


T = TypeVar("T", bound=_Identified)


@dataclass(frozen=True, slots=True)
class Paged(Generic[T]):
    """One page of a list, newest first; `older` and `newest` are addresses, None without one."""

    rows: Sequence[T] = ()
    older: str | None = None
    newest: str | None = None


def read_page(
    request: Request, kind: str, size: int, read: Callable[[str | None, int], Sequence[T]]
) -> Paged[T]:
    """The page that the parameter `cursor` names, of rows that `read(before, limit)` returns."""
    parameters = [(name, value) for name, value in request.query_params.multi_items() if value]
    others = [(name, value) for name, value in parameters if name != "cursor"]
    cursor, here = dict(parameters).get("cursor"), request.url.path
    before = str(decode_cursor(cursor, kind, str)[0]) if cursor else None
    rows = read(before, size + 1)
    shown, older = rows[:size], None
    if len(rows) > size:
        older = f"{here}?{urlencode([*others, ('cursor', encode_cursor(kind, shown[-1].id))])}"
    return Paged(shown, older, f"{here}?{urlencode(others)}" if before else None)


def _unstorable(part: str | int) -> bool:
    if isinstance(part, int):
        return abs(part) > 2**62
    return "\0" in part or not part.isprintable()


def _refused() -> HttpProblem:
    return HttpProblem(
        400, "cursor-invalid", "this cursor is not of this list; start again without one"
    )

"""The child process in which expressions of unknown cost are evaluated.

Started by `process.py`. It reads frames (four bytes of length, then JSON) from stdin and
answers each with one on stdout: `{"value": …}` or `{"failed": "…"}`. Its address space is limited,
and the kernel ends it when one evaluation takes more CPU time than allowed: Python cannot,
because the library holds the GIL. It ends with its parent, whose end closes stdin.
"""

import contextlib
import json
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any

from reconciler.core.cel import (
    ANSWER_VARIABLES,
    CALL_VARIABLES,
    CONDITION_VARIABLES,
    EXPECT_VARIABLES,
    KEY_VARIABLES,
    MOMENT_VARIABLES,
    TITLE_VARIABLES,
    EvaluationError,
    ExpressionError,
    as_condition,
    as_json,
    as_key,
    as_text,
    compile_expression,
    execute,
)
from reconciler.core.manifest.checks.result_schema import mismatch

MAX_FRAME = 64 * 1024**2
"""Bytes of one frame; a sender is cut off long before by the weight of its values."""
TEXT_LIMIT = 400
"""Characters of one placeholder that are worth carrying: a title shows at most 200."""

SCHEMA = "schema"
"""The kind of a request whose text is a JSON Schema, and whose only variable is a result."""

Kind = tuple[frozenset[str], Callable[[Any], bool | str]]

KINDS: dict[str, Kind] = {
    "condition": (CONDITION_VARIABLES, as_condition),
    "moment": (MOMENT_VARIABLES, as_condition),
    "call": (CALL_VARIABLES, as_condition),
    "expectation": (EXPECT_VARIABLES, as_condition),
    "key": (KEY_VARIABLES, as_key),
    "text": (TITLE_VARIABLES, lambda value: as_text(value, TEXT_LIMIT)),
    "json": (ANSWER_VARIABLES, as_json),
}
"""By what is asked for: the variables that may be read, and how the value is taken."""


def main() -> None:
    """`argv`: the seconds of CPU time per evaluation, the bytes of address space."""
    seconds, memory = float(sys.argv[1]), int(sys.argv[2])
    logging.disable()  # the library logs the failures of methods, with what the payload held
    _limit(resource.RLIMIT_AS, memory)
    _limit(resource.RLIMIT_CORE, 0)
    _send({"value": "ready"})
    while (request := _receive()) is not None:
        _import_what_it_needs(request)  # the time of an import is nobody's evaluation
        signal.setitimer(signal.ITIMER_PROF, seconds)
        answer = _answer(request)
        signal.setitimer(signal.ITIMER_PROF, 0)
        _send(answer)


def _import_what_it_needs(request: bytes) -> None:
    if f'"kind": "{SCHEMA}"'.encode() in request:
        mismatch("{}", None)


def _limit(what: int, value: int) -> None:
    with contextlib.suppress(OSError, ValueError):  # macOS knows no limit of the address space
        resource.setrlimit(what, (value, value))


def _answer(request: bytes) -> dict[str, bool | str]:
    try:
        asked = json.loads(request)
        if asked["kind"] == SCHEMA:
            wrong = mismatch(asked["text"], asked["variables"]["result"])
            return {"value": True} if wrong is None else {"failed": wrong}
        variables, take = KINDS[asked["kind"]]
        expression = compile_expression(asked["text"], variables=variables)
        return {"value": take(execute(expression, asked["variables"]))}
    except (EvaluationError, ExpressionError) as error:
        return {"failed": error.message}
    except MemoryError:
        return {"failed": "it needs too much memory"}


def _receive() -> bytes | None:
    header = _read(4)
    if header is None:
        return None
    length = int.from_bytes(header, "big")
    return _read(length) if length <= MAX_FRAME else None


def _read(length: int) -> bytes | None:
    parts: list[bytes] = []
    while length:
        part = os.read(sys.stdin.fileno(), min(length, 1 << 20))
        if not part:
            return None
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def _send(answer: dict[str, bool | str]) -> None:
    body = json.dumps(answer).encode()
    unsent = len(body).to_bytes(4, "big") + body
    while unsent:
        unsent = unsent[os.write(sys.stdout.fileno(), unsent) :]

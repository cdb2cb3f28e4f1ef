"""What is kept of a run's result: bounded, and nothing that a database cannot store."""

import json
import math
import re

from reconciler.core.runs.run import Json

RESULT_LIMIT = 256 * 1024
"""Bytes of a run's result that are kept."""
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def cut_result(result: Json, limit: int = RESULT_LIMIT) -> Json:
    """The result as it is kept: what is over `limit` bytes keeps its tail, and a line says so.

    A text keeps its own tail; of other JSON that is too large the tail of its text is kept. NUL
    and lone surrogates become U+FFFD, numbers that JSON does not have become null.
    """
    try:
        raw = _raw(result)
        if len(raw) > limit:
            return _cut(raw, limit)
        # Only now: value by value, megabytes of them would keep the event loop for seconds.
        storable = _storable(result)
        raw = _raw(storable)
    except RecursionError:
        return "[the result nests too deeply to be kept]"
    return storable if len(raw) <= limit else _cut(raw, limit)


def _raw(result: Json) -> bytes:
    text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
    return _UNSTORABLE.sub("\ufffd", text).encode("utf-8")


def _cut(raw: bytes, limit: int) -> str:
    tail = raw[-limit:].decode("utf-8", "ignore")
    return f"[cut: the first {len(raw) - limit} bytes are not kept]\n{tail}"


def _storable(value: Json) -> Json:
    match value:
        case str():
            return _UNSTORABLE.sub("\ufffd", value)
        case float() if not math.isfinite(value):
            return None
        case list() | tuple():
            return [_storable(item) for item in value]
        case dict():
            return {_storable(str(name)): _storable(item) for name, item in value.items()}
        case _:
            return value

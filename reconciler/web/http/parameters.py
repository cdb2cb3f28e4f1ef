"""Query strings and bodies become models; whatever is wrong with them is said all at once."""

import asyncio
import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar, get_origin

from pydantic import Field, ValidationError
from starlette.requests import ClientDisconnect, Request

from reconciler.core.webhooks.payload import parse_json
from reconciler.web.http.faults import NO_CONTROLS, faults
from reconciler.web.http.operation import Wire
from reconciler.web.http.problems import HttpProblem

M = TypeVar("M", bound=Wire)

BODY_DEADLINE = 15.0
"""Seconds that a body may take to arrive."""
LARGE = 64 * 1024
"""Bytes from which a body is parsed beside the event loop: a list of numbers takes its time."""


IDEMPOTENCY_KEY = {
    "Idempotency-Key": "1 to 255 visible ASCII characters: the same key gives the same run, for 72h"
}
"""The header as the description of an operation says it."""
_KEY_LENGTH = 255

Text = Annotated[str, Field(min_length=1, max_length=256, pattern=NO_CONTROLS)]
"""A word of a query: at most 256 characters, none of them a control character."""


def read_query(request: Request, model: type[M], *, from_form: bool = False) -> M:
    """The parameters of a request. Raises a problem 400 that names each one that is wrong.

    A form of a page sends its empty fields too: they count as not given.
    """
    names = {field.alias or name: field for name, field in model.model_fields.items()}
    values: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if from_form and not value:
            continue
        if name in names and _takes_many(names[name].annotation):
            values.setdefault(name, []).append(value)
        elif name in values:
            raise _refused([{"field": name, "message": "was given more than once"}], 400)
        else:
            values[name] = value
    return _validated(model, values, 400)


def read_idempotency_key(request: Request) -> str | None:
    """The header's value, if there is one. Raises a problem 400 for one that is malformed."""
    values = request.headers.getlist("idempotency-key")
    return require_idempotency_key(values) if values else None


def require_idempotency_key(values: Sequence[str]) -> str:
    """The only one of the keys that were sent. Raises a problem 400 where it is malformed."""
    key = values[0]
    visible = key.isascii() and key.isprintable() and " " not in key
    if len(values) > 1 or not 1 <= len(key) <= _KEY_LENGTH or not visible:
        raise HttpProblem(
            400,
            "idempotency-key-invalid",
            f"Idempotency-Key is sent once, with 1 to {_KEY_LENGTH} visible ASCII characters",
        )
    return key


def _takes_many(annotation: Any) -> bool:
    origin = get_origin(annotation)
    if origin in (types.UnionType, None):
        return False
    return origin in (tuple, list)


async def read_body(request: Request, model: type[M], limit: int) -> M:
    """The JSON body of a request. Raises problems 400, 408, 413, 415 and 422."""
    raw = await read_bytes(request, limit)
    if not raw:
        return _validated(model, {}, 422)
    _require_json(request.headers.get("content-type"))
    if len(raw) < LARGE:
        return _understood(raw, model)
    return await asyncio.to_thread(_understood, raw, model)


def _understood(raw: bytes, model: type[M]) -> M:
    value = parse_json(raw)
    if not isinstance(value, dict):
        raise HttpProblem(422, "body-invalid", "the body must be a JSON object")
    return _validated(model, value, 422)


async def read_bytes(request: Request, limit: int) -> bytes:
    """The raw body, at most `limit` bytes, within a deadline."""
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > limit:
        raise _too_large(limit)
    chunks, size = [], 0
    try:
        async with asyncio.timeout(BODY_DEADLINE):
            # The declared length may be wrong or missing, so what really arrives is counted too.
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise _too_large(limit)
                chunks.append(chunk)
    except TimeoutError:
        raise HttpProblem(408, "body-too-slow", "the body did not arrive in time") from None
    except ClientDisconnect:
        raise HttpProblem(400, "body-incomplete", "the body ended early") from None
    return b"".join(chunks)


def _too_large(limit: int) -> HttpProblem:
    return HttpProblem(413, "body-too-large", f"the body may have at most {limit} bytes")


def _require_json(content_type: str | None) -> None:
    media = (content_type or "").partition(";")[0].strip().lower()
    if media != "application/json" and not media.endswith("+json"):
        raise HttpProblem(415, "content-type", "send the body as application/json")


def _validated(model: type[M], values: Mapping[str, Any], status: int) -> M:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        allowed = [field.alias or name for name, field in model.model_fields.items()]
        raise _refused(list(faults(error, allowed)), status) from None


def _refused(errors: list[dict[str, str]], status: int) -> HttpProblem:
    code = "parameter-invalid" if status == 400 else "body-invalid"
    detail = "; ".join(f"{error['field']}: {error['message']}" for error in errors[:5])
    return HttpProblem(status, code, detail, errors=errors[:50])

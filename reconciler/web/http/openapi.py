"""The description of the API (OpenAPI 3.1), made of the same declarations that serve it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from reconciler import __version__
from reconciler.manifest.schema import DESCRIBED, Generator, tidied
from reconciler.web.http.answers import JSON
from reconciler.web.http.endpoint import AnyOperation
from reconciler.web.http.operation import NUMBER, Content, NoBody, Wire
from reconciler.web.http.problems import MEDIA_TYPE, phrase

Document = dict[str, Any]

_ALWAYS = (400, 403, 500, 503)
_WITH_ROLE = (401,)
_WITH_BODY = (408, 413, 415, 422)
_REF = "#/components/schemas/{model}"
_ABOUT = """\
Autopilots and their triggers live as YAML in a repository; this API shows what is in force, starts
and cancels runs, and takes webhooks. Manifests are changed as YAML: in git, or by
writes that edit it.

Lists are pages: ask again with `cursor` set to `nextCursor` until that is null. Answers to GET
carry an `ETag`; send it back in `If-None-Match` and an unchanged answer is 304. Times are RFC 3339
in UTC. Errors are problem details (RFC 9457) with a stable `code`.
"""
_HEADERS = {
    "ETag": "Changes whenever the answer does. Of an object with a manifest, the part before the "
    "dot changes only with the manifest.",
    "Location": "Where the new thing is.",
    "Output-Position": "What was written after it is asked for with `after`.",
}
PROBLEM: Document = {
    "type": "object",
    "description": "Problem details (RFC 9457).",
    "properties": {
        "type": {"type": "string", "description": "A URN of the code, or about:blank."},
        "title": {"type": "string", "description": "The phrase of the status."},
        "status": {"type": "integer", "description": "The status."},
        "detail": {"type": "string", "description": "What happened, and how to fix it."},
        "code": {"type": "string", "description": "Stable, for machines."},
    },
    "required": ["type", "title", "status", "detail", "code"],
}


def description(
    operations: Sequence[AnyOperation], more: Mapping[str, Any] = {}, below: str = ""
) -> Document:
    """The whole description; `more` are paths that no operation serves, all are `below` a path."""
    schemas, references = _schemas(operations)
    paths: dict[str, Document] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(
            operation, references
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "reconciler",
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": below or "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for operation in operations)],
        "paths": dict(sorted((paths | dict(more)).items())),
        "components": {
            "schemas": {"Problem": PROBLEM, **schemas},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


Key = tuple[Any, JsonSchemaMode]


def _schemas(operations: Sequence[AnyOperation]) -> tuple[Document, dict[Key, Document]]:
    """Every model that is sent or received, once, and how each is referred to."""
    wanted: dict[Key, TypeAdapter[Any]] = {}
    for operation in operations:
        if operation.body is not NoBody:
            wanted[(operation.body, "validation")] = TypeAdapter(described_by(operation.body))
        for content in operation.answers.values():
            for model in content.media.values():
                if model is not None:
                    wanted[(model, "serialization")] = TypeAdapter(model)
    inputs = [(str(i), key[1], adapter) for i, (key, adapter) in enumerate(wanted.items())]
    schemas, shared = TypeAdapter.json_schemas(
        inputs, ref_template=_REF, schema_generator=Generator, by_alias=True
    )
    references = {key: schemas[(str(i), key[1])] for i, key in enumerate(wanted)}
    # Clients name classes by titles: what is sent and what is received need two.
    titled = {name: {**schema, "title": name} for name, schema in shared.get("$defs", {}).items()}
    return tidied(titled, (*DESCRIBED, _text_or_zero)), references


def _text_or_zero(schema: Document) -> Document:
    """`anyOf` of a text and the number 0 as one type of both: clients are generated from it."""
    parts: list[Document] = schema.get("anyOf", [])
    if len(parts) != 2 or parts[0].get("type") != "string" or parts[1] != {"const": 0}:
        return schema
    others = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**parts[0], **others, "type": ["string", "integer"], "minimum": 0, "maximum": 0}


def described_by(body: type[Wire]) -> Any:
    """The type that a body is described by: its own, or that of the manifest that it takes."""
    return getattr(body, "described_by", body)


def _operation(operation: AnyOperation, references: Mapping[Key, Document]) -> Document:
    described: Document = {
        "operationId": operation_id(operation),
        "summary": operation.summary,
        "description": " ".join((operation.handler.__doc__ or "").split()),
        "tags": [operation.tag],
        "parameters": [
            *_path_parameters(operation),
            *_query_parameters(operation),
            *_headers(operation),
        ],
        "responses": _responses(operation, references),
    }
    if role := operation.role:
        described["security"] = [{"token": []}]
        described["x-role"] = role.value
    if operation.body is not NoBody:
        schema = references[(operation.body, "validation")]
        required = described_by(operation.body) is not operation.body or any(
            field.is_required() for field in operation.body.model_fields.values()
        )
        described["requestBody"] = {"required": required, "content": {JSON: {"schema": schema}}}
    return described


def operation_id(operation: AnyOperation) -> str:
    """A name for generated clients: `GET /v1/runs/{id}` is `get_runs_id`."""
    words = re.findall(r"[A-Za-z]+", operation.path.removeprefix("/v1"))
    return "_".join([operation.method.lower(), *words])


_COUNTED = {"type": "integer", "minimum": 1, "maximum": 10**18 - 1}


def _path_parameters(operation: AnyOperation) -> Iterable[Document]:
    for name in re.findall(r"\{(\w+)\}", operation.path):
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "schema": _COUNTED if name == NUMBER else {"type": "string", "format": "uuid"},
        }


def _query_parameters(operation: AnyOperation) -> Iterable[Document]:
    schema = operation.query.model_json_schema(by_alias=True, schema_generator=Generator)
    shared = schema.get("$defs", {})
    for name, field in schema.get("properties", {}).items():
        plain = _without_null(_inlined(field, shared))
        yield {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "description": plain.pop("description", ""),
            "schema": plain,
        }


def _headers(operation: AnyOperation) -> Iterable[Document]:
    for name, about in operation.headers.items():
        schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
        yield {"name": name, "in": "header", "description": about, "schema": schema}


def _inlined(schema: Document, shared: Document) -> Document:
    """A schema without references: a parameter stands for itself."""
    inlined = dict(schema)
    if reference := inlined.pop("$ref", None):
        target = dict(shared[reference.rpartition("/")[2]])
        target.pop("title", None)
        inlined = {**target, **inlined}
    if "anyOf" in inlined:
        inlined["anyOf"] = [_inlined(part, shared) for part in inlined["anyOf"]]
    return inlined


def _without_null(schema: Document) -> Document:
    """A parameter is not sent rather than null."""
    parts = [part for part in schema.get("anyOf", []) if part != {"type": "null"}]
    plain = {k: v for k, v in schema.items() if k != "title" and not (k == "default" and v is None)}
    if len(parts) == 1:
        del plain["anyOf"]
        return {**{k: v for k, v in parts[0].items() if k != "description"}, **plain}
    return plain


def _responses(operation: AnyOperation, references: Mapping[Key, Document]) -> Document:
    answers: dict[int, Document] = {
        status: _content(content, references) for status, content in operation.answers.items()
    }
    if any("ETag" in content.headers for content in operation.answers.values()):
        answers[304] = {"description": "Not changed since the answer with the ETag that was sent."}
    for status in sorted({*_ALWAYS, *operation.problems, *_implied(operation)} - set(answers)):
        schema = {"$ref": _REF.format(model="Problem")}
        answers[status] = {
            "description": phrase(status),
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
    return {str(status): answers[status] for status in sorted(answers)}


def _implied(operation: AnyOperation) -> Iterable[int]:
    if operation.role:
        yield from _WITH_ROLE
    if "{" in operation.path:
        yield 404
    if operation.method not in ("GET", "HEAD"):
        yield from _WITH_BODY


def _content(content: Content, references: Mapping[Key, Document]) -> Document:
    described: Document = {"description": content.description}
    if content.media:
        described["content"] = {
            media: {"schema": references[(model, "serialization")]} if model is not None else {}
            for media, model in content.media.items()
        }
    if content.headers:
        described["headers"] = {
            name: {"description": _HEADERS[name], "schema": {"type": "string"}}
            for name in content.headers
        }
    return described


@cache
def webhook_path() -> Document:
    """The webhook endpoint, whose body is whatever the trigger's sender sends."""
    answer = {
        "type": "object",
        "properties": {
            "status": {"enum": ["accepted", "skipped", "duplicate", "ignored", "pong"]},
            "runId": {"type": "string", "format": "uuid"},
            "deliveryId": {"type": ["string", "null"], "format": "uuid"},
            "reason": {"type": "string"},
        },
    }
    statuses = (400, 401, 403, 404, 405, 408, 413, 415, 422, 429, 500, 503)
    problem = {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}}
    answers = {
        "200": "A repetition, something ignored, a ping, or a challenge answered as it asks.",
        "202": "A run was made of it: `accepted`, or `skipped` by the policy.",
    }
    return {
        "post": {
            "operationId": "post_webhooks_token",
            "summary": "Deliver a webhook",
            "description": "The token in the address opens one trigger; the signature is checked "
            "over the raw body before anything else is read.",
            "tags": ["webhooks"],
            "parameters": [
                {
                    "name": "token",
                    "in": "path",
                    "required": True,
                    "schema": {"type": "string", "pattern": "^whk_[A-Za-z0-9_-]{43}$"},
                }
            ],
            "requestBody": {"content": {JSON: {"schema": {}}}},
            "responses": {
                status: {"description": about, "content": {JSON: {"schema": answer}}}
                for status, about in answers.items()
            }
            | {str(s): {"description": phrase(s), "content": problem} for s in statuses},
        }
    }

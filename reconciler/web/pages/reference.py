"""`/openapi.json`, and `/docs`: the same as a page that loads nothing from elsewhere."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reconciler.web.http.answers import Reply, encode, respond
from reconciler.web.http.below import path_of
from reconciler.web.http.context import Context
from reconciler.web.http.endpoint import AnyOperation
from reconciler.web.http.openapi import Document, description, webhook_path
from reconciler.web.pages.serving import Visit, serving

WEBHOOK = "/v1/webhooks/{token}"


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter or field."""

    name: str
    required: bool
    type: str
    about: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation as the page shows it."""

    id: str
    method: str
    path: str
    summary: str
    about: str
    role: str | None
    parameters: list[Field]
    body: list[Field]
    answers: list[tuple[str, str]]
    fields: list[Field]


def reference_routes(operations: Sequence[AnyOperation], context: Context) -> list[Route]:
    """The two addresses."""

    @cache
    def described() -> Document:
        path = path_of(context.settings.public_url)
        return description(operations, {WEBHOOK: webhook_path()}, path)

    async def openapi(request: Request) -> Response:
        return respond(request, Reply(content=encode(described())))

    async def docs(visit: Visit) -> Response:
        return visit.page("docs.html", groups=_groups(described()))

    return [
        Route("/openapi.json", openapi, methods=["GET"]),
        Route("/docs", serving(docs, context, asks=None), methods=["GET"]),
    ]


def _groups(document: Document) -> dict[str, list[Entry]]:
    groups: dict[str, list[Entry]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            groups[operation["tags"][0]].append(_entry(document, path, method, operation))
    return groups


def _entry(document: Document, path: str, method: str, operation: Document) -> Entry:
    answers = operation["responses"]
    first = answers[min(answers)]
    return Entry(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        about=operation["description"],
        role=operation.get("x-role"),
        parameters=[_parameter(parameter) for parameter in operation["parameters"]],
        body=list(_fields(document, operation.get("requestBody", {}))),
        answers=[(status, answer["description"]) for status, answer in answers.items()],
        fields=list(_fields(document, first)),
    )


def _parameter(parameter: Document) -> Field:
    return Field(
        parameter["name"],
        parameter.get("required", False),
        type_name(parameter["schema"]),
        parameter.get("description", ""),
    )


def _fields(document: Document, holder: Document) -> Iterable[Field]:
    """The fields of a body or an answer in JSON, one level deep."""
    schema = holder.get("content", {}).get("application/json", {}).get("schema", {})
    schema = _resolved(document, schema)
    for name, field in schema.get("properties", {}).items():
        about = field.get("description") or _resolved(document, field).get("description", "")
        yield Field(name, name in schema.get("required", ()), type_name(field), about)


def _resolved(document: Document, schema: Document) -> Document:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    target: Document = document["components"]["schemas"][reference.rpartition("/")[2]]
    return target


def type_name(schema: Document) -> str:
    """A type in a word or two: `list of RunView`, `text or null`."""
    if reference := schema.get("$ref"):
        return str(reference.rpartition("/")[2])
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(type_name(option) for option in options))
    if values := schema.get("enum"):
        return ", ".join(str(value) for value in values)
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return f"list of {type_name(schema.get('items', {}))}"
    kind: Any = schema.get("format") or schema.get("type")
    return _NAMES.get(str(kind), str(kind or "any JSON"))


_NAMES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "object",
    "date-time": "moment",
    "uuid": "id",
}

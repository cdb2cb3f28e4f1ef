"""GitHub's REST API in GitHub's own words: what a request may hold, and what its answer does.

`github_api.json` has the operations that we use, cut out of `@octokit/openapi` 23.0.2 (MIT licence,
copyright 2020 Octokit contributors) without texts and without what lies deep in answers. Stand-ins
ask it about each exchange, so that no test can rest on an API that does not exist.
"""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema

Json = Any
_FILE = Path(__file__).with_suffix(".json")


@lru_cache(maxsize=1)
def operations() -> Mapping[str, Mapping[str, Json]]:
    """By method and path as GitHub writes them: `query`, `body` and `answers` by status."""
    described: dict[str, Mapping[str, Json]] = json.loads(_FILE.read_text("utf-8"))
    return described


def wrong_with_request(method: str, target: str, body: Json) -> str | None:
    """What GitHub does not know of a request; None where it describes all of it."""
    url = urlsplit(target)
    if (operation := _operation(method, url.path)) is None:
        return f"there is no {method} {url.path}"
    for name, values in parse_qs(url.query).items():
        schema = operation["query"].get(name)
        if schema is None:
            return f"{method} {url.path} takes no {name}"
        value = int(values[0]) if schema["type"] == "integer" else values[0]
        if why := _misfit(value, schema):
            return f"{name}: {why}"
    if "body" not in operation:
        return None if body is None else f"{method} {url.path} takes no body"
    return _misfit(body, operation["body"] | {"additionalProperties": False})


def wrong_with_answer(method: str, target: str, status: int, answer: Json) -> str | None:
    """What GitHub would not answer like that. Fields may be missing, as stand-ins give few."""
    operation = _operation(method, urlsplit(target).path)
    if operation is None or status >= 400:
        return (
            None if isinstance(answer, dict) and "message" in answer else "an error has a message"
        )
    schema = operation["answers"].get(str(status))
    if schema is None:
        return f"it does not answer {status}"
    return _misfit(answer, _without_required(schema))


def always_there(operation: str, status: int) -> frozenset[str]:
    """The fields that each answer of an operation has; of a list those of its entries."""
    schema = operations()[operation]["answers"][str(status)]
    schema = schema.get("items", schema)
    parts = [schema, *schema.get("allOf", ())]
    return frozenset(name for part in parts for name in part.get("required", ()))


def _operation(method: str, path: str) -> Mapping[str, Json] | None:
    for name, operation in operations().items():
        verb, _, template = name.partition(" ")
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
        if verb == method and re.fullmatch(pattern, path):
            return operation
    return None


def _misfit(value: Json, schema: Json) -> str | None:
    errors = jsonschema.Draft7Validator(schema).iter_errors(value)
    return next((f"{error.json_path}: {error.message}" for error in errors), None)


def _without_required(schema: Json) -> Json:
    if isinstance(schema, dict):
        kept = {name: part for name, part in schema.items() if not _is_list_of_names(name, part)}
        return {name: _without_required(part) for name, part in kept.items()}
    return [_without_required(part) for part in schema] if isinstance(schema, list) else schema


def _is_list_of_names(name: str, part: Json) -> bool:
    return name == "required" and isinstance(part, list)

"""A JSON Schema (draft 2020-12) that results are held against (docs/runs.md#schemas-of-results).

A schema comes from a manifest and a result from an agent: only `reconciler.control.evaluation` asks
`mismatch`, in a process that ends when it takes too long. Nothing is ever fetched.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from reconciler.core.base.codes import Code
from reconciler.core.base.invisible import one_line
from reconciler.core.manifest.checks.endless import endless_reference
from reconciler.core.manifest.checks.finding import Finding
from reconciler.core.manifest.checks.raw import Raw, mapping, text

LONGEST = 50_000
"""Characters of a schema."""
SHOWN = 200
MOST_ODD = 100
"""Items of a list of names that may be something else: the check of the schema then says which."""


def result_schema_findings(document: Raw) -> Iterator[Finding]:
    """What is wrong with `resultSchema`; one that is too long is reported by the model."""
    schema = text(mapping(document.get("spec")).get("resultSchema"))
    if schema and len(schema) <= LONGEST and (wrong := schema_problem(schema)) is not None:
        yield Finding(("spec", "resultSchema"), wrong, Code.SCHEMA_INVALID)


@lru_cache(maxsize=1024)
def schema_problem(schema_text: str) -> str | None:
    """What is wrong with the text of a schema; None where it can be used."""
    try:
        schema = json.loads(schema_text)
    except (ValueError, RecursionError) as error:
        return f"this is not JSON: {error}"
    if not isinstance(schema, dict):
        return 'a JSON Schema is an object, such as {"type": "object"}'
    return (
        _not_local(schema)
        or _no_names(schema)
        or _not_a_schema(schema)
        or endless_reference(schema)
    )


def mismatch(schema_text: str, value: Any) -> str | None:
    """Where a value is not what the schema says; None where it is. May take any time."""
    from jsonschema.exceptions import best_match

    try:
        error = best_match(_validator(json.loads(schema_text)).iter_errors(value))
    except RecursionError:
        return "it nests too deeply"
    except Exception as unusable:  # noqa: BLE001 - a $ref that leads nowhere, a pattern that is invalid
        return f"the schema cannot be used: {one_line(str(unusable), SHOWN)}"
    if error is None:
        return None
    return f"{error.json_path}: {one_line(error.message, SHOWN)}"


def _validator(schema: Any) -> Any:
    # Imported here: the library takes longer to import than most commands to run.
    from jsonschema import Draft202012Validator
    from referencing import Registry

    # With a registry of its own nothing that a `$ref` names is looked for on a network.
    return Draft202012Validator(schema, registry=Registry())


def _not_a_schema(schema: dict[str, Any]) -> str | None:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return f"at {error.json_path}: {one_line(error.message, SHOWN)}"
    except RecursionError:
        return "it nests too deeply"
    return None


def _no_names(schema: Any) -> str | None:
    """A long list of what is no text where names belong.

    That a name stands once only is found by comparing each with each, unless they can be sorted:
    some thousand objects take minutes, during which nothing else of the server runs.
    """
    pending = [schema]
    while pending:
        part = pending.pop()
        if isinstance(part, list):
            pending += part
        if not isinstance(part, dict):
            continue
        pending += part.values()
        for keyword, names in _lists_of_names(part):
            if len(names) > MOST_ODD and not all(isinstance(name, str) for name in names):
                return f"{keyword} is a list of texts, and has something else among {len(names)}"
    return None


def _lists_of_names(part: dict[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    for keyword in ("type", "required"):
        if isinstance(names := part.get(keyword), list):
            yield keyword, names
    for keyword in ("dependentRequired", "dependencies"):
        if isinstance(by_name := part.get(keyword), dict):
            yield from ((keyword, names) for names in by_name.values() if isinstance(names, list))


def _not_local(schema: Any) -> str | None:
    """A reference that leads out of the schema: nothing else is there to be read."""
    pending = [schema]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            for target in (part.get("$ref"), part.get("$dynamicRef")):
                if isinstance(target, str) and not target.startswith("#"):
                    shown = one_line(target, SHOWN)
                    return f"$ref {shown} leads out of the schema; write it into $defs"
            pending += part.values()
        elif isinstance(part, list):
            pending += part
    return None

"""The JSON Schemas of manifests (draft 2020-12), generated from the models, for editors.

`python -m reconciler.manifest.schema FOLDER` writes them; a test keeps `schemas/` current.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from reconciler.core.base.units import format_duration, format_size
from reconciler.core.manifest.model import MODELS, Kind, Manifest
from reconciler.manifest.examples import EXAMPLES

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]
_ANY = "manifest"


class Generator(GenerateJsonSchema):
    """Defaults as a manifest writes them, and maps whose keys are all checked."""

    def encode_default(self, dft: Any) -> Any:
        """Durations in our own form rather than in ISO 8601."""
        if isinstance(dft, timedelta):
            return format_duration(dft) if dft else 0
        return super().encode_default(dft)

    def dict_schema(self, schema: core_schema.DictSchema) -> Schema:
        """No key but those of the pattern."""
        generated = super().dict_schema(schema)
        if "patternProperties" in generated:
            generated["additionalProperties"] = False
        return generated


def names() -> tuple[str, ...]:
    """What schemas there are: `autopilot`, `agent`, `squad`, and `manifest` for any of them."""
    return (*(kind.lower() for kind in (Kind.AUTOPILOT, Kind.AGENT, Kind.SQUAD)), _ANY)


def schema(name: str = _ANY) -> Schema:
    """The schema of a kind, in any case, or of any manifest. Raises KeyError for other names."""
    name = name.lower()
    if name == _ANY:
        generated = TypeAdapter(Manifest).json_schema(by_alias=True, schema_generator=Generator)
        about = {"title": "Manifest", "description": "An Autopilot, an Agent or a Squad."}
        examples = list(EXAMPLES.values())
    else:
        kind = {str(kind).lower(): str(kind) for kind in MODELS}[name]
        generated = MODELS[kind].model_json_schema(by_alias=True, schema_generator=Generator)
        about = {}
        examples = [EXAMPLES[kind]]
    return {"$schema": DIALECT, **about, **tidied(generated, _TIDIES), "examples": examples}


def text(name: str = _ANY) -> str:
    """The schema as it is published."""
    return json.dumps(schema(name), indent=2, ensure_ascii=False) + "\n"


def write(folder: Path) -> list[Path]:
    """Write all schemas into the folder and give their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / f"{name}.schema.json" for name in names()]
    for name, file in zip(names(), written, strict=True):
        file.write_text(text(name), encoding="utf-8")
    return written


Tidy = Callable[[Schema], Schema]


def tidied(value: Any, tidies: Sequence[Tidy]) -> Any:
    """What pydantic generates, without what only pydantic understands."""
    if isinstance(value, list):
        return [tidied(item, tidies) for item in value]
    if not isinstance(value, dict):
        return value
    for tidy in tidies:
        value = tidy(value)
    return {key: tidied(item, tidies) for key, item in value.items()}


def _without_discriminator(value: Schema) -> Schema:
    # A keyword of OpenAPI; `const` in each member says the same to JSON Schema.
    return {k: v for k, v in value.items() if k != "discriminator" or not isinstance(v, dict)}


def _without_null_default(value: Schema) -> Schema:
    if value.get("default", ...) is None and "anyOf" in value:
        return {k: v for k, v in value.items() if k != "default"}
    return value


def _without_name_title(value: Schema) -> Schema:
    # The title of a property repeats its name; editors show the name already.
    properties = value.get("properties")
    if not isinstance(properties, Mapping):
        return value
    untitled = {
        name: {k: v for k, v in item.items() if k != "title" or not isinstance(v, str)}
        for name, item in properties.items()
    }
    return {**value, "properties": untitled}


def _size_default(value: Schema) -> Schema:
    if value.get("type") == "string" and isinstance(default := value.get("default"), int):
        return {**value, "default": format_size(default)}
    return value


def _without_sources(value: Schema) -> Schema:
    # A pointer into docs/ leads nowhere from an editor.
    description = value.get("description")
    if isinstance(description, str):
        return {**value, "description": re.sub(r" \(docs/[^)]+\)", "", description)}
    return value


DESCRIBED: tuple[Tidy, ...] = (_without_name_title, _size_default, _without_sources)
"""What the description of an API needs too, whose discriminators are understood."""
_TIDIES: tuple[Tidy, ...] = (_without_discriminator, _without_null_default, *DESCRIBED)

if __name__ == "__main__":
    for file in write(Path(sys.argv[1] if len(sys.argv) > 1 else "schemas")):
        sys.stdout.write(f"{file}\n")

"""Which of several representations a client wants, and objects as YAML."""

import io
from typing import Any

import ruamel.yaml
from ruamel.yaml.scalarstring import LiteralScalarString

from reconciler.core.webhooks.payload import parse_json
from reconciler.web.http.answers import encode

YAML = "application/yaml"
_YAML_NAMES = frozenset({YAML, "application/x-yaml", "text/yaml", "text/x-yaml"})


def prefers_yaml(accept: str | None) -> bool:
    """Whether YAML is named in `Accept` and no less wanted than JSON."""
    wanted = {"json": -1.0, "yaml": 0.0}
    for part in (accept or "").split(","):
        media, _, parameters = part.partition(";")
        name = media.strip().lower()
        if name in _YAML_NAMES:
            wanted["yaml"] = max(wanted["yaml"], _quality(parameters))
        elif name == "application/json":
            wanted["json"] = max(wanted["json"], _quality(parameters))
    return wanted["yaml"] > 0 and wanted["yaml"] >= wanted["json"]


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0


def to_yaml(value: Any) -> str:
    """A JSON value as YAML 1.2: block style, long texts as blocks."""
    yaml = ruamel.yaml.YAML()
    yaml.default_flow_style = False
    yaml.width = 100
    yaml.allow_unicode = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    text = io.StringIO()
    yaml.dump(_blocks(parse_json(encode(value))), text)
    return text.getvalue()


def _blocks(value: Any) -> Any:
    match value:
        case dict():
            return {key: _blocks(item) for key, item in value.items()}
        case list():
            return [_blocks(item) for item in value]
        case str() if "\n" in value and value.replace("\n", "").isprintable():
            return LiteralScalarString(value)
        case _:
            return value

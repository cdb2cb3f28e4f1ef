"""Which of several representations a client wants."""

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

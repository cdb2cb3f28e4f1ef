"""Documents to YAML that people like to read and that loads as the same documents."""

from reconciler.core.manifest.defaults import without_defaults
from reconciler.core.manifest.state import Document
from reconciler.manifest.edit.writer import as_yaml

_ORDER = ("apiVersion", "kind", "metadata", "spec")
_TRIGGER_ORDER = ("name", "kind")


def to_yaml(document: Document) -> str:
    """The manifest of a canonical document, defaults left out; ends with a line break.

    Loading it gives the same document again.
    """
    return as_yaml(pleasant(document))


def pleasant(document: Document) -> Document:
    """The document as people write it: without defaults, what names a thing first."""
    shown = _ordered(without_defaults(document), _ORDER)
    spec = dict(shown.get("spec", {}))
    if triggers := spec.get("triggers"):
        spec["triggers"] = [_ordered(trigger, _TRIGGER_ORDER) for trigger in triggers]
    return {**shown, "spec": spec}


def _ordered(document: Document, order: tuple[str, ...]) -> Document:
    first = {key: document[key] for key in order if key in document}
    return {**first, **document}

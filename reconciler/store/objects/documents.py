"""Rows and documents: which column of a row holds which part of a manifest.

A document is split over columns, the rest of its spec and its triggers, and put together again from
just these: whoever edits any of them by hand makes the row drift (docs/plan.md#drift).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.core.manifest.model import API_VERSION, Kind
from reconciler.core.manifest.state import Document
from reconciler.store.engine.bulk import Values

Columns = Mapping[Any, Any]
"""A row by column name: a dictionary, or a mapping of SQLAlchemy."""

_AUTOPILOT_COLUMNS = {
    "title": "title",
    "description": "description",
    "executionMode": "execution_mode",
    "concurrencyPolicy": "concurrency_policy",
    "issueTitleTemplate": "issue_title_template",
    "status": "status",
}
_AGENT_COLUMNS = {"maxConcurrency": "max_concurrency", "budget": "budget"}
_COLUMNS: dict[str, dict[str, str]] = {
    Kind.AGENT: _AGENT_COLUMNS,
    Kind.SQUAD: {},
    Kind.AUTOPILOT: _AUTOPILOT_COLUMNS,
}
_TRIGGER_COLUMNS = {
    "name": "name",
    "kind": "kind",
    "enabled": "enabled",
    "label": "label",
    "cron": "cron_expression",
    "timezone": "timezone",
}
_BROKEN = "$broken"
"""Stands where a row holds JSON of another shape than we write: it can equal no manifest."""


def object_values(document: Document) -> Values:
    """The columns of an object's row that say what it means; triggers are rows of their own."""
    metadata, spec = document["metadata"], dict(document["spec"])
    columns = _COLUMNS[document["kind"]]
    values = {column: spec.pop(field, None) for field, column in columns.items()}
    if document["kind"] == Kind.AUTOPILOT:
        assignee = spec.pop("assignee")
        values |= {"assignee_type": assignee["type"], "assignee_id": assignee["id"]}
        spec.pop("triggers", None)
    return {
        "workspace_id": metadata["workspace"],
        "name": metadata["name"],
        "labels": metadata.get("labels", {}),
        "annotations": metadata.get("annotations", {}),
        "former_names": metadata.get("formerNames", []),
        "spec": spec,
        **values,
    }


def document_of(kind: Kind, row: Columns, triggers: Sequence[Document] = ()) -> Document:
    """The document that a row (by column name) and its triggers mean now."""
    spec = _fields(row, _COLUMNS[kind])
    spec |= _parts(row["spec"])
    if kind is Kind.AUTOPILOT:
        spec["assignee"] = {"type": row["assignee_type"], "id": _value(row["assignee_id"])}
        spec["triggers"] = list(triggers)
    return {
        "apiVersion": API_VERSION,
        "kind": kind.value,
        "metadata": {
            "name": row["name"],
            "workspace": row["workspace_id"],
            "labels": row["labels"],
            "annotations": row["annotations"],
            "formerNames": row["former_names"],
        },
        "spec": spec,
    }


def trigger_values(trigger: Document) -> Values:
    """The columns of a trigger's row that say what it means."""
    spec = dict(trigger)
    values = {column: spec.pop(field, None) for field, column in _TRIGGER_COLUMNS.items()}
    secrets = None
    if signature := spec.get("signature"):
        secrets = signature.get("secrets", [])
        spec["signature"] = {k: v for k, v in signature.items() if k != "secrets"}
    return {**values, "webhook_secret": secrets, "spec": spec}


def trigger_document(row: Columns) -> Document:
    """The trigger that a row (by column name) means now."""
    trigger = _fields(row, _TRIGGER_COLUMNS)
    trigger |= _parts(row["spec"])
    secrets = row["webhook_secret"]
    if secrets is not None:
        trigger["signature"] = {**_parts(trigger.get("signature", {})), "secrets": secrets}
    return trigger


def _fields(row: Columns, columns: Mapping[str, str]) -> Document:
    return {
        field: _value(row[column]) for field, column in columns.items() if row[column] is not None
    }


def _value(value: Any) -> Any:
    """A blob in the place of text is no JSON: as Python writes it, and it can equal no manifest."""
    return repr(value) if isinstance(value, bytes) else value


def _parts(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {_BROKEN: value}

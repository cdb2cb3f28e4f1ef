"""Manifests with good defaults, as values: a test says only what it is about."""

import json
from datetime import UTC, datetime
from typing import Any

from reconciler.core.base.errors import InvalidManifests, Problem
from reconciler.core.manifest.state import Desired
from reconciler.manifest.load.load import load_bundle

Document = dict[str, Any]
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
WORKSPACE = "platform"
API_VERSION = "autopilots/v1"


def a_schedule(name: str = "weekdays", **fields: Any) -> Document:
    """A schedule trigger: `0 9 * * MON-FRI`, unless `every`, `at` or another `cron` is given."""
    when = {} if {"every", "at", "cron"} & fields.keys() else {"cron": "0 9 * * MON-FRI"}
    return _without_gone({"name": name, "kind": "schedule", **when, **fields})


def a_webhook(name: str = "ci", *, workspace: str = WORKSPACE, **fields: Any) -> Document:
    """A webhook trigger that GitHub signs."""
    signature = {"scheme": "github", "secrets": [a_secret(workspace=workspace)]}
    return _without_gone({"name": name, "kind": "webhook", "signature": signature, **fields})


def an_api_trigger(name: str = "release", **fields: Any) -> Document:
    """A trigger that fires by a call."""
    return _without_gone({"name": name, "kind": "api", **fields})


def a_secret(name: str = "CI", *, workspace: str = WORKSPACE, **fields: Any) -> Document:
    """A reference to a secret of the workspace."""
    prefix = workspace.upper().replace("-", "_")
    return {"env": f"AUTOPILOT_SECRET_{prefix}__{name}", **fields}


def an_autopilot(
    name: str = "nightly-triage",
    *,
    workspace: str = WORKSPACE,
    metadata: Document | None = None,
    **spec: Any,
) -> Document:
    """An autopilot for agent `triage-bot` with one schedule; keywords are fields of its spec.

    A field given as `...` is left out.
    """
    defaults: Document = {
        "title": "Nightly issue triage",
        "assignee": {"type": "agent", "id": "triage-bot"},
        "triggers": [a_schedule()],
    }
    return _object("Autopilot", name, workspace, metadata, {**defaults, **spec})


def an_agent(
    name: str = "triage-bot",
    *,
    workspace: str = WORKSPACE,
    metadata: Document | None = None,
    runtime: Document | None = None,
    **spec: Any,
) -> Document:
    """An agent that workers run, unless another `runtime` is given."""
    spec = {"runtime": runtime or {"type": "worker"}, **spec}
    return _object("Agent", name, workspace, metadata, spec)


def a_squad(
    name: str = "reviewers",
    *,
    workspace: str = WORKSPACE,
    metadata: Document | None = None,
    **spec: Any,
) -> Document:
    """A squad with `triage-bot` as its only member."""
    spec = {"members": ["triage-bot"], **spec}
    return _object("Squad", name, workspace, metadata, spec)


def text_of(*documents: Document) -> str:
    """The documents as one YAML text, each on a line of its own."""
    return "".join(f"---\n{json.dumps(document)}\n" for document in documents)


def desired(*documents: Document, source_id: str = "default", **options: Any) -> Desired:
    """What the documents say as a source; raises InvalidManifests."""
    return load_bundle({"all.yaml": text_of(*documents).encode()}, source_id=source_id, **options)


def problems_of(files: dict[str, str | bytes] | str | bytes, **options: Any) -> list[Problem]:
    """Everything wrong with files; one text is the file `a.yaml`."""
    if isinstance(files, str | bytes):
        files = {"a.yaml": files}
    contents = {p: t.encode() if isinstance(t, str) else t for p, t in files.items()}
    try:
        load_bundle(contents, source_id="default", **options)
    except InvalidManifests as error:
        return list(error.problems)
    return []


def warnings_of(text: str, now: datetime = NOW) -> list[Problem]:
    """What is likely wrong with the file `a.yaml` as of a moment, Problems aside."""
    try:
        loaded = load_bundle(
            {"a.yaml": text.encode()}, source_id="default", allow_external=True, now=now
        )
    except InvalidManifests as error:
        return list(error.warnings)
    return list(loaded.warnings)


def problems_in(*documents: Document, **options: Any) -> list[Problem]:
    """Everything wrong with documents, beside the agent that builders refer to."""
    return problems_of(text_of(an_agent(), *documents), **options)


def _object(
    kind: str, name: str, workspace: str, metadata: Document | None, spec: Document
) -> Document:
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": name, "workspace": workspace, **(metadata or {})},
        "spec": _without_gone(spec),
    }


def _without_gone(fields: Document) -> Document:
    return {name: value for name, value in fields.items() if value is not ...}

"""What a manifest need not say: the defaults of every kind, as they appear in documents.

Read off the models once, so that a new field needs no entry here.
"""

from functools import cache
from typing import Any

from reconciler.core.manifest.fields import Model
from reconciler.core.manifest.model import AgentSpec, AutopilotSpec, Kind, Metadata, SquadSpec
from reconciler.core.manifest.runtime import (
    A2aRuntime,
    AegisRuntime,
    CliRuntime,
    CommandRuntime,
    HttpRuntime,
    WorkerRuntime,
)
from reconciler.core.manifest.state import Document
from reconciler.core.manifest.trigger import ApiTrigger, ScheduleTrigger, WebhookTrigger

_SPECS: dict[str, type[Model]] = {
    Kind.AGENT: AgentSpec,
    Kind.SQUAD: SquadSpec,
    Kind.AUTOPILOT: AutopilotSpec,
}
_TRIGGERS: dict[str, type[Model]] = {
    "schedule": ScheduleTrigger,
    "webhook": WebhookTrigger,
    "api": ApiTrigger,
}
_RUNTIMES: dict[str, type[Model]] = {
    "a2a": A2aRuntime,
    "aegis": AegisRuntime,
    "http": HttpRuntime,
    "command": CommandRuntime,
    "cli": CliRuntime,
    "worker": WorkerRuntime,
}

_CONTENT = {"body"}
"""Values that are sent as they are: what is empty in them means something."""
_MEANT = {"notify"}
"""Lists that say something where they are empty: nobody hears of it, whatever the defaults are."""


def without_defaults(document: Document) -> Document:
    """The document without what is a default or empty; the original is not touched.

    It still loads as the same manifest. A kind, trigger or runtime that is not known keeps all.
    """
    spec = _pruned(document.get("spec", {}), _defaults(_model(_SPECS, document.get("kind"))))
    if triggers := spec.get("triggers"):
        spec["triggers"] = [_trigger(trigger) for trigger in triggers]
    if runtime := spec.get("runtime"):
        spec["runtime"] = _pruned(runtime, _defaults(_model(_RUNTIMES, runtime.get("type"))))
    metadata = _pruned(document.get("metadata", {}), _defaults(Metadata))
    shown = {**document, "metadata": metadata, "spec": spec}
    return {key: value for key, value in shown.items() if value != {}}


def autopilot_defaults() -> Document:
    """The defaults of an autopilot, at their places."""
    return {"metadata": _defaults(Metadata), "spec": _defaults(AutopilotSpec)}


def trigger_defaults(kind: str) -> Document:
    """The defaults of a kind of trigger; nothing for a kind that does not exist."""
    return _defaults(_model(_TRIGGERS, kind))


def _trigger(trigger: Document) -> Document:
    return _pruned(trigger, _defaults(_model(_TRIGGERS, trigger.get("kind"))))


def _model(models: dict[str, type[Model]], name: Any) -> type[Model] | None:
    return models.get(name) if isinstance(name, str) else None


@cache
def _defaults(model: type[Model] | None) -> Document:
    # `model_construct` without values holds exactly the fields that have a default.
    if model is None:
        return {}
    return model.model_construct().model_dump(mode="json", by_alias=True, exclude_none=True)


def _pruned(document: Document, defaults: Document) -> Document:
    pruned: dict[str, Any] = {}
    for key, value in document.items():
        default = defaults.get(key)
        if value == default and type(value) is type(default):
            continue
        if isinstance(value, dict) and key not in _CONTENT:
            value = _pruned(value, default if isinstance(default, dict) else {})
        if key in _CONTENT | _MEANT or value not in ({}, [], None):
            pruned[key] = value
    return pruned

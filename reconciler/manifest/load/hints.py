"""What people write who know other tools, and what it is called here.

Each hint is the end of a sentence that has said what was found: how to write it instead.
"""

import re
from typing import Any

from reconciler.core.manifest.http_api import Follow, Request
from reconciler.core.manifest.model import AutopilotSpec
from reconciler.core.manifest.runtime import (
    A2aRuntime,
    AegisRuntime,
    CliRuntime,
    CommandRuntime,
    HttpRuntime,
)
from reconciler.core.manifest.trigger import ScheduleTrigger, Scheme, WebhookTrigger
from reconciler.manifest.load.loc import Loc

_SECRETS = "secrets: [{env: AUTOPILOT_SECRET_<WORKSPACE>__<NAME>}]"
_IN_TRIGGER = "it belongs to a trigger: triggers: [{{name: daily, kind: schedule, {}}}]"
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)

# By the model that lacks the field; CronJob's words first, then those of other schedulers.
_FIELDS: dict[type, dict[str, str]] = {
    AutopilotSpec: {
        "cron": _IN_TRIGGER.format('cron: "0 9 * * *"'),
        "schedule": _IN_TRIGGER.format('cron: "0 9 * * *"'),
        "schedules": _IN_TRIGGER.format('cron: "0 9 * * *"'),
        "every": _IN_TRIGGER.format("every: 1h"),
        "interval": _IN_TRIGGER.format("every: 1h"),
        "at": _IN_TRIGGER.format("at: 2026-12-01T09:00"),
        "timezone": _IN_TRIGGER.format('cron: "@daily", timezone: Europe/Rome'),
        "timeZone": _IN_TRIGGER.format('cron: "@daily", timezone: Europe/Rome'),
        "webhook": "it belongs to a trigger: triggers: [{name: ci, kind: webhook, signature: …}]",
        "suspend": "write status: paused",
        "suspended": "write status: paused",
        "paused": "write status: paused",
        "enabled": "write status: active or status: paused",
        "disabled": "write status: paused",
        "startingDeadlineSeconds": "write catchUpWindow, such as 10m, at the trigger",
        "activeDeadlineSeconds": "write timeout, such as 10m",
        "backoffLimit": "write retry: {limit: 3}",
        "jobTemplate": "what is done stands in description",
        "template": "what is done stands in description",
        "prompt": "what is done stands in description",
        "promptFile": "write descriptionFrom: {file: prompts/NAME.md}",
        "promptFrom": "write descriptionFrom: {file: prompts/NAME.md}",
        "descriptionFile": "write descriptionFrom: {file: prompts/NAME.md}",
        "instructionsFile": "write descriptionFrom: {file: prompts/NAME.md}",
        "instructions": "what is done stands in description",
        "when": _IN_TRIGGER.format('cron: "@daily", when: lastRun == null'),
        "if": "write when at the trigger, or a precheck",
        "condition": "write when at the trigger, or a precheck",
        "check": "write precheck: {program: NAME}",
        "assert": "write expect, an expression that is true of a good result",
        "successCriteria": "write expect, an expression that is true of a good result",
        "outputSchema": "write expectSchema: {file: schemas/NAME.json}",
        "responseSchema": "write expectSchema: {file: schemas/NAME.json}",
        "memory": "write context: [lastCompleted]",
        "state": "write context: [lastCompleted]",
        "successfulJobsHistoryLimit": "the operator sets how long runs are kept",
        "failedJobsHistoryLimit": "the operator sets how long runs are kept",
        "parallelism": "write maxConcurrency",
        "name": "it belongs to metadata",
        "labels": "it belongs to metadata",
        "agent": "write assignee: {type: agent, id: NAME}",
        "squad": "write assignee: {type: squad, id: NAME}",
    },
    ScheduleTrigger: {
        "schedule": 'write cron: "0 9 * * *"',
        "expression": 'write cron: "0 9 * * *"',
        "interval": "write every: 1h",
        "suspend": "write enabled: false",
        "startingDeadlineSeconds": "write catchUpWindow, such as 10m",
        "if": "write when, an expression that is true or false",
        "condition": "write when, an expression that is true or false",
        "filter": "write when, an expression that is true or false",
    },
    WebhookTrigger: {
        "secret": f"write signature: {{scheme: github, {_SECRETS}}}",
        "secrets": f"write signature: {{scheme: github, {_SECRETS}}}",
        "scheme": f"write signature: {{scheme: github, {_SECRETS}}}",
        "filter": "write when, an expression that is true or false",
        "suspend": "write enabled: false",
    },
    CommandRuntime: {"command": "write program, a name that the operator binds"},
    CliRuntime: {
        "command": "write program, a name that the operator binds",
        "cwd": "write workDir",
        "prompt": "the prompt is the autopilot's description",
        "sandbox": "write permissionMode",
    },
    HttpRuntime: {"token": "write headers: {Authorization: {env: …}}, or secret, which signs"},
    Request: {
        "url": "it belongs to the runtime: url",
        "payload": "write body",
        "json": "write body",
        "id": "write handle: {id: answer.id}",
        "result": "it belongs to follow",
        "status": "it belongs to follow",
    },
    Follow: {"interval": "write every: 15s", "method": "an API is asked by GET"},
    A2aRuntime: {
        "secret": "write token",
        "card": "write url, the address below which the card lies",
        "agentCard": "write url, the address below which the card lies",
    },
    AegisRuntime: {"cwd": "write workDir", "secret": "write token"},
}

_VALUES = {
    ("kind", "cron"): "schedule",
    ("kind", "cronjob"): "schedule",
    ("kind", "timer"): "schedule",
    ("kind", "interval"): "schedule",
    ("kind", "http"): "webhook",
    ("kind", "github"): "webhook",
    ("kind", "manual"): "api",
    ("concurrencyPolicy", "forbid"): "skip",
    ("concurrencyPolicy", "wait"): "queue",
    ("concurrencyPolicy", "cancel"): "replace",
    ("status", "enabled"): "active",
    ("status", "disabled"): "paused",
    ("status", "suspended"): "paused",
    ("type", "shell"): "command",
    ("type", "webhook"): "http",
}

_MISSING = {
    "signature": (
        f"write signature: {{scheme: github, {_SECRETS}}}, or {{scheme: none}} to take requests "
        "from anybody who knows the URL"
    ),
    "assignee": "write assignee: {type: agent, id: NAME}",
    "runtime": "write runtime: {type: worker}, or another type",
}


def of_field(holder: Any, name: str) -> str | None:
    """What the unknown field of a model is called here."""
    return _FIELDS.get(holder, {}).get(name) if isinstance(holder, type) else None


def of_value(field: str, value: str) -> str | None:
    """The sentence's end for a value of another tool."""
    if (field, value.lower()) == ("concurrencyPolicy", "allow"):
        return "; for CronJob's Allow raise maxConcurrency, up to 100"
    meant = _VALUES.get((field, value.lower()))
    return f", did you mean '{meant}'?" if meant else None


def of_missing(field: str) -> str | None:
    """How to write a required field that is missing."""
    return _MISSING.get(field)


def as_mapping(loc: Loc, value: Any) -> str:
    """How to write the mapping for which a single value stands; nothing where that is not clear."""
    field = loc[-1] if loc else ""
    word = value if isinstance(value, str) and _WORD.fullmatch(value) else None
    match field, value:
        case "assignee", str():
            return f"; write {{type: agent, id: {word or 'NAME'}}}"
        case "signature", str():
            return f"; write {_signature(value)}"
        case "descriptionFrom", str():
            return "; write {file: prompts/NAME.md}"
        case "expectSchema", str():
            return "; write {file: schemas/NAME.json}"
        case "runtime", str():
            return f"; write {{type: {word or 'worker'}}}"
        case "retry", int():
            return f"; write {{limit: {value}}}" if 0 <= value <= 10 else "; write {limit: 3}"
        case "limits", int():
            return "; write {perHour: 10}, {perDay: 100} or both"
    return ""


def _signature(value: str) -> str:
    if value.lower() == Scheme.NONE:
        return "{scheme: none}"
    scheme = value if value in frozenset(Scheme) else "github"
    return f"{{scheme: {scheme}, {_SECRETS}}}"


def as_list(loc: Loc, value: Any) -> str:
    """How to write the list for which something else stands."""
    if isinstance(value, dict):
        if loc[-1:] == ("triggers",):
            return "; begin each trigger with '-': - {name: daily, kind: schedule, …}"
        return "; begin each entry with '-'"
    if isinstance(value, str) and len(value) < 40 and value.isprintable():
        return f"; write [{value}]"
    return ""

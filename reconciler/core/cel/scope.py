"""What an expression may read: the variables, their fields, and how a caller fills them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

Json = Any
"""What `json.loads` gives."""

CONDITION_VARIABLES = frozenset({"payload", "headers", "trigger", "autopilot"})
"""For `when`."""
KEY_VARIABLES = CONDITION_VARIABLES
"""For `concurrencyKey`."""
TITLE_VARIABLES = KEY_VARIABLES | {"run", "scheduledFor", "date", "time"}
"""For the placeholders of `issueTitleTemplate`."""
EXPECT_VARIABLES = frozenset({"result", "run"})
"""For `expect`."""
MOMENT_VARIABLES = frozenset({"trigger", "autopilot", "lastRun", "now"})
"""For the `when` of a schedule."""
CALL_VARIABLES = MOMENT_VARIABLES | {"payload"}
"""For the `when` of an api trigger."""

PLACES: Mapping[str, frozenset[str]] = {
    "titles": TITLE_VARIABLES - KEY_VARIABLES,
    "expect": EXPECT_VARIABLES,
    "the 'when' of schedules and api triggers": frozenset({"lastRun", "now"}),
}
"""Variables that are known in places of their own, by what messages call these."""
REQUEST_VARIABLES = frozenset({"run", "prompt"})
"""For what an `http` runtime sends to begin the work of a run."""
HANDLE_VARIABLES = REQUEST_VARIABLES | {"handle"}
"""For the addresses by which it comes back to the work."""
ANSWER_VARIABLES = HANDLE_VARIABLES | {"answer"}
"""For what it reads out of an answer."""

FIELDS: Mapping[str, frozenset[str]] = {
    "trigger": frozenset({"name", "kind", "label"}),
    "autopilot": frozenset({"name", "workspace", "title", "labels"}),
    "run": frozenset({"id", "source"}),
}
"""The fields of the variables that are ours. `payload` and `headers` are the sender's."""

RUN_FIELDS = frozenset(
    {
        "id",
        "workspace",
        "autopilot",
        "source",
        "trigger",
        "title",
        "key",
        "scheduledFor",
        "triggeredAt",
        "admittedAt",
        "startedAt",
        "attempts",
        "agent",
        "payload",
        "revision",
        "commit",
    }
)
"""The fields of `run` where there is one, in `expect` and in the texts of an `http` runtime."""

LAST_RUN_FIELDS = (RUN_FIELDS - {"workspace", "autopilot"}) | {
    "status",
    "reason",
    "failureReason",
    "completedAt",
    "durationMs",
    "result",
}
"""The fields of `lastRun`."""


def fields_of(variables: frozenset[str]) -> Mapping[str, frozenset[str]]:
    """The fields of our own variables in the place that knows these variables.

    A title is made before there is a run, and knows only its id and its source.
    """
    if "lastRun" in variables:
        return {**FIELDS, "lastRun": LAST_RUN_FIELDS}
    return FIELDS if variables <= TITLE_VARIABLES else {**FIELDS, "run": RUN_FIELDS}


def event_scope(
    autopilot: Mapping[str, Json],
    trigger: Mapping[str, Json] | None,
    *,
    payload: Json = None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Json]:
    """The variables of `when` and `concurrencyKey`.

    `autopilot` and `trigger` are canonical documents (`Autopilot.document()` and one of its
    `spec.triggers`); a run by hand has no trigger, which then is of kind `manual` without a name.
    `payload` is null and `headers` is empty where the event brought none.
    """
    metadata, spec = autopilot["metadata"], autopilot["spec"]
    fired = trigger or {"name": "", "kind": "manual"}
    return {
        "payload": payload,
        "headers": {name.lower(): value for name, value in (headers or {}).items()},
        "trigger": {
            "name": fired["name"],
            "kind": fired["kind"],
            "label": fired.get("label") or "",
        },
        "autopilot": {
            "name": metadata["name"],
            "workspace": metadata.get("workspace", "default"),
            "title": spec["title"],
            "labels": dict(metadata.get("labels") or {}),
        },
    }


def moment_scope(
    autopilot: Mapping[str, Json],
    trigger: Mapping[str, Json],
    *,
    now: datetime,
    last_run: Mapping[str, Json] | None,
    payload: Json = None,
) -> dict[str, Json]:
    """The variables of the `when` of schedules and api triggers; see `event_scope`.

    `last_run` is the newest run that was worked on to its end, as the API shows it.
    """
    event = event_scope(autopilot, trigger, payload=payload)
    last = None if last_run is None else {name: last_run.get(name) for name in LAST_RUN_FIELDS}
    return {
        "trigger": event["trigger"],
        "autopilot": event["autopilot"],
        "payload": payload,
        "lastRun": last,
        "now": f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }


def title_scope(
    event: Mapping[str, Json],
    *,
    run_id: str,
    source: str,
    local: datetime,
    scheduled_for: str | None = None,
) -> dict[str, Json]:
    """The variables of a title: those of the event and of the run.

    `local` is `scheduledFor`, or `triggeredAt` of a run without one, in the trigger's time zone
    (UTC where it has none). `scheduled_for` is RFC 3339 in UTC, null for what no schedule started.
    """
    return {
        **event,
        "run": {"id": run_id, "source": source},
        "scheduledFor": scheduled_for,
        "date": f"{local:%Y-%m-%d}" if local.year >= 1000 else local.date().isoformat(),
        "time": f"{local:%H:%M}",
    }


def expect_scope(run: Mapping[str, Json], result: Json) -> dict[str, Json]:
    """The variables of `expect`. `run` is the run as JSON, as the API shows it."""
    return {"result": result, "run": {name: run[name] for name in RUN_FIELDS if name in run}}

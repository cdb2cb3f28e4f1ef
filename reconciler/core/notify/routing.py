"""Which channels hear of what: an autopilot's own rules, or those of its workspace."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from reconciler.core.manifest.fields import NAME_PATTERN
from reconciler.core.manifest.notify import Event
from reconciler.core.runs.run import Reason, Status

EVERY_WORKSPACE = "*"
"""Stands for the workspaces that have no defaults of their own."""

Rules = Mapping[str, tuple[str, ...]]
"""Channels by event."""

_NAME = re.compile(NAME_PATTERN)
_NO_RULES: Rules = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Defaults:
    """The operator's rules: by workspace, for autopilots without rules of their own; and the
    channels that hear of revisions that did not apply."""

    workspaces: Mapping[str, Rules] = field(default_factory=dict)
    revision_failed: tuple[str, ...] = ()

    def of(self, workspace: str) -> Rules:
        """The rules of a workspace."""
        return self.workspaces.get(workspace) or self.workspaces.get(EVERY_WORKSPACE, _NO_RULES)


NO_DEFAULTS = Defaults()


def rules_of(notify: Any) -> Rules | None:
    """The rules that the `spec.notify` of a document means; None where it has none.

    A document that somebody edited by hand is read as far as it can be: a run has to end, whatever
    stands in it.
    """
    if not isinstance(notify, list):
        return None
    rules: dict[str, dict[str, None]] = {}
    for rule in notify:
        if not (isinstance(rule, dict) and isinstance(rule.get("on"), list)):
            continue
        channel = rule.get("to")
        if isinstance(channel, str) and _NAME.fullmatch(channel):
            for event in rule["on"]:
                rules.setdefault(str(event), {})[channel] = None
    return {event: tuple(channels) for event, channels in rules.items()}


_NOT_TOLD = frozenset({Reason.CANCELLED, Reason.REPLACED})
"""Failures that somebody, or the autopilot's own policy, asked for."""


def events_of_end(status: Status, reason: Reason | None, *, recovers: bool) -> tuple[Event, ...]:
    """What the end of a run is, the most telling first; nothing where nobody need be told."""
    match status:
        case Status.COMPLETED:
            return (Event.RECOVERED, Event.COMPLETED) if recovers else (Event.COMPLETED,)
        case Status.SKIPPED:
            event = Event.SKIPPED
        case Status.FAILED if reason not in _NOT_TOLD:
            event = Event.FAILED
        case _:
            return ()
    return (Event.OVER_BUDGET, event) if reason is Reason.OVER_BUDGET else (event,)


def routes(rules: Rules, events: Iterable[Event]) -> dict[str, Event]:
    """The channels that hear of something, each by the most telling event that it asks for."""
    told: dict[str, Event] = {}
    for event in events:
        for channel in rules.get(event, ()):
            told.setdefault(channel, event)
    return told

"""Who is told of what: the rows of `notify`, each with a channel and a box for each event."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.core.manifest.notify import Event
from reconciler.core.manifest.state import Document

EVENTS = {
    Event.FAILED: "a run failed",
    Event.RECOVERED: "it works again",
    Event.COMPLETED: "a run completed, with its result",
    Event.SKIPPED: "a run was skipped",
    Event.BREAKER: "it paused after failures",
    Event.LATE: "an occurrence is late",
    Event.APPROVAL: "an agent asks for permission",
    Event.OVER_BUDGET: "its budget is used up",
}
"""The events of a rule, in words."""


def rules_in(spec: Document) -> list[Document]:
    """The rows; nothing for what is no list of rules."""
    rules = spec.get("notify")
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        return []
    return rules


def is_for_nobody(spec: Document) -> bool:
    """Whether it opts out of what the operator set for the workspace."""
    return bool(spec.get("notify", None) == [])


def with_rules(spec: Document, fields: Mapping[str, str]) -> Document:
    """The spec with what the rows of the form say; those that it did not show stay.

    Without rows an empty list, which is for nobody at all, is a box of its own.
    """
    rules = rules_in(spec)
    if not rules and "nobody.shown" in fields and ("nobody" in fields) != is_for_nobody(spec):
        return _without_rules(spec) if is_for_nobody(spec) else {**spec, "notify": []}
    if not rules:
        return spec
    return {**spec, "notify": [_rule(rule, f"n{n}.", fields) for n, rule in enumerate(rules)]}


def with_new_rule(spec: Document, channel: str) -> Document:
    """The spec with one row more, of what most people want to hear."""
    rule = {"on": [Event.FAILED.value, Event.RECOVERED.value], "to": channel}
    return {**spec, "notify": [*rules_in(spec), rule]}


def without_rule_at(spec: Document, place: int) -> Document:
    """The spec without the row at a place, if there is one."""
    rules = rules_in(spec)
    if place >= len(rules):
        return spec
    left = rules[:place] + rules[place + 1 :]
    return {**spec, "notify": left} if left else _without_rules(spec)


def _without_rules(spec: Document) -> Document:
    return {name: value for name, value in spec.items() if name != "notify"}


def _rule(rule: Document, prefix: str, fields: Mapping[str, str]) -> Document:
    # A box that is not ticked is not sent: the channel tells whether the row was shown at all.
    channel = fields.get(f"{prefix}to")
    if channel is None:
        return rule
    ticked = [event.value for event in Event if f"{prefix}on.{event}" in fields]
    return {**rule, "to": channel.strip(), "on": list(_events(rule.get("on"), ticked))}


def _events(before: Any, ticked: Sequence[str]) -> Iterator[Any]:
    """Those that stay in their order, then those that are new; what is no event stays."""
    known = before if isinstance(before, list) else []
    yield from (event for event in known if event in ticked or not _is_event(event))
    yield from (event for event in ticked if event not in known)


def _is_event(value: Any) -> bool:
    return isinstance(value, str) and value in set(Event)

"""When a trigger that was just written is due next; thousands of equal schedules are asked once."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reconciler.core.base.identity import trigger_id
from reconciler.core.manifest.model import Kind
from reconciler.core.manifest.state import Document
from reconciler.core.manifest.trigger import ScheduleTrigger, TriggerKind
from reconciler.core.plan.changes import Change, Create, Move, Restore, Update
from reconciler.core.schedule.agenda import Agenda
from reconciler.core.schedule.decide import Next, upcoming

_WHEN = ("cron", "every", "at", "timezone", "startAt", "endAt", "jitter")


@dataclass(slots=True)
class Upcoming:
    """Function (trigger, trigger id, after) that remembers its answers.

    An answer holds for every moment from the one it was asked for up to the occurrence itself, so
    that what was asked before a transaction need not be worked out inside it.
    """

    _known: dict[Any, tuple[datetime, Next | None]] = field(default_factory=dict)

    def __call__(self, trigger: Document, id_: str, after: datetime) -> Next | None:
        """The first occurrence after `after`, exclusive; None if there is none.

        A schedule that cannot be worked out is due at once: the next tick
        reads it and stalls it with the reason, and here its neighbours go on.
        """
        key = tuple(trigger.get(name) for name in _WHEN)
        if trigger.get("jitter") != "0s":
            key = (*key, id_)  # jitter is a hash of the trigger's id
        if key in self._known:
            since, following = self._known[key]
            if since <= after and (following is None or after < following.scheduled_for):
                return following
        following = _first_after(trigger, id_, after)
        self._known[key] = (after, following)
        return following

    def foresee(self, changes: tuple[Change, ...], after: datetime) -> None:
        """Work out what carrying out these changes will ask."""
        for id_, trigger in _schedules(changes):
            self(trigger, id_, after)


def _first_after(trigger: Document, id_: str, after: datetime) -> Next | None:
    try:
        agenda = Agenda.of(id_, ScheduleTrigger.model_validate(trigger))
        return upcoming(agenda, after)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, the tick says so
        return Next(after, after)


def _schedules(changes: tuple[Change, ...]) -> Iterator[tuple[str, Document]]:
    for change in changes:
        match change:
            case Create(after) | Update(_, after) | Move(_, after) | Restore(_, after):
                if after.key.kind == Kind.AUTOPILOT:
                    for trigger in after.document["spec"]["triggers"]:
                        if trigger["kind"] == TriggerKind.SCHEDULE and trigger["enabled"]:
                            yield trigger_id(change.id, trigger["name"]), trigger
            case _:
                pass

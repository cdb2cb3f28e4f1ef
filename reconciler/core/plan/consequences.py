"""What follows from a change: fire times, most runs and dollars a day, what is newly reached."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.core.base.identity import Key
from reconciler.core.manifest.model import Kind
from reconciler.core.manifest.state import Current, Declared, Desired, Document, Stored
from reconciler.core.plan.changes import Archive, Blocked, Change, Create, Move, Restore, Update
from reconciler.core.plan.dollars import most_micros_a_day
from reconciler.core.plan.forecast import Forecast, Forecaster
from reconciler.core.plan.reached import FindAgent, Reached, reached_by


@dataclass(frozen=True, slots=True)
class Consequences:
    """What follows from one change. Only autopilots have forecasts."""

    before: Forecast | None
    after: Forecast | None
    newly_reached: Reached


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a plan was made from, and when: agents and squads are found there."""

    current: Current
    desired: Desired
    at: datetime

    def before(self, key: Key) -> Document | None:
        """Return what an object is now."""
        return _document(self.current.objects.get(key))

    def after(self, key: Key) -> Document | None:
        """Return what an object will be: this source's word, else the rows of others."""
        return _document(self.desired.objects.get(key)) or self.before(key)


def _document(held: Stored | Declared | None) -> Document | None:
    return held.document if held is not None else None


def consequences_of(
    changes: Iterable[Change], surroundings: Surroundings
) -> Mapping[str, Consequences]:
    """Return what follows from each change that can be carried out, by the object's id.

    Names would not do: one revision may archive an object and give its name to another.
    """
    forecast = Forecaster(surroundings.at)
    return {
        change.id: _consequences(change, surroundings, forecast)
        for change in changes
        if not isinstance(change, Blocked)
    }


def _consequences(
    change: Create | Update | Move | Restore | Archive,
    surroundings: Surroundings,
    forecast: Forecaster,
) -> Consequences:
    before, after = _both(change)
    expected, was = _known(before, surroundings.before, forecast)
    coming, reached = _known(after, surroundings.after, forecast)
    if change.key.kind != Kind.AUTOPILOT:
        return Consequences(None, None, reached - was)
    return Consequences(expected, coming, reached - was)


def _known(
    document: Document | None, find: FindAgent, forecast: Forecaster
) -> tuple[Forecast, Reached]:
    if document is None:
        return Forecast(), Reached()
    try:
        starts = Forecast()
        if document["kind"] == Kind.AUTOPILOT:
            starts = forecast(document)
            dollars = most_micros_a_day(document, find, starts.runs_per_day)
            starts = replace(starts, micros_per_day=dollars)
        return starts, reached_by(document, find)
    except (KeyError, TypeError, AttributeError, ValueError):
        # A row that somebody edited by hand may be of any shape; nothing is known of it then, and
        # its plan still puts it right.
        return Forecast(), Reached()


def _both(
    change: Create | Update | Move | Restore | Archive,
) -> tuple[Document | None, Document | None]:
    """What acts before and after; what is archived does not act."""
    match change:
        case Create(after) | Restore(_, after):
            return None, after.document
        case Archive(before):
            return before.document, None
        case Update(before, after) | Move(before, after):
            return before.document, after.document

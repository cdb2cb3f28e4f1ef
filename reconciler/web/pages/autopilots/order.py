"""The order of the list: how each autopilot fares, counted, and sorted before any page is read."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from reconciler.control.access.secrets import SecretStore
from reconciler.control.webhooks.secret_problems import dead_webhooks
from reconciler.core.money.own import nearly_spent
from reconciler.core.runs.ahead import DECIDED_AHEAD, is_ahead
from reconciler.core.runs.condition import WELL, WORST_FIRST, Condition, Health, Signs, condition_of
from reconciler.core.runs.standing import InForce, standing_of
from reconciler.store.objects.roster import Remarks, RosterEntry
from reconciler.web.pages.autopilots.moment import Moment


class Sort(StrEnum):
    """What the list is sorted by."""

    WORST = "worst"
    NAME = "name"
    LAST = "last"
    NEXT = "next"


class Judged(NamedTuple):
    """An autopilot of the list, and how it fares."""

    entry: RosterEntry
    condition: Condition
    takes_work: bool


def judge(entries: Iterable[RosterEntry], moment: Moment) -> list[Judged]:
    """How each of them fares, by the rule that also judges one of them alone."""
    return [
        Judged(entry, WELL, True)
        if entry.remarks is None
        else _judged(entry, entry.remarks, moment)
        for entry in entries
    ]


def _judged(entry: RosterEntry, remarks: Remarks, moment: Moment) -> Judged:
    standing = standing_of(remarks.switches, moment.cooldown, moment.now)
    condition = condition_of(_signs(entry, remarks, moment.now, moment.secrets), moment.now)
    return Judged(entry, condition, isinstance(standing, InForce))


def _signs(entry: RosterEntry, remarks: Remarks, now: datetime, secrets: SecretStore) -> Signs:
    dead = None
    if remarks.webhooks:
        dead = dead_webhooks(iter(remarks.webhooks), entry.workspace, secrets, now)
    return Signs(
        switches=remarks.switches,
        due=remarks.next_run_at,
        last=remarks.last,
        occurrences=remarks.occurrences,
        stalled="a trigger" if remarks.stalled_at is not None else None,
        stalled_at=remarks.stalled_at,
        ahead="a trigger" if is_ahead(remarks.cursor, now, DECIDED_AHEAD) else None,
        dead_webhook=dead,
        nearly_spent=nearly_spent(remarks.spending, now),
    )


def counted(judged: Iterable[Judged]) -> Mapping[Health, int]:
    """The number of autopilots of each health, worst first."""
    numbers = Counter(each.condition.health for each in judged)
    return {health: numbers[health] for health in WORST_FIRST}


def in_order(judged: Sequence[Judged], sort: Sort) -> list[Judged]:
    """The list as it is shown; what is equal stays by name."""
    return sorted(judged, key=_KEYS[sort])


_NEVER = datetime(1, 1, 1, tzinfo=UTC)
_RANK = {health: rank for rank, health in enumerate(WORST_FIRST)}
_Key = tuple[float, float, str, str]


def _worst(each: Judged) -> _Key:
    """Of the same health what went wrong last comes first: that is news."""
    since = each.condition.since if each.condition.needs_attention else None
    return (_RANK[each.condition.health], -_seconds(since), each.entry.name, each.entry.id)


def _name(each: Judged) -> _Key:
    return (0, 0, each.entry.name, each.entry.id)


def _last(each: Judged) -> _Key:
    return (0, -_seconds(each.entry.last_run_at), each.entry.name, each.entry.id)


def _next(each: Judged) -> _Key:
    """What will not run stands last, whatever its schedule says."""
    at = each.entry.next_run_at if each.takes_work else None
    return (at is None, _seconds(at), each.entry.name, each.entry.id)


def _seconds(at: datetime | None) -> float:
    return ((at or _NEVER) - _NEVER).total_seconds()


_KEYS: dict[Sort, Callable[[Judged], _Key]] = {
    Sort.WORST: _worst,
    Sort.NAME: _name,
    Sort.LAST: _last,
    Sort.NEXT: _next,
}

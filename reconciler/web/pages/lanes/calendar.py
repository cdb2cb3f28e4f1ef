"""What is to come, hour by hour for a week: where it crowds, and where nothing is."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.core.runs.standing import InForce, standing_of
from reconciler.core.schedule.outlook import forecast
from reconciler.store.objects.overview import Overview
from reconciler.web.pages.words import shown_moment

DAYS = 7
HOURS = 24
MOST = 300
"""Moments of one trigger that are worked out; beyond them its pace is taken as it was."""
_HOUR = timedelta(hours=1)
_NAMED = 3
_LEVELS = (1, 3, 10, 30)


@dataclass(frozen=True, slots=True)
class Cell:
    """One hour: how many occurrences, how dark it is (0 to 4), and a sentence."""

    count: int
    level: int
    words: str


@dataclass(frozen=True, slots=True)
class Day:
    """One row."""

    name: str
    cells: Sequence[Cell]


def calendar(overviews: Iterable[Overview], now: datetime, cooldown: timedelta) -> list[Day]:
    """The week from today, in UTC; hours that are over have no occurrences."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    by_hour: dict[datetime, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for overview in overviews:
        for hour, count in _hours(overview, now, midnight + timedelta(days=DAYS), cooldown):
            by_hour[hour][overview.stored.key.name] += count
    return [
        Day(
            f"{day:%a} {day.day} {day:%b}",
            [_cell(day + _HOUR * h, by_hour, now) for h in range(HOURS)],
        )
        for day in (midnight + timedelta(days=number) for number in range(DAYS))
    ]


def _hours(
    overview: Overview, now: datetime, until: datetime, cooldown: timedelta
) -> Iterable[tuple[datetime, int]]:
    standing = standing_of(overview.switches, cooldown, now)
    if not isinstance(standing, InForce) or overview.stored.archived:
        return
    for trigger in overview.triggers:
        if not trigger.enabled or trigger.stalled_reason is not None:
            continue
        moments = [moment.at for moment in forecast(trigger.id, trigger.document, now, MOST)]
        yield from _counted(moments, until).items()


def _counted(moments: Sequence[datetime], until: datetime) -> dict[datetime, int]:
    """Occurrences by hour. One that fires so often that not all were worked out goes on as it did:
    its last hour, of which only a part is known, and those after it have what is usual."""
    counts = Counter(_hour(at) for at in moments if at < until)
    if len(moments) == MOST and moments[-1] < until:
        hour = _hour(moments[-1])
        usual = max(1, round(MOST / max(1.0, (moments[-1] - moments[0]) / _HOUR)))
        while hour < until:
            counts[hour] = usual
            hour += _HOUR
    return counts


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _cell(hour: datetime, by_hour: Mapping[datetime, Mapping[str, int]], now: datetime) -> Cell:
    names = by_hour.get(hour, {})
    count = sum(names.values())
    if not count:
        return Cell(0, 0, f"{shown_moment(hour, now)}: nothing")
    most = sorted(names.items(), key=lambda item: -item[1])
    shown = ", ".join(f"{name} {n}" if n > 1 else name for name, n in most[:_NAMED])
    others = f", {len(most) - _NAMED} more" if len(most) > _NAMED else ""
    level = sum(count >= bound for bound in _LEVELS)
    return Cell(count, level, f"{shown_moment(hour, now)}: {count}, of {shown}{others}")

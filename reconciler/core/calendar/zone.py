"""Time zones as a row of segments, each with one offset from UTC; the only reader of zone data.

Zones come from the `tzdata` package, which is pinned, and never from the machine's own database:
replicas agree because they read the same bytes (docs/time.md#zones, docs/decisions/0012).
"""

import re
from bisect import bisect_right
from datetime import datetime, timedelta
from functools import lru_cache
from importlib import resources
from typing import NamedTuple
from zoneinfo import ZoneInfo

import tzdata  # type: ignore[import-untyped]

from reconciler.core.base.near import Vocabulary
from reconciler.core.calendar.errors import TimezoneError, shown
from reconciler.core.calendar.zone_names import ABBREVIATIONS, CITIES, WINDOWS

DAY = 86_400
# What the database has beside the zones that people live in.
_NOT_ZONES = {"Factory", "localtime", "posixrules"}

_ARITHMETIC = 1
"""Goes up whenever the same expression and the same zone data give other moments."""

# Offsets are looked at every _PROBE seconds. The shortest time that any zone has kept an offset
# is 6 days and 23 hours (Brazil, 2000); a test holds the pinned database against that.
_PROBE = 2 * DAY
_BLOCK = 400 * DAY
# Before the first known change (1844) a zone has one offset. From 2400 on all zones follow yearly
# rules, and the calendar repeats after 400 years, to the weekday.
_FIRST = -5_364_662_400  # 1800-01-01T00:00Z
_PERIOD = 146_097 * DAY
_PERIODIC_END = 26_192_246_400  # 2800-01-01T00:00Z
_FOREVER = 10**12


class Segment(NamedTuple):
    """From `start` up to, not including, `end` (seconds of UTC since 1970) the wall clock shows
    UTC plus `offset` seconds. Neighbours may have the same offset."""

    start: int
    end: int
    offset: int


class Zone:
    """The segments of one time zone, found when they are asked for."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def segment(self, instant: int) -> Segment:
        """The segment that holds `instant`; any instant has one, in any year."""
        if instant < _FIRST:
            return Segment(-_FOREVER, _FIRST, _changes(self.name, _FIRST // _BLOCK)[1][0])
        shift = 0
        if instant >= _PERIODIC_END:
            shift = ((instant - _PERIODIC_END) // _PERIOD + 1) * _PERIOD
            instant -= shift
        block = instant // _BLOCK
        starts, offsets = _changes(self.name, block)
        index = bisect_right(starts, instant) - 1
        last = index + 1 == len(starts)
        start = max(starts[index], _FIRST)
        end = min((block + 1) * _BLOCK, _PERIODIC_END) if last else starts[index + 1]
        return Segment(start + shift, end + shift, offsets[index])


@lru_cache(maxsize=1024)
def zone(name: str) -> Zone:
    """The zone of that name, case and all. Raises TimezoneError with the near miss."""
    if name not in timezones():
        near = near_timezone(name)
        raise TimezoneError(
            f"unknown time zone {shown(name)}", f"did you mean '{near}'?" if near else None
        )
    return Zone(name)


def rules_version() -> str:
    """The version of the zone data and of the arithmetic on it.

    Moments that were worked out under another version may be different ones now.
    """
    return f"{tzdata.IANA_VERSION}/{_ARITHMETIC}"


@lru_cache(maxsize=1)
def timezones() -> frozenset[str]:
    """The names of all zones of the pinned database, without those that name no place or rule."""
    text = resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8")
    return frozenset(text.split()) - _NOT_ZONES


_FIXED_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])0?([0-9]{1,2})(?::?00)?", re.ASCII)


@lru_cache(maxsize=1024)
def near_timezone(name: str) -> str | None:
    """The zone that was probably meant: other case, a city, Windows' name, a slip; or None."""
    text = " ".join(name[:64].split())
    if known := ABBREVIATIONS.get(text.upper()) or _other_names().get(text.casefold()):
        return known
    if fixed := _FIXED_OFFSET.fullmatch(text.upper()):
        # POSIX signs: two hours ahead of UTC is called Etc/GMT-2.
        near = f"Etc/GMT{'-' if fixed[1] == '+' else '+'}{fixed[2]}"
        return near if near in timezones() else None
    return _near_name(text.replace(" ", "_").casefold())


def _near_name(text: str) -> str | None:
    whole, by_city = _whole_names(), _zones_by_city()
    city = text.rsplit("/", 1)[-1]
    if exact := whole.same(text) or by_city.get(city):
        return exact
    if known := CITIES.get(city.replace("_", " ")):
        return known
    if close := whole.near(text, cutoff=0.8):
        return close
    close = _cities().near(text, cutoff=0.75)
    return by_city[close] if close else None


@lru_cache(maxsize=1)
def _other_names() -> dict[str, str]:
    return {name.casefold(): zone for name, zone in WINDOWS.items()}


@lru_cache(maxsize=1)
def _whole_names() -> Vocabulary:
    return Vocabulary(timezones())


@lru_cache(maxsize=1)
def _cities() -> Vocabulary:
    return Vocabulary(_zones_by_city())


@lru_cache(maxsize=1)
def _zones_by_city() -> dict[str, str]:
    """Zones by city in lower case; of one city's names the continent's one wins."""
    names = sorted(timezones(), key=lambda name: (name.startswith("Etc/"), name))
    cities: dict[str, str] = {}
    for name in names:
        cities.setdefault(name.rsplit("/", 1)[-1].casefold(), name)
    return cities


@lru_cache(maxsize=1024)
def _zone_info(name: str) -> ZoneInfo:
    file = resources.files("tzdata").joinpath("zoneinfo", *name.split("/"))
    with file.open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


@lru_cache(maxsize=8192)
def _changes(name: str, block: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """When segments start within the block of time, and their offsets."""
    info = _zone_info(name)
    start, end = block * _BLOCK, (block + 1) * _BLOCK
    starts, offsets = [start], [_offset(info, start)]
    for probe in range(start + _PROBE, end + _PROBE, _PROBE):
        at = min(probe, end - 1)
        if (offset := _offset(info, at)) != offsets[-1]:
            starts.append(_first_with(info, offset, at - _PROBE, at))
            offsets.append(offset)
    return tuple(starts), tuple(offsets)


def _first_with(info: ZoneInfo, offset: int, before: int, after: int) -> int:
    """The first second with the new offset, by halving the time between two probes."""
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(info, middle) == offset:
            after = middle
        else:
            before = middle
    return after


def _offset(info: ZoneInfo, instant: int) -> int:
    offset = datetime.fromtimestamp(instant, info).utcoffset() or timedelta(0)
    return offset.days * DAY + offset.seconds

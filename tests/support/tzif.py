"""Clock changes as the zone files list them (RFC 9636), and as a daily look finds them."""

import struct
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib import resources

from tests.support.oracle import zone_info

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def zone_bytes(name: str) -> bytes:
    """The compiled zone of the pinned package."""
    return resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()


def listed_changes(name: str) -> list[tuple[int, int, int]]:
    """(second, offset before, offset after) of each explicit change, from the 64-bit block."""
    data = zone_bytes(name)
    data = data[44 + _size(data, 4) :]
    _, _, _, count, kinds, _ = _counts(data)
    times = struct.unpack_from(f">{count}q", data, 44)
    indexes = data[44 + 8 * count : 44 + 9 * count]
    base = 44 + 9 * count
    offsets = [struct.unpack_from(">l", data, base + 6 * kind)[0] for kind in range(kinds)]
    found, before = [], offsets[0]
    for at, index in zip(times, indexes, strict=True):
        if offsets[index] != before:
            found.append((at, before, offsets[index]))
        before = offsets[index]
    return found


def _counts(data: bytes) -> tuple[int, ...]:
    return struct.unpack_from(">6l", data, 20)


def _size(data: bytes, width: int) -> int:
    utc_flags, std_flags, leaps, times, kinds, letters = _counts(data)
    return times * (width + 1) + kinds * 6 + letters + leaps * (width + 4) + std_flags + utc_flags


@lru_cache(maxsize=1024)
def changes_between(name: str, first_year: int, last_year: int) -> tuple[datetime, ...]:
    """The moments in those years at which the zone's offset changes, rules of the future too."""
    info, found = zone_info(name), []
    day = datetime(first_year, 1, 1, tzinfo=UTC)
    offset = day.astimezone(info).utcoffset()
    while day.year <= last_year:
        day += timedelta(days=1)
        if day.astimezone(info).utcoffset() != offset:
            found.append(_first_after(name, day - timedelta(days=1), day))
            offset = day.astimezone(info).utcoffset()
    return tuple(found)


def _first_after(name: str, before: datetime, after: datetime) -> datetime:
    info = zone_info(name)
    offset = before.astimezone(info).utcoffset()
    low, high = (int((at - _EPOCH).total_seconds()) for at in (before, after))
    while high - low > 1:
        middle = (low + high) // 2
        if (_EPOCH + timedelta(seconds=middle)).astimezone(info).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return _EPOCH + timedelta(seconds=high)


def distinct_zones(names: frozenset[str]) -> list[str]:
    """One name, the first in order, for all zones with the same data."""
    first: dict[bytes, str] = {}
    for name in sorted(names):
        first.setdefault(zone_bytes(name), name)
    return sorted(first.values())

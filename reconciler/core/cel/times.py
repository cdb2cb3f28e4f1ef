"""Timestamps as CEL's specification has them: always UTC, and asked in a zone where one is named.

The library keeps the offset that a text names and answers its getters by it, so that one moment
written in two ways would give two hours. These functions take its place (docs/expressions.md#time).
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII
)
_OFFSET = re.compile(r"([+-]?)(\d\d):(\d\d)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = -62_135_596_800, 253_402_300_799
"""Seconds from 1970 of the years 0001 and 9999: the timestamps that CEL knows."""
_RANGE = "a timestamp lies in the years 0001 to 9999"


def timestamp(value: Any) -> datetime:
    """The moment that an RFC 3339 text or a number of seconds since 1970 names, in UTC.

    Fractions are kept to the microsecond. Raises ValueError and TypeError.
    """
    match value:
        case datetime():
            return value.astimezone(UTC)
        case bool():
            pass
        case int():
            if not _FIRST <= value <= _LAST:
                raise ValueError(_RANGE)
            return _EPOCH + timedelta(seconds=value)
        case str():
            return _parsed(value)
    raise TypeError("timestamp takes a text like 2026-03-01T08:00:00Z, or seconds since 1970")


def _parsed(text: str) -> datetime:
    parts = _RFC3339.fullmatch(text)
    if parts is None:
        raise ValueError("timestamp takes RFC 3339 with an offset, like 2026-03-01T08:00:00Z")
    fraction = (parts[2] or "0")[:6].ljust(6, "0")
    try:
        return datetime.fromisoformat(f"{parts[1]}.{fraction}{parts[3]}").astimezone(UTC)
    except OverflowError:
        raise ValueError(_RANGE) from None
    except ValueError:
        raise ValueError("timestamp was given a moment that does not exist") from None


def rfc3339(moment: datetime) -> str:
    """The moment in UTC with `Z`, its fraction without trailing zeros."""
    text = moment.astimezone(UTC).replace(tzinfo=None).isoformat()
    return (text.rstrip("0") if "." in text else text) + "Z"


def epoch_seconds(moment: datetime) -> int:
    """Whole seconds since 1970, fractions cut towards the past."""
    return (moment - _EPOCH) // timedelta(seconds=1)


def seconds_text(length: timedelta) -> str:
    """A duration as CEL writes it: `5400s`, `0.5s`."""
    micro = length // timedelta(microseconds=1)
    whole, fraction = divmod(abs(micro), 1_000_000)
    shown = f"{whole}.{fraction:06}".rstrip("0") if fraction else str(whole)
    return f"{'-' if micro < 0 else ''}{shown}s"


def _getter(name: str, read: Callable[[datetime], int]) -> Callable[..., int]:
    def get(value: Any, zone: Any) -> int:
        if not isinstance(value, datetime) or not isinstance(zone, str):
            raise TypeError(
                f'{name} takes a zone as text and is asked of a timestamp, "Europe/Rome"'
            )
        return read(_in_zone(value, zone))

    return get


def _in_zone(moment: datetime, name: str) -> datetime:
    # Imported late: most expressions name no zone.
    from reconciler.core.calendar.errors import TimezoneError
    from reconciler.core.calendar.zone import zone

    try:
        if offset := _OFFSET.fullmatch(name):
            length = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
            return moment.astimezone(timezone(-length if offset[1] == "-" else length))
        seconds = zone(name).segment(epoch_seconds(moment)).offset
        return moment.astimezone(timezone(timedelta(seconds=seconds)))
    except OverflowError:
        raise ValueError(_RANGE) from None
    except (TimezoneError, ValueError):
        raise ValueError(f"{name[:60]!r} is no time zone; write Europe/Rome or +01:00") from None


GETTERS = {
    name: _getter(name, read)
    for name, read in {
        "getFullYear": lambda at: at.year,
        "getMonth": lambda at: at.month - 1,
        "getDate": lambda at: at.day,
        "getDayOfMonth": lambda at: at.day - 1,
        "getDayOfWeek": lambda at: at.isoweekday() % 7,
        "getDayOfYear": lambda at: at.timetuple().tm_yday - 1,
        "getHours": lambda at: at.hour,
        "getMinutes": lambda at: at.minute,
        "getSeconds": lambda at: at.second,
        "getMilliseconds": lambda at: at.microsecond // 1000,
    }.items()
}
"""The getters with a zone; without one the library's own read UTC."""

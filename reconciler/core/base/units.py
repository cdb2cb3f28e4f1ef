"""Durations (`1h30m`) and sizes (`64KiB`) as people write them in manifests."""

import re
from datetime import timedelta
from functools import lru_cache

LONGEST = timedelta(days=3650)
_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DURATION = re.compile(
    r"(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?", re.ASCII
)
_SIZES = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_SIZE = re.compile(r"([0-9]{1,12})(B|KiB|MiB|GiB)", re.ASCII)


@lru_cache(maxsize=1024)
def parse_duration(text: str) -> timedelta:
    """`90s`, `15m`, `2h`, `1d` or `1h30m` as a timedelta; ValueError says what is allowed."""
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise ValueError(f"{text!r} is not a duration; write 90s, 15m, 2h, 1d or 1h30m")
    numbers = (int(group or 0) for group in match.groups())
    seconds = sum(n * unit for n, unit in zip(numbers, _UNITS.values(), strict=True))
    if seconds > LONGEST.total_seconds():
        raise ValueError(f"{text!r} is too long; the longest duration is 3650d")
    return timedelta(seconds=seconds)


@lru_cache(maxsize=1024)
def format_duration(value: timedelta) -> str:
    """The canonical text of a duration of whole seconds: `1h30m`; nothing at all is `0s`."""
    remaining = int(value.total_seconds())
    parts = []
    for unit, seconds in _UNITS.items():
        count, remaining = divmod(remaining, seconds)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def parse_size(text: str) -> int:
    """`64KiB`, `1MiB` as bytes; ValueError says what is allowed."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a size; write 512B, 64KiB or 1MiB")
    return int(match[1]) * _SIZES[match[2]]


def format_size(value: int) -> str:
    """The canonical text of a size in bytes, in the largest unit that divides it."""
    for unit, factor in reversed(_SIZES.items()):
        if value and value % factor == 0:
            return f"{value // factor}{unit}"
    return "0B"

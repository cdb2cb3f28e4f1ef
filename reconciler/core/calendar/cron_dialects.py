"""Cron expressions of other schedulers: recognised, and rewritten only where their meaning is kept.

Quartz and AWS EventBridge count weekdays from Sunday = 1 and have `?` in the day or the weekday
field, which tells them from all others: with six fields it stands in the fourth or sixth field of
Quartz (seconds first), in the third or fifth of AWS (year last).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_NAMES = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_SECOND = re.compile(r"[0-5]?[0-9]", re.ASCII)
_PERIOD = re.compile(r"(?:\*|0)/([1-9][0-9]?)", re.ASCII)
_ITEM = re.compile(
    r"(?:(?P<star>\*)|(?P<first>[1-7]|[A-Z]{3})(?:-(?P<end>[1-7]|[A-Z]{3}))?)(?:/(?P<step>[1-7]))?",
    re.ASCII,
)
_NTH = re.compile(r"(?P<day>[1-7]|[A-Z]{3})(?P<which>#[1-5]|L)", re.ASCII)
_WRAPPED = re.compile(r"\s*cron\((.*)\)\s*", re.ASCII | re.IGNORECASE | re.DOTALL)
_RATE = re.compile(
    r"\s*rate\(\s*([1-9][0-9]{0,4})\s+(minute|hour|day)s?\s*\)\s*", re.ASCII | re.IGNORECASE
)

_MACROS = {
    "@minutely": "write '* * * * *'",
    "@every_minute": "write '* * * * *'",
    "@weekday": "write '0 0 * * MON-FRI'",
    "@weekdays": "write '0 0 * * MON-FRI'",
    "@weekend": "write '0 0 * * SAT,SUN'",
    "@weekends": "write '0 0 * * SAT,SUN'",
    "@biweekly": "every second week is a period: `every: 14d` with `startAt`, without cron",
    "@fortnightly": "every second week is a period: `every: 14d` with `startAt`, without cron",
    "@bimonthly": "write '0 0 1 */2 *' for every second month, '0 0 1,15 * *' for twice a month",
    "@semimonthly": "write '0 0 1,15 * *'",
    "@quarterly": "write '0 0 1 */3 *'",
    "@semiannually": "write '0 0 1 */6 *'",
    "@biannually": "write '0 0 1 */6 *'",
    "@reboot": "no schedule fires at the start of a machine; call an `api` trigger then",
}


@dataclass(frozen=True, slots=True)
class Rewritten:
    """Five fields that fire at the minutes that `dialect` means; they may still be refused."""

    five: str
    dialect: str


def of_macro(name: str) -> str | None:
    """Say how to write a macro (lower case) that other schedulers have."""
    if name.startswith("@every"):
        return "a period is written `every: 90m`, without cron"
    return _MACROS.get(name)


def is_typo(name: str, macro: str) -> bool:
    """Whether an unknown macro may be a slip: `@bimonthly` is another word, not a long monthly."""
    return macro[1:] not in name or len(name) - len(macro) < 2


def of_rate(expr: str) -> str | None:
    """Say how to write `rate(5 minutes)` of AWS."""
    if (rate := _RATE.fullmatch(expr)) is None:
        return None
    return f"a period is written `every: {rate[1]}{rate[2][0].lower()}`, without cron"


def unwrapped(expr: str) -> str:
    """The fields of `cron(…)` as AWS writes it; other texts as they are."""
    wrapped = _WRAPPED.fullmatch(expr)
    return wrapped[1] if wrapped else expr


def sub_minute_period(words: Sequence[str]) -> str | None:
    """Say how to write a period of seconds, `*/30 * * * * *`."""
    if len(words) not in (6, 7) or not set(words[1:]) <= {"*", "?"}:
        return None
    if words[0] == "*":
        return "a period of a second is written `every: 1s`, without cron"
    period = _PERIOD.fullmatch(words[0])
    # Others begin anew each minute, which a period does not.
    if period is None or 60 % int(period[1]):
        return None
    return f"a period of seconds is written `every: {period[1]}s`, without cron"


def rewritten(words: Sequence[str]) -> Rewritten | None:
    """Rewrite six or seven fields (upper case) of another dialect, or None where that is unsure."""
    marks = [number for number, word in enumerate(words) if word == "?"]
    if len(words) == 6 and marks in ([2], [4]):
        return _from_sunday_one(words[:5], words[5], "AWS EventBridge (a year last, 1 is Sunday)")
    if len(words) in (6, 7) and marks in ([3], [5]) and _SECOND.fullmatch(words[0]):
        year = words[6] if len(words) == 7 else "*"
        return _from_sunday_one(words[1:6], year, "Quartz (seconds first, 1 is Sunday)")
    if len(words) == 6 and not marks and _SECOND.fullmatch(words[0]):
        return _with_seconds(words[1:])
    return None


def _with_seconds(five: Sequence[str]) -> Rewritten | None:
    """Drop the seconds of Spring, robfig and others, which agree only on some weekday fields."""
    _, _, day, month, weekday = five
    if re.search(r"[0-9]", weekday) or re.fullmatch(r"[0-9]{4}", month):
        return None
    if day != "*" and weekday != "*":
        return None
    return Rewritten(" ".join(five), "an expression with seconds")


def _from_sunday_one(five: Sequence[str], year: str, dialect: str) -> Rewritten | None:
    minute, hour, day, month, weekday = five
    if year not in ("*", "?"):
        return None
    named = "*" if weekday in ("?", "*") else _weekdays(weekday)
    if named is None:
        return None
    return Rewritten(f"{minute} {hour} {'*' if day == '?' else day} {month} {named}", dialect)


def _weekdays(text: str) -> str | None:
    """A weekday field that counts from Sunday = 1, by names; None where it is not one."""
    plain: set[int] = set()
    special: list[str] = []
    for item in text.split(","):
        if nth := _NTH.fullmatch(item):
            if (day := _number(nth["day"])) is None:
                return None
            special.append(f"{_NAMES[day]}{nth['which']}")
        elif item == "L":
            plain.add(6)  # the last day of their week
        elif (days := _range(item)) is not None:
            plain.update(days)
        else:
            return None
    return ",".join([*(_NAMES[day] for day in sorted(plain)), *special])


def _range(item: str) -> list[int] | None:
    match = _ITEM.fullmatch(item)
    if match is None:
        return None
    step = int(match["step"] or 1)
    if match["star"]:
        return list(range(0, 7, step))
    first = _number(match["first"])
    last = _number(match["end"] or ("7" if match["step"] else match["first"]))
    if first is None or last is None:
        return None
    # FRI-MON goes on over the end of the week.
    return [day % 7 for day in range(first, last + 1 if last >= first else last + 8, step)]


def _number(text: str) -> int | None:
    """The weekday from Sunday = 0 on."""
    if text.isdecimal():
        return int(text) - 1
    return _NAMES.index(text) if text in _NAMES else None

"""The cron language (docs/time.md#cron): a strict parser, and what an expression means."""

import difflib
import re
from dataclasses import dataclass
from functools import lru_cache

from reconciler.core.calendar.cron_dialects import (
    is_typo,
    of_macro,
    of_rate,
    rewritten,
    sub_minute_period,
    unwrapped,
)
from reconciler.core.calendar.cron_field import FIELDS, Values, read_field
from reconciler.core.calendar.cron_text import day_texts, month_text, time_text
from reconciler.core.calendar.day_rule import DayRule
from reconciler.core.calendar.errors import CronError, CronNeverFires, shown

LONGEST_TEXT = 256
MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_BLANKS = " \t\r\n"
_WORD = re.compile(r"[^ \t]+")
_EXAMPLE = "write five fields: minute hour day month weekday, such as '0 9 * * MON-FRI'"
# What word processors and chats make of the characters that people typed.
_LOOKALIKES = {
    "\N{EN DASH}": "-",
    "\N{EM DASH}": "-",
    "\N{MINUS SIGN}": "-",
    "\N{NON-BREAKING HYPHEN}": "-",
    "\N{ASTERISK OPERATOR}": "*",
    "\N{FULLWIDTH ASTERISK}": "*",
    "\N{NO-BREAK SPACE}": " ",
}


@dataclass(frozen=True, slots=True)
class Cron:
    """What an expression means; expressions that mean the same are equal.

    minutes, hours, months  sorted values
    days      which days of those months
    interval  the minute or the hour field starts with `*`: see docs/time.md#clock-changes
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: DayRule
    months: tuple[int, ...]
    interval: bool

    @property
    def canonical(self) -> str:
        """Five fields that mean exactly this, the same text for all equal expressions."""
        day, weekday = day_texts(self.days)
        time = time_text(self.minutes, self.hours, interval=self.interval)
        return f"{time} {day} {month_text(self.months)} {weekday}"


@lru_cache(maxsize=4096)
def parse(expr: str) -> Cron:
    """The meaning of five fields or an @macro (docs/time.md#cron).

    Raises CronError, and CronNeverFires for days that do not exist in any year; no text makes it
    raise anything else, and no text takes it more than a few milliseconds.
    """
    if len(expr) > LONGEST_TEXT:
        raise CronError(
            f"the expression has {len(expr)} characters, allowed are {LONGEST_TEXT}",
            "split it into several triggers",
        )
    _require_plain_text(expr)
    if expr.strip(_BLANKS).startswith("@"):
        return _read(_expand_macro(expr))
    return _read(expr)


def _words(expr: str) -> list[tuple[str, int]]:
    """The fields in upper case, each with the column where it starts, from 1."""
    indent = len(expr) - len(expr.lstrip(_BLANKS)) + 1
    matches = _WORD.finditer(expr.strip(_BLANKS))
    return [(match[0].upper(), indent + match.start()) for match in matches]


def _require_plain_text(expr: str) -> None:
    indent = len(expr) - len(expr.lstrip(_BLANKS)) + 1
    for column, character in enumerate(expr.strip(_BLANKS), indent):
        if not (" " <= character <= "~" or character == "\t"):
            meant = _LOOKALIKES.get(character)
            raise CronError(
                f"found {character!a} (U+{ord(character):04X}) at column {column}, "
                "allowed is printable ASCII",
                f"did you mean '{meant}'?" if meant else None,
                column,
            )


def _expand_macro(expr: str) -> str:
    name = expr.strip(_BLANKS).lower()
    if name in MACROS:
        return MACROS[name]
    hint = of_macro(name)
    near = difflib.get_close_matches(name[:20], MACROS, n=1, cutoff=0.7)
    if hint is None and near and is_typo(name, near[0]):
        hint = f"did you mean '{near[0]}'?"
    raise CronError(
        f"{shown(name)} is not known, allowed are {' '.join(MACROS)}",
        hint,
        expr.index("@") + 1,
    )


def _read(expr: str) -> Cron:
    words = _words(expr)
    if len(words) != len(FIELDS):
        raise _not_five(expr, words)
    read = [read_field(rules, *word) for rules, word in zip(FIELDS, words, strict=True)]
    minutes, hours, days, months, weekdays = read
    in_months = tuple(sorted(months.plain))
    cron = Cron(
        minutes=tuple(sorted(minutes.plain)),
        hours=tuple(sorted(hours.plain)),
        days=_day_rule(days, weekdays).simplified(in_months),
        months=in_months,
        interval=minutes.starred or hours.starred,
    )
    if not cron.days.ever_matches(in_months):
        raise _never(words)
    return cron


def _day_rule(days: Values, weekdays: Values) -> DayRule:
    return DayRule(
        days=tuple(sorted(days.plain)),
        last=days.last,
        last_workday=days.last_workday,
        weekdays=tuple(sorted(weekdays.plain)),
        nth=tuple(sorted(weekdays.nth)),
        last_of=tuple(sorted(weekdays.last_of)),
        both=days.starred or weekdays.starred,
    )


def _not_five(expr: str, words: list[tuple[str, int]]) -> CronError:
    if words and re.match(r"(CRON_)?TZ=", words[0][0]):
        return CronError(
            f"found {shown(words[0][0])}, allowed are five fields",
            "the zone has a field of its own, such as `timezone: Europe/Rome`",
            words[0][1],
        )
    column = words[len(FIELDS)][1] if len(words) > len(FIELDS) else None
    return CronError(
        f"found {len(words)} field{'s' * (len(words) != 1)}, allowed are five",
        _suggestion(expr) or _EXAMPLE,
        column,
    )


def _suggestion(expr: str) -> str | None:
    """How to write what another dialect, or blanks behind commas, probably mean; None if unsure.

    What is suggested fires at the same minutes: docs/time.md#other-dialects.
    """
    joined = re.sub(r",[ \t]+", ",", expr)
    if joined != expr and _is_valid(joined):
        return f"did you mean '{joined.strip(_BLANKS)}'?"
    words = [word for word, _ in _words(unwrapped(expr))]
    meant = rewritten(words)
    if meant is not None and _is_valid(meant.five):
        return f"this looks like {meant.dialect}; here it is '{meant.five}'"
    return of_rate(expr) or sub_minute_period(words)


def _is_valid(expr: str) -> bool:
    # Five fields come from here only, so that this ends.
    if len(_words(expr)) != len(FIELDS):
        return False
    try:
        _read(expr)
    except CronError:
        return False
    return True


def _never(words: list[tuple[str, int]]) -> CronNeverFires:
    day, month, weekday = (word for word, _ in words[2:])
    return CronNeverFires(
        f"the expression never fires: no year has a day {shown(day)} in month {shown(month)} "
        f"with weekday {shown(weekday)}",
        "for the last day of a month write L",
        words[2][1],
    )

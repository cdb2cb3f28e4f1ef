"""One field of a cron expression: what may stand in it, and the set of values that it means."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from reconciler.core.calendar.errors import CronError, shown

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


@dataclass(frozen=True, slots=True)
class Field:
    """The rules of one field: its values, their names, and the longest step that makes sense."""

    name: str
    low: int
    high: int
    longest_step: int
    names: dict[str, int] = field(default_factory=dict)

    @property
    def allowed(self) -> str:
        """The values in words, for messages."""
        names = list(self.names)
        return f"{self.low}-{self.high}" + (f" or {names[0]} to {names[-1]}" if names else "")


MINUTE = Field("minute", 0, 59, 60)
HOUR = Field("hour", 0, 23, 24)
DAY = Field("day", 1, 31, 31)
MONTH = Field("month", 1, 12, 12, {name: n for n, name in enumerate(_MONTHS, 1)})
# 0 and 7 are both Sunday (docs/time.md#cron), so the maximum of `a/n` is 7.
WEEKDAY = Field("weekday", 0, 7, 7, {name: n for n, name in enumerate(_WEEKDAYS)})
FIELDS = (MINUTE, HOUR, DAY, MONTH, WEEKDAY)


@dataclass(slots=True)
class Values:
    """What one field means. `starred`: its text starts with `*`, which Vixie cron treats apart."""

    starred: bool
    plain: set[int] = field(default_factory=set)
    last: bool = False
    last_workday: bool = False
    nth: set[tuple[int, int]] = field(default_factory=set)
    last_of: set[int] = field(default_factory=set)


_ITEM = re.compile(
    r"(?:(?P<star>\*)|(?P<first>[0-9]+|[A-Z]+)(?:-(?P<end>[0-9]+|[A-Z]+))?)"
    r"(?:/(?P<step>[0-9]+))?",
    re.ASCII,
)
_NTH = re.compile(r"(?P<day>[0-9]+|[A-Z]+)#(?P<nth>[0-9]+)", re.ASCII)
_LAST_OF = re.compile(r"(?P<day>[0-9]+|[A-Z]{3})L", re.ASCII)

_ONLY_LAST = "of 'L' there are only L and LW in the day field, FRIL or 5L in the weekday field"
_FOREIGN = (
    (re.compile(r"\?"), "'?' is Quartz, where 1 is Sunday; write '*', and weekdays by name"),
    (
        re.compile(r"H(\(.*\))?(/.*)?"),
        "'H' is Jenkins; choose a value, and spread load by `jitter`",
    ),
    (re.compile(r"R(\(.*\))?(/.*)?"), "random values are not known; spread load by `jitter`"),
    (re.compile(r"[0-9]*~[0-9]*(/.*)?"), "random ranges are not known; spread load by `jitter`"),
    (
        re.compile(r"[0-9]+W|W[0-9]*|WL"),
        "the weekday nearest to a day is not known; LW in the day field is the last one of a month",
    ),
    (re.compile(r"L.*|.*L"), _ONLY_LAST),
    (re.compile(r".*#.*"), "'#' stands in the weekday field only, as FRI#2 or 5#2, from 1 to 5"),
    (re.compile(r"-[0-9].*"), "negative numbers are not known"),
    (re.compile(r".*/"), "a number is missing after '/'"),
    (re.compile(r"/.*"), "a value is missing before '/', such as '*/15'"),
    (re.compile(r".*-"), "the end of the range is missing after '-'"),
)


def read_field(rules: Field, text: str, column: int) -> Values:
    """The values that `text` (upper case, ASCII) means; `column` is where it starts, from 1.

    Raises CronError on anything but the forms of docs/time.md#cron.
    """
    values = Values(starred=text.startswith("*"))
    for item, at in _items(rules, text, column):
        if not (_read_day(rules, item, values) or _read_weekday(rules, item, at, values)):
            values.plain.update(_read_item(rules, item, at))
    if rules is WEEKDAY:
        values.plain = {value % 7 for value in values.plain}
    return values


def _items(rules: Field, text: str, column: int) -> Iterator[tuple[str, int]]:
    at = column
    for item in text.split(","):
        if not item:
            raise CronError(
                f"{rules.name} field: a value is missing in {shown(text)}",
                "separate values by single commas",
                at,
            )
        yield item, at
        at += len(item) + 1


def _read_day(rules: Field, item: str, values: Values) -> bool:
    if rules is not DAY or item not in ("L", "LW"):
        return False
    values.last |= item == "L"
    values.last_workday |= item == "LW"
    return True


def _read_weekday(rules: Field, item: str, at: int, values: Values) -> bool:
    if rules is not WEEKDAY:
        return False
    if match := _NTH.fullmatch(item):
        nth = int(match["nth"])
        if not 1 <= nth <= 5:
            raise _refusal(rules, item, at, "a month has a first to a fifth one, #1 to #5")
        values.nth.add((_value(rules, match["day"], item, at) % 7, nth))
        return True
    if match := _LAST_OF.fullmatch(item):
        values.last_of.add(_value(rules, match["day"], item, at) % 7)
        return True
    return False


def _read_item(rules: Field, item: str, at: int) -> range:
    match = _ITEM.fullmatch(item)
    if match is None:
        raise _refusal(rules, item, at)
    step = _step(rules, match["step"], item, at)
    if match["star"]:
        return range(rules.low, rules.high + 1, step)
    first = _value(rules, match["first"], item, at)
    if match["end"] is None:
        return range(first, (rules.high if match["step"] else first) + 1, step)
    end = _value(rules, match["end"], item, at)
    # Sunday is 0 and 7: the end of FRI-SUN is 7, that of SUN-SUN is 0.
    if match["end"] == "SUN" and first > 0:
        end = 7
    if end < first:
        raise _backwards(rules, match["first"], match["end"], item, at)
    return range(first, end + 1, step)


def _value(rules: Field, text: str, item: str, at: int) -> int:
    if text in rules.names:
        return rules.names[text]
    if not text.isdecimal():
        raise _refusal(rules, item, at, _near_name(rules, text))
    number = int(text)
    if rules.low <= number <= rules.high:
        return number
    first = f"the first {rules.name} is 0"
    raise CronError(
        f"{rules.name} field: {shown(text)} is out of range, allowed is {rules.allowed}",
        first if rules in (MINUTE, HOUR) and number == rules.high + 1 else None,
        at,
    )


def _near_name(rules: Field, text: str) -> str | None:
    if len(text) < 3:
        return None
    near = [name for name in rules.names if text.startswith(name)]
    near += difflib.get_close_matches(text[:12], rules.names, n=1, cutoff=0.5)
    return f"did you mean '{near[0]}'?" if near else None


def _step(rules: Field, text: str | None, item: str, at: int) -> int:
    step = 1 if text is None else int(text)
    if 1 <= step <= rules.longest_step:
        return step
    hint = "a period that is no part of an hour or a day is written `every: 90m`, without cron"
    raise CronError(
        f"{rules.name} field: the step of {shown(item)} is out of range, "
        f"allowed is 1-{rules.longest_step}",
        hint if step and rules in (MINUTE, HOUR) else None,
        at,
    )


def _backwards(rules: Field, first: str, end: str, item: str, at: int) -> CronError:
    low, high = ("1" if rules is WEEKDAY else str(rules.low)), str(rules.high)
    if first in rules.names:
        low, high = ("MON", "SUN") if rules is WEEKDAY else ("JAN", "DEC")
    bounds = [(first, high)] + ([(low, end)] if end not in ("0", "SUN") else [])
    fixed = ",".join(a if a == b else f"{a}-{b}" for a, b in bounds)
    return CronError(
        f"{rules.name} field: the range {shown(item)} runs backwards", f"write {fixed}", at
    )


def _refusal(rules: Field, item: str, at: int, hint: str | None = None) -> CronError:
    hints = (why for form, why in _FOREIGN if form.fullmatch(item))
    return CronError(
        f"{rules.name} field: {shown(item)} is not known, "
        f"allowed are *, a, a-b, */n, a-b/n, a/n and lists of these, with {rules.allowed}",
        hint or next(hints, None),
        at,
    )

"""A week of the month beside a weekday, `0 0 1-7 * 1`: in cron either fires, both are meant."""

from reconciler.core.calendar.cron import parse

_NAMES = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_WEEKS = {tuple(range(first, first + 7)): n for n, first in enumerate((1, 8, 15, 22), 1)}
"""The days on which the n-th of any weekday can fall."""


def nth_weekday(expr: str) -> str | None:
    """Return the expression for the n-th of those weekdays, or None where no week is named.

    `0 0 1-7 * 1` gives `0 0 * * MON#1`. Raises CronError.
    """
    cron = parse(expr)
    rule = cron.days
    nth = _WEEKS.get(rule.days)
    if nth is None or rule.both or not rule.weekdays or rule.last or rule.last_workday:
        return None
    if rule.nth or rule.last_of:
        return None
    minute, hour, _, month, _ = expr.split()
    weekdays = ",".join(f"{_NAMES[day]}#{nth}" for day in rule.weekdays)
    return f"{minute} {hour} * {month} {weekdays}".upper()

"""A schedule trigger: exactly one of cron, every and at; each of them well-formed."""

from collections.abc import Callable, Iterator
from functools import lru_cache

from reconciler.core.base.codes import Code
from reconciler.core.base.near import listed
from reconciler.core.manifest.checks.finding import Finding, Loc
from reconciler.core.manifest.checks.raw import Raw, text
from reconciler.core.manifest.fields import parse_instant


def schedule_findings(loc: Loc, trigger: Raw, concurrency_policy: object) -> Iterator[Finding]:
    """Everything wrong with one schedule trigger at `loc`."""
    kinds = [name for name in ("cron", "every", "at") if trigger.get(name) is not None]
    if len(kinds) != 1:
        what = listed(kinds, "and") or "none of them"
        message = f"a schedule has exactly one of 'cron', 'every' and 'at', found {what}"
        yield Finding(loc, message, Code.SCHEDULE_ONE_OF)
    for field, wrong_with in _FIELDS.items():
        value = text(trigger.get(field))
        if value is not None and (wrong := wrong_with(value)):
            yield Finding((*loc, field), *wrong)
    if trigger.get("catchUp") == "all" and concurrency_policy != "queue":
        message = (
            "'all' needs concurrencyPolicy: queue, so that no run is dropped; "
            "write queue there or 'latest' here"
        )
        yield Finding((*loc, "catchUp"), message, Code.CATCH_UP_QUEUE)
    if "startAt" in trigger and "endAt" in trigger:
        yield from _range(loc, trigger)


def _range(loc: Loc, trigger: Raw) -> Iterator[Finding]:
    try:
        start, end = parse_instant(trigger["startAt"]), parse_instant(trigger["endAt"])
    except (TypeError, ValueError):
        return
    if start >= end:
        yield Finding((*loc, "endAt"), "'startAt' must be before 'endAt'", Code.SCHEDULE_RANGE)


_Wrong = tuple[str, str] | None
"""A message and a code."""


@lru_cache(maxsize=8192)
def _wrong_cron(value: str) -> _Wrong:
    from reconciler.core.calendar.cron import parse
    from reconciler.core.calendar.errors import CronError

    try:
        parse(value)
    except CronError as error:
        return str(error), error.code
    return None


@lru_cache(maxsize=1024)
def _wrong_timezone(value: str) -> _Wrong:
    from reconciler.core.calendar.errors import TimezoneError
    from reconciler.core.calendar.zone import zone

    try:
        zone(value)
    except TimezoneError as error:
        return str(error), error.code
    return None


def _wrong_at(value: str) -> _Wrong:
    from reconciler.core.calendar.errors import AtError
    from reconciler.core.calendar.timetable import parse_at

    try:
        parse_at(value)
    except AtError as error:
        return str(error), error.code
    return None


_FIELDS: dict[str, Callable[[str], _Wrong]] = {
    "cron": _wrong_cron,
    "timezone": _wrong_timezone,
    "at": _wrong_at,
}

"""What is valid and likely wrong: shown by validate and plan, and never a reason to refuse."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache

from reconciler.core.base.codes import Code
from reconciler.core.manifest.checks.finding import Finding, Loc
from reconciler.core.manifest.checks.notify import channel_warnings
from reconciler.core.manifest.checks.policy import OFFLINE, Policy
from reconciler.core.manifest.checks.raw import Raw, triggers_of
from reconciler.core.manifest.fields import format_instant, parse_instant


def warning_findings(document: Raw, now: datetime, policy: Policy = OFFLINE) -> Iterator[Finding]:
    """Yield the warnings about a valid canonical document as of `now`, which is aware."""
    yield from channel_warnings(document, policy)
    for loc, trigger in triggers_of(document):
        if trigger.get("kind") == "schedule" and trigger.get("enabled", True):
            yield from _bounds(loc, trigger, now)
            yield from _cron(loc, trigger)


def _bounds(loc: Loc, trigger: Raw, now: datetime) -> Iterator[Finding]:
    end = _instant(trigger.get("endAt"))
    if end is not None and end < now:
        message = f"{_past(end)}: the trigger never fires again; remove it or set a later moment"
        yield Finding((*loc, "endAt"), message, Code.MOMENT_PAST)
        return
    first = _first(trigger) if _is_bounded(trigger) else None
    if _is_bounded(trigger) and first is None:
        message = "the trigger never fires: no occurrence lies between its bounds"
        yield Finding((*loc, _kind(trigger)), message, Code.SCHEDULE_EMPTY)
    elif first is not None and trigger.get("at") is not None and first < now:
        message = f"{_past(first)}: a trigger that is new does not fire; set a later moment"
        yield Finding((*loc, "at"), message, Code.MOMENT_PAST)


def _cron(loc: Loc, trigger: Raw) -> Iterator[Finding]:
    if (expr := trigger.get("cron")) is not None and (meant := _meant(expr)):
        yield Finding((*loc, "cron"), meant, Code.CRON_EITHER_DAY)


def _is_bounded(trigger: Raw) -> bool:
    """Whether a schedule may have no occurrence at all; without an end each but `at` has one."""
    return trigger.get("at") is not None or trigger.get("endAt") is not None


def _kind(trigger: Raw) -> str:
    return next(name for name in ("cron", "every", "at") if trigger.get(name) is not None)


def _first(trigger: Raw) -> datetime | None:
    """The first occurrence there ever is."""
    # Imported here: the cron library takes longer to import than most commands to run.
    from reconciler.core.calendar.occurrences import schedule_next
    from reconciler.core.manifest.trigger import ScheduleTrigger, schedule_of

    model = ScheduleTrigger.model_validate(trigger)
    beginning = datetime.min.replace(tzinfo=UTC)
    return schedule_next(
        schedule_of(model), beginning, start_at=model.start_at, end_at=model.end_at
    )


@lru_cache(maxsize=8192)
def _meant(expr: str) -> str | None:
    """What is meant by a week of the month and a weekday, which fire on either of them."""
    from reconciler.core.calendar.either_day import nth_weekday

    suggestion = nth_weekday(expr)
    if suggestion is None:
        return None
    return (
        "day and weekday are both restricted, so this fires on each of these days and on each of "
        f"these weekdays; for days that are both write '{suggestion}'"
    )


def _instant(value: object) -> datetime | None:
    return parse_instant(value) if isinstance(value, str) else None


def _past(moment: datetime) -> str:
    return f"{format_instant(moment)} is past"

"""Calendar time: cron expressions, zones, clock changes; asked by `next_after` and `last_before`.

The two functions are imported when they are first used: they bring the cron library along, which
most commands never need.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reconciler.core.calendar.schedule import last_before, next_after

__all__ = ["last_before", "next_after"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from reconciler.core.calendar import schedule

    return getattr(schedule, name)

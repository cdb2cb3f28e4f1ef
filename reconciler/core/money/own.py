"""How much of its own budget an autopilot has used: what its health is judged by."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from reconciler.core.base.money import format_dollars
from reconciler.core.money.budget import Budget, Periods

NEAR = 80
"""Per cent of a limit from which on somebody should know."""


@dataclass(frozen=True, slots=True)
class OwnSpending:
    """What an autopilot spent each day of about a month, by the date in `timezone`."""

    budget: Budget
    timezone: str
    days: Mapping[str, int]


def nearly_spent(own: OwnSpending | None, now: datetime) -> str | None:
    """The sentence about the limit of which most is used, from `NEAR` on; None below."""
    if own is None:
        return None
    periods = Periods.of(now, own.timezone)
    today, month = periods.day.isoformat(), periods.month.isoformat()
    spent_today = own.days.get(today, 0)
    spent = sum(cost for day, cost in own.days.items() if day >= month)
    limits = (
        ("budget.perDay", own.budget.per_day, spent_today),
        ("budget.perMonth", own.budget.per_month, spent),
    )
    near = [
        (100 * used // limit, f"{format_dollars(used)} of {name}, {format_dollars(limit)}")
        for name, limit, used in limits
        if limit and 100 * used >= NEAR * limit
    ]
    if not near:
        return None
    share, sums = max(near)
    return f"{share} % of its budget are used: {sums}"

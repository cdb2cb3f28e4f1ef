"""From 80 % of a limit on somebody should know."""

from datetime import UTC, datetime

import pytest

from reconciler.core.money.budget import Budget
from reconciler.core.money.own import OwnSpending, nearly_spent

NOW = datetime(2026, 11, 2, 23, 30, tzinfo=UTC)
DOLLAR = 1_000_000
DAY = Budget(per_day=5 * DOLLAR)
MONTH = Budget(per_day=5 * DOLLAR, per_month=10 * DOLLAR)


@pytest.mark.parametrize(
    ("budget", "days", "timezone", "said"),
    [
        pytest.param(DAY, {"2026-11-02": 4 * DOLLAR - 1}, "UTC", None, id="a little less"),
        pytest.param(
            DAY,
            {"2026-11-02": 4 * DOLLAR},
            "UTC",
            "80 % of its budget are used: $4.00 of budget.perDay, $5.00",
            id="80 %",
        ),
        pytest.param(
            DAY,
            {"2026-11-02": 6 * DOLLAR},
            "UTC",
            "120 % of its budget are used: $6.00 of budget.perDay, $5.00",
            id="more than all",
        ),
        pytest.param(DAY, {"2026-11-01": 5 * DOLLAR}, "UTC", None, id="yesterday"),
        pytest.param(DAY, {"2026-11-02": 5 * DOLLAR}, "Europe/Rome", None, id="it is tomorrow"),
        pytest.param(
            MONTH,
            {"2026-10-31": 9 * DOLLAR, "2026-11-01": 5 * DOLLAR, "2026-11-02": 4 * DOLLAR},
            "UTC",
            "90 % of its budget are used: $9.00 of budget.perMonth, $10.00",
            id="the limit of which most is used",
        ),
        pytest.param(Budget(per_run=1), {"2026-11-02": DOLLAR}, "UTC", None, id="perRun alone"),
    ],
)
def test_what_is_said(
    budget: Budget, days: dict[str, int], timezone: str, said: str | None
) -> None:
    assert nearly_spent(OwnSpending(budget, timezone, days), NOW) == said


def test_without_a_budget_nothing_is_said() -> None:
    assert nearly_spent(None, NOW) is None

"""May another run start: the limit, what was spent, what is reserved, and the sentence."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.money.budget import (
    Account,
    Budget,
    Periods,
    allowance,
    exceeded,
)

DOLLAR = 1_000_000
NOW = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
UTC_PERIODS = Periods.of(NOW, "UTC")


def account(
    per_run: int | None = None,
    per_day: int | None = None,
    per_month: int | None = None,
    owner: str = "autopilot platform/triage",
    *,
    spans_workspaces: bool = False,
    **so_far: int,
) -> Account:
    """Amounts in dollars."""
    limits = {"per_run": per_run, "per_day": per_day, "per_month": per_month}
    budget = Budget(**{k: None if v is None else v * DOLLAR for k, v in limits.items()})
    money = {k: v if k == "active" else v * DOLLAR for k, v in so_far.items()}
    return Account(owner, budget, spans_workspaces=spans_workspaces, **money)


@pytest.mark.parametrize(
    ("accounts", "admitted"),
    [
        pytest.param([account(per_day=5)], True, id="nothing spent"),
        pytest.param([account(per_day=5, today=4)], True, id="the limit is not reached"),
        pytest.param([account(per_day=5, today=5)], False, id="the limit is reached"),
        pytest.param([account(1, per_day=5, today=4)], True, id="it may cost all that is left"),
        pytest.param([account(2, per_day=5, today=4)], False, id="it could pass the limit"),
        pytest.param(
            [account(1, per_day=5, today=3, reserved=1, active=1)], True, id="an active run and it"
        ),
        pytest.param(
            [account(1, per_day=5, today=3, reserved=2, active=2)], False, id="no room beside them"
        ),
        pytest.param([account(1, per_month=5, this_month=5)], False, id="the month"),
        pytest.param([account(1, per_day=5, this_month=50)], True, id="other days count not"),
        pytest.param([account(9)], True, id="perRun alone keeps nobody out"),
        pytest.param(
            [account(1, per_day=5), account(per_day=2, today=2)], False, id="the strictest counts"
        ),
        pytest.param(
            [account(per_day=5, today=4), account(2)], False, id="perRun of another budget"
        ),
        pytest.param([account(9, per_day=5)], False, id="a run could pass it by itself"),
    ],
)
def test_who_is_admitted(accounts: list[Account], admitted: bool) -> None:
    assert (exceeded(accounts, UTC_PERIODS) is None) is admitted


@pytest.mark.parametrize(
    ("accounts", "why"),
    [
        pytest.param(
            [account(per_day=5, today=5)],
            "autopilot platform/triage has spent $5.00 today; "
            "budget.perDay is $5.00 until 2026-11-03T00:00:00Z",
            id="spent",
        ),
        pytest.param(
            [account(1, per_day=5, today=3, reserved=2, active=2)],
            "autopilot platform/triage has spent $3.00 today, $2.00 are reserved for 2 active runs "
            "and this run may cost $1.00; budget.perDay is $5.00 until 2026-11-03T00:00:00Z",
            id="reserved",
        ),
        pytest.param(
            [account(per_day=1, today=2), account(per_month=9, this_month=9, owner="workspace a")],
            "workspace a has spent $9.00 this month; "
            "budget.perMonth is $9.00 until 2026-12-01T00:00:00Z",
            id="the limit that lasts longest",
        ),
        pytest.param(
            [
                account(1),
                account(
                    per_day=9,
                    owner="the server",
                    today=7,
                    reserved=2,
                    active=2,
                    spans_workspaces=True,
                ),
            ],
            "budget.perDay of the server has no room for a run that may cost $1.00 "
            "until 2026-11-03T00:00:00Z",
            id="no sums of several workspaces",
        ),
    ],
)
def test_the_sentence_has_the_sums_and_when_it_begins_anew(
    accounts: list[Account], why: str
) -> None:
    over = exceeded(accounts, UTC_PERIODS)
    assert over is not None
    assert over.why == why


def test_periods_are_those_of_the_wall_clock() -> None:
    late = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)
    periods = Periods.of(late, "Europe/Rome")
    assert (str(periods.day), str(periods.month)) == ("2026-11-01", "2026-11-01")
    assert periods.next_day == datetime(2026, 11, 1, 23, 0, tzinfo=UTC)
    assert periods.next_month == datetime(2026, 11, 30, 23, 0, tzinfo=UTC)


MICROS = st.integers(1, 10 * DOLLAR)
LIMITS = st.none() | MICROS
BUDGETS = st.builds(Budget, per_run=LIMITS, per_day=LIMITS, per_month=LIMITS)


@given(st.lists(BUDGETS, min_size=1, max_size=4), st.data())
def test_runs_that_keep_to_what_they_may_cost_pass_no_limit(
    budgets: list[Budget], data: st.DataObject
) -> None:
    """Admissions and ends in any order."""
    accounts = [Account(str(n), budget) for n, budget in enumerate(budgets)]
    most = allowance(accounts)
    active = 0
    for ends in data.draw(st.lists(st.booleans(), max_size=30)):
        if ends and active:
            cost = data.draw(st.integers(0, most or 0))
            active -= 1
            for each in accounts:
                each.today += cost
                each.this_month += cost
                each.reserved -= most or 0
                each.active -= 1
        elif exceeded(accounts, UTC_PERIODS) is None:
            active += 1
            for each in accounts:
                each.enter(most)
        for each in accounts:
            spoken_for = each.today + each.reserved
            limits = [each.budget.per_day, each.budget.per_month]
            assert all(limit is None or spoken_for <= limit for limit in limits)

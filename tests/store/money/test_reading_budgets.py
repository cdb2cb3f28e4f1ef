"""What admission asks of money is read along indexes of just these rows."""

import pytest

from reconciler.store.engine.database import Database, Tx
from reconciler.store.money.budgets import _OF_ALL, _OF_AUTOPILOTS, _SPENT, read_terms
from tests.support.plans import plan_of

PERIODS = {"today": "2026-11-02", "month": "2026-11-01"}


@pytest.mark.parametrize(
    ("statement", "values", "index"),
    [
        pytest.param(_OF_AUTOPILOTS, {"ids": ["a"]}, "ix_run_open", id="runs of autopilots"),
        pytest.param(_OF_ALL, {}, "ix_run_budget", id="all runs under a budget"),
        pytest.param(_SPENT, {"ids": ["server"], **PERIODS}, "pk_spending", id="the ledger"),
    ],
)
def test_no_table_is_read_whole(
    empty: Database, statement: object, values: dict[str, object], index: str
) -> None:
    plan = plan_of(empty, lambda tx: tx.execute(statement, values).all())  # type: ignore[call-overload]
    named = index if index != "pk_spending" else "sqlite_autoindex_spending_1"
    assert any(named in line for line in plan), plan


def test_where_nothing_is_budgeted_one_statement_finds_that(empty: Database) -> None:
    def read(tx: Tx) -> None:
        assert read_terms(tx).budgets == {}

    plan = plan_of(empty, read)
    assert any("ix_agent_budget" in line for line in plan), plan
    assert not any("SCAN agent" in line and "ix_agent_budget" not in line for line in plan), plan

"""`budget` in a manifest: amounts as they are written, and what is no amount."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from reconciler.core.manifest.budget import Budget
from reconciler.core.money.budget import Budget as Amounts
from reconciler.core.runs.live import policy_of
from tests.support.rig import autopilot, declare


@given(st.integers(1, 10**12))
def test_an_amount_is_what_was_written_to_the_millionth(micros: int) -> None:
    dollars = micros / 1_000_000
    assert Budget.model_validate({"perRun": dollars}).amounts.per_run == micros


@given(st.integers(1, 10**12))
def test_an_amount_comes_back_from_the_database_as_it_was(micros: int) -> None:
    document = autopilot(budget={"perDay": micros / 1_000_000})
    spec = declare(document).document["spec"]
    assert policy_of(spec["concurrencyPolicy"], spec).budget == Amounts(per_day=micros)


def test_5_and_5_0_are_one_amount() -> None:
    one, other = (declare(autopilot(budget={"perDay": amount})) for amount in (5, 5.0))
    assert one.digest == other.digest


def test_a_manifest_without_a_budget_is_what_it_was() -> None:
    assert "budget" not in declare(autopilot()).document["spec"]


@pytest.mark.parametrize(
    ("budget", "code"),
    [
        pytest.param({"perRun": "$5"}, "amount-invalid", id="a currency"),
        pytest.param({"perRun": "5"}, "amount-invalid", id="a text"),
        pytest.param({"perRun": True}, "amount-invalid", id="a boolean"),
        pytest.param({"perRun": 0}, "amount-invalid", id="nothing"),
        pytest.param({"perRun": -1}, "amount-invalid", id="less than nothing"),
        pytest.param({"perRun": 0.0000001}, "amount-invalid", id="less than a millionth"),
        pytest.param({"perRun": 1.0000001}, "amount-invalid", id="a fraction of a millionth"),
        pytest.param({"perRun": 1_000_001}, "amount-invalid", id="more than a million"),
        pytest.param({"perRun": float("inf")}, "amount-invalid", id="infinite"),
        pytest.param({"perRun": float("nan")}, "amount-invalid", id="no number"),
        pytest.param({}, "budget-empty", id="empty"),
        pytest.param({"perHour": 1}, "extra_forbidden", id="another period"),
    ],
)
def test_what_is_no_budget(budget: dict[str, Any], code: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Budget.model_validate(budget)
    assert code in {error["type"] for error in refused.value.errors()}

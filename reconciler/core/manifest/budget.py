"""`budget` of an autopilot or agent: US dollars for a run, a day, a month (docs/unattended.md)."""

from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from reconciler.core.base.money import parse_dollars
from reconciler.core.manifest.fields import Model
from reconciler.core.money.budget import Budget as Amounts

MOST = 1_000_000
"""Dollars."""
_MICRO = Decimal("0.000001")


def _dollars(value: Any) -> Decimal:
    """The digits that were written: no sum of money is ever a binary fraction."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        written = repr(value) if isinstance(value, str) else type(value).__name__
        raise PydanticCustomError(
            "amount-invalid",
            "expected US dollars as a number such as 5 or 2.50, found {found}",
            {"found": written[:80]},
        )
    amount = Decimal(str(value))
    if not amount.is_finite() or not _MICRO <= amount <= MOST or amount % _MICRO:
        raise PydanticCustomError(
            "amount-invalid",
            "{found} is not an amount from 0.000001 to 1000000 US dollars in whole millionths",
            {"found": str(value)[:80]},
        )
    return amount


def _as_json(amount: Decimal) -> int | float:
    """5 and 5.0 are one amount; a number of so few digits is exact as a float's text."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)


Dollars = Annotated[
    Decimal,
    BeforeValidator(_dollars),
    PlainSerializer(_as_json, return_type=int | float, when_used="json"),
    WithJsonSchema({"type": "number", "minimum": 0.000001, "maximum": MOST, "examples": [5, 0.5]}),
]
"""An amount of US dollars, to the millionth."""


class Budget(Model):
    """The most that runs may cost, in US dollars; at least one of the three."""

    per_run: Dollars | None = Field(default=None, examples=[0.5])
    """One run: it is stopped, or fails, when it says that it has cost more."""
    per_day: Dollars | None = Field(default=None, examples=[5])
    """The runs of a day of the server's `timezone`; what could pass it is skipped."""
    per_month: Dollars | None = Field(default=None, examples=[100])
    """The runs of a month of the calendar, likewise."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.amounts == Amounts():
            raise PydanticCustomError(
                "budget-empty", "a budget has at least one of perRun, perDay and perMonth"
            )
        return self

    def __str__(self) -> str:
        limits = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return " ".join(f"{name} {amount}" for name, amount in limits.items())

    @property
    def amounts(self) -> Amounts:
        """As admission counts: in micro-dollars."""
        per_run, per_day, per_month = (
            None if amount is None else parse_dollars(amount)
            for amount in (self.per_run, self.per_day, self.per_month)
        )
        return Amounts(per_run=per_run, per_day=per_day, per_month=per_month)

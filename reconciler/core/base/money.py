"""US dollars as whole micro-dollars: sums of them are exact, those of floats are not."""

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

DOLLAR = 1_000_000
"""Micro-dollars."""
_MICRO = Decimal("0.000001")
_CENT = Decimal("0.01")


def parse_dollars(value: str | float | Decimal) -> int:
    """Micro-dollars of an amount such as `0.25`, rounded to the nearest one.

    A float counts as the digits that it is written with. Raises ValueError for what is not a
    number, or infinite.
    """
    try:
        return int(Decimal(str(value)).quantize(_MICRO, ROUND_HALF_EVEN).scaleb(6))
    except (InvalidOperation, OverflowError, ValueError):
        raise ValueError(f"{value!r} is not an amount in US dollars") from None


def as_number(micros: int) -> float:
    """Dollars as a JSON number: as exact as its digits for all that a run may cost."""
    return micros / DOLLAR


def format_dollars(micros: int) -> str:
    """`$1,234.50`: two digits, or as many as it takes for less than a cent to be seen."""
    amount = Decimal(micros).scaleb(-6)
    if amount == amount.quantize(_CENT):
        return f"${amount:,.2f}"
    text = f"{amount:,.6f}".rstrip("0")
    return f"${text}"

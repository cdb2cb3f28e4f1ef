"""What a run used of a model: money and tokens, as far as its agent says (docs/runs.md#usage)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from reconciler.core.base.invisible import one_line
from reconciler.core.base.money import DOLLAR, as_number, parse_dollars

MOST_DOLLARS = 1_000_000
"""The most that one run may say that it cost: sums of millions of runs stay exact."""
MOST_COUNT = 10**12
"""The most tokens or turns of one run."""
MODEL_LENGTH = 200
_COUNTS = {
    "inputTokens": "input_tokens",
    "outputTokens": "output_tokens",
    "cachedTokens": "cached_tokens",
    "turns": "turns",
}
NAMES = ("costUsd", *_COUNTS, "model")
"""The fields of `usage` in JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Usage of one run; None is not known. `input_tokens` include those from a cache."""

    cost_micros: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    turns: int | None = None
    model: str | None = None

    def document(self) -> dict[str, Any]:
        """What is known of it, by its names in JSON."""
        counts = {name: getattr(self, field) for name, field in _COUNTS.items()}
        cost = None if self.cost_micros is None else as_number(self.cost_micros)
        values = {"costUsd": cost, **counts, "model": self.model}
        return {name: value for name, value in values.items() if value is not None}

    def over(self, before: Mapping[str, Any] | None) -> "Usage":
        """This usage, and what an earlier report of the same run knew more or more of.

        Every report tells what was used until then, in all: a lower one came late, or from a part
        of the work, and takes back nothing that budgets have counted. What nobody can read any more
        counts for nothing.
        """
        earlier = reported(before)[0] or Usage()
        amounts = {
            field: _most(getattr(earlier, field), getattr(self, field))
            for field in ("cost_micros", *_COUNTS.values())
        }
        return Usage(**amounts, model=self.model or earlier.model)


def whole_document(document: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The usage as the API shows it: every name is there, null where it is not known."""
    # What somebody broke by hand in the database is no mapping any more.
    return {name: document.get(name) for name in NAMES} if isinstance(document, Mapping) else None


def read_usage(value: Any) -> Usage:
    """The usage that an agent reports.

    Raises ValueError with a sentence that names the field that is wrong. Names that are not known
    are passed over: agents say more than this.
    """
    if not isinstance(value, Mapping):
        raise ValueError("usage must be an object")
    counts = {field: _count(name, value.get(name)) for name, field in _COUNTS.items()}
    return Usage(
        cost_micros=_cost(value.get("costUsd")), model=_model(value.get("model")), **counts
    )


def reported(value: Any) -> tuple[Usage | None, str | None]:
    """The usage of an answer, and a note where it is invalid: the work counts all the same."""
    if value is None:
        return None, None
    try:
        usage = read_usage(value)
    except ValueError as error:
        return None, f"the usage that the agent reported is ignored: {error}"
    return (usage if usage.document() else None), None


def _cost(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("costUsd must be a number")
    if not 0 <= value <= MOST_DOLLARS:  # false for NaN as well
        raise ValueError(f"costUsd must be from 0 to {MOST_DOLLARS}")
    return min(parse_dollars(value), MOST_DOLLARS * DOLLAR)


def _count(name: str, value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} must be a whole number")
    if not 0 <= value <= MOST_COUNT:
        raise ValueError(f"{name} must be from 0 to {MOST_COUNT}")
    return value


def _most(*amounts: int | None) -> int | None:
    return max((amount for amount in amounts if amount is not None), default=None)


def _model(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError("model must be a text")
    return one_line(value, MODEL_LENGTH - 1) or None


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens, which is micro-dollars for one token."""

    input: Decimal
    output: Decimal
    cached: Decimal


def priced(usage: Usage | None, prices: Mapping[str, Price]) -> Usage | None:
    """The usage with a cost, worked out where the agent told tokens only.

    Both counts of tokens have to be known, and the model: part of a cost is not shown as all of it.
    """
    if usage is None or usage.cost_micros is not None:
        return usage
    price = _price(usage.model, prices)
    if price is None or usage.input_tokens is None or usage.output_tokens is None:
        return usage
    cached = min(usage.cached_tokens or 0, usage.input_tokens)
    cost = (
        (usage.input_tokens - cached) * price.input
        + cached * price.cached
        + usage.output_tokens * price.output
    )
    micros = int(cost.to_integral_value(ROUND_HALF_EVEN))
    return replace(usage, cost_micros=min(micros, MOST_DOLLARS * DOLLAR))


def _price(model: str | None, prices: Mapping[str, Price]) -> Price | None:
    """The price of a model by its name; one that ends in `*` is for all that begin so."""
    if model is None:
        return None
    if (exact := prices.get(model)) is not None:
        return exact
    begins = [name for name in prices if name.endswith("*") and model.startswith(name[:-1])]
    return prices[max(begins, key=len)] if begins else None

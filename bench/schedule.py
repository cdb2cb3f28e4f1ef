"""What `next_after` costs, beside croniter alone, in one run: `python -m bench.schedule`.

Columns, in microseconds per call (the best of five rounds):

first     nothing is known: zone file, expression and all are read
expr      the zone is known, the expression is not: what a new trigger costs
new       both are known, the moment is new: what a due trigger costs
again     the same question again: what previews and explanations cost
croniter  croniter alone, built and asked with a local datetime, as it is commonly used;
          its answers are wrong around clock changes, so this is a yardstick, not a rival
"""

import argparse
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from time import perf_counter
from types import ModuleType
from zoneinfo import ZoneInfo

from croniter import croniter

from reconciler.core.calendar import cron, schedule, zone
from reconciler.core.calendar.schedule import next_after

EXPRESSIONS = {
    "* * * * *": "* * * * *",
    "*/5 * * * *": "*/5 * * * *",
    "0 9 * * MON-FRI": "0 9 * * MON-FRI",
    "30 2 * * *": "30 2 * * *",
    "0 0 1 1 *": "0 0 1 1 *",
    "0 0 29 2 *": "0 0 29 2 *",
    "0 0 L * *": "0 0 L * *",
    "0 9 * * FRI#2": "0 9 * * FRI#2",
    "0 9 * * FRIL": "0 9 * * L5",
}
AFTER = datetime(2026, 3, 1, 12, tzinfo=UTC)


def forget(*modules: ModuleType) -> None:
    """Empty every memo of these modules."""
    for module in modules:
        for thing in vars(module).values():
            if hasattr(thing, "cache_clear"):
                thing.cache_clear()


def microseconds(call: Callable[[], object], calls: int, before: Callable[[], None]) -> float:
    """The time of one call, the best of five rounds; `before` runs untimed before each call."""
    rounds = []
    for _ in range(5):
        spent = 0.0
        for _ in range(calls):
            before()
            start = perf_counter()
            call()
            spent += perf_counter() - start
        rounds.append(spent / calls * 1e6)
    return min(rounds)


def measure(expr: str, peer_expr: str, timezone: str) -> tuple[float, ...]:
    """The four columns for one expression."""
    local = AFTER.astimezone(ZoneInfo(timezone))
    steps = count(1)

    def ask_again() -> object:
        return next_after(expr, timezone, AFTER)

    def ask_new() -> object:
        return next_after(expr, timezone, AFTER + timedelta(minutes=next(steps)))

    def ask_croniter() -> object:
        return croniter(peer_expr, local).get_next(datetime)

    def nothing() -> None:
        return None

    return (
        microseconds(ask_again, 20, lambda: forget(cron, schedule, zone)),
        microseconds(ask_again, 50, lambda: forget(cron, schedule)),
        microseconds(ask_new, 2000, nothing),
        microseconds(ask_again, 2000, nothing),
        microseconds(ask_croniter, 200, nothing),
    )


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description="What next_after costs, beside croniter alone.")
    options.add_argument("--timezone", default="Europe/Rome")
    timezone = options.parse_args().timezone
    print(f"microseconds per call, {timezone}")
    print(f"{'expression':<18}{'first':>10}{'expr':>10}{'new':>10}{'again':>10}{'croniter':>10}")
    for expr, peer_expr in EXPRESSIONS.items():
        columns = measure(expr, peer_expr, timezone)
        print(f"{expr:<18}" + "".join(f"{column:>10.1f}" for column in columns))


if __name__ == "__main__":
    main()

"""The canonical text of a cron expression: one text for all expressions that mean the same.

Whether a field starts with `*` carries meaning twice: it makes a job an interval job (minute and
hour), and it makes day and weekday both match. So the text starts a field with `*` where that
meaning holds, and nowhere else.
"""

from collections.abc import Sequence

from reconciler.core.calendar.cron_field import DAY, HOUR, MINUTE, MONTH, WEEKDAY, Field
from reconciler.core.calendar.day_rule import DayRule


def time_text(minutes: Sequence[int], hours: Sequence[int], *, interval: bool) -> str:
    """The minute and the hour field; one of them starts with `*` exactly for an interval job."""
    if not interval:
        return f"{_listed(minutes)} {_listed(hours)}"
    texts = [_starred(MINUTE, minutes), _starred(HOUR, hours)]
    if not any(text.startswith("*") for text in texts):
        texts = _star_either((MINUTE, minutes), (HOUR, hours))
    return " ".join(texts)


def day_texts(rule: DayRule) -> tuple[str, str]:
    """The day and the weekday field of a simplified rule; one starts with `*` where both match."""
    plain = [_listed(rule.days), _listed(rule.weekdays)]
    if rule.both:
        plain = [_starred(DAY, rule.days), _starred(WEEKDAY, rule.weekdays)]
        if not any(text.startswith("*") for text in plain):
            plain = _star_either((DAY, rule.days), (WEEKDAY, rule.weekdays))
    days, weekdays = plain
    return _joined(days, *_day_specials(rule)), _joined(weekdays, *_weekday_specials(rule))


def month_text(months: Sequence[int]) -> str:
    """The month field, where a `*` carries no second meaning."""
    return _starred(MONTH, months)


def _joined(*items: str) -> str:
    return ",".join(item for item in items if item)


def _day_specials(rule: DayRule) -> list[str]:
    return ["L"] * rule.last + ["LW"] * rule.last_workday


def _weekday_specials(rule: DayRule) -> list[str]:
    return [f"{day}#{nth}" for day, nth in rule.nth] + [f"{day}L" for day in rule.last_of]


def _all_values(rules: Field) -> range:
    return range(rules.low, 7 if rules is WEEKDAY else rules.high + 1)


def _starred(rules: Field, values: Sequence[int]) -> str:
    """`*` for all values, `*/n` for an even step of at least two values, else a plain list."""
    every = _all_values(rules)
    if len(values) == len(every):
        return "*"
    step = _star_step(rules, values)
    if step and len(values) > 1 and len(every[::step]) == len(values):
        return f"*/{step}"
    return _listed(values)


def _star_step(rules: Field, values: Sequence[int]) -> int | None:
    """The smallest n whose `*/n` lies within the values; None where they lack the lowest one."""
    every, present = _all_values(rules), set(values)
    steps = range(1, rules.longest_step + 1)
    return next((step for step in steps if present.issuperset(every[::step])), None)


def _star_either(
    left: tuple[Field, Sequence[int]], right: tuple[Field, Sequence[int]]
) -> list[str]:
    """Both fields, one of them starting with a `*/n` as fine as can be, then what that lacks."""
    steps = [_star_step(*left), _star_step(*right)]
    chosen = min((n, index) for index, n in enumerate(steps) if n is not None)[1]
    texts = []
    for index, (rules, values) in enumerate((left, right)):
        step = steps[index] if index == chosen else None
        covered = set(_all_values(rules)[::step]) if step else set()
        uncovered = _listed([value for value in values if value not in covered])
        texts.append(_joined(f"*/{step}" if step else "", uncovered))
    return texts


def _listed(values: Sequence[int]) -> str:
    """Values in order as `a`, `a-b` and `a-b/n`, each item as long as it can be."""
    remaining, items = list(values), []
    while remaining:
        run = _longest_run(remaining)
        items.append(_run_text(run))
        remaining = [value for value in remaining if value not in run]
    return ",".join(items)


def _longest_run(values: list[int]) -> range:
    """The longest even progression from the first value; the finest of equally long ones."""
    first, present = values[0], set(values)
    best = range(first, first + 1)
    for second in values[1:]:
        step, end = second - first, second
        while end + step in present:
            end += step
        run = range(first, end + 1, step)
        if len(run) > max(2, len(best)):
            best = run
    return best


def _run_text(run: range) -> str:
    if len(run) == 1:
        return str(run[0])
    return f"{run[0]}-{run[-1]}" + (f"/{run.step}" if run.step > 1 else "")

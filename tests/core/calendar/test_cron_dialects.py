"""Expressions of other schedulers: what is suggested fires at the minutes that they mean."""

import re
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.calendar.cron import parse
from reconciler.core.calendar.cron_dialects import of_macro, rewritten
from reconciler.core.calendar.errors import CronError
from tests.support.pages import ROOT


def hint(expr: str) -> str | None:
    with pytest.raises(CronError) as refusal:
        parse(expr)
    return refusal.value.hint


NONE = "write five fields: minute hour day month weekday, such as '0 9 * * MON-FRI'"
QUARTZ = "this looks like Quartz (seconds first, 1 is Sunday); here it is "
SECONDS = "this looks like an expression with seconds; here it is "
AWS = "this looks like AWS EventBridge (a year last, 1 is Sunday); here it is "


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        ("0/15 * * * ? *", AWS + "'0/15 * * * *'"),
        ("cron(0 10 ? * 2-6 *)", AWS + "'0 10 * * MON,TUE,WED,THU,FRI'"),
        ("0 10 ? * 6L *", AWS + "'0 10 * * FRIL'"),
        ("0 10 L * ? *", AWS + "'0 10 L * *'"),
        ("rate(5 minutes)", "a period is written `every: 5m`, without cron"),
        ("0 0 12 ? * 2-6", QUARTZ + "'0 12 * * MON,TUE,WED,THU,FRI'"),
        ("0 0 12 ? * FRI-MON", QUARTZ + "'0 12 * * SUN,MON,FRI,SAT'"),
        ("0 0 12 ? * 6#3 *", QUARTZ + "'0 12 * * FRI#3'"),
        ("0 0 12 ? * L", QUARTZ + "'0 12 * * SAT'"),
        ("0 15 10 * * ? 2027", NONE),
        ("0 0 12 15W * ?", NONE),
        ("0/30 0 12 * * ?", NONE),
        ("0 30 9 * * MON-FRI", SECONDS + "'30 9 * * MON-FRI'"),
        ("0 30 9 * * 1-5", NONE),
        ("0 30 9 13 * FRI", NONE),
        ("*/30 * * * * *", "a period of seconds is written `every: 30s`, without cron"),
        ("* * * * * *", "a period of a second is written `every: 1s`, without cron"),
        ("*/7 * * * * *", NONE),
        ("0 9 * * * 2027", NONE),
        ("0, 30 * * * *", "did you mean '0,30 * * * *'?"),
        ("0 9 * * MON, TUE,  FRI", "did you mean '0 9 * * MON,TUE,FRI'?"),
        ("0, 61 * * * *", NONE),
        ("@weekdays", "write '0 0 * * MON-FRI'"),
        ("@biweekly", "every second week is a period: `every: 14d` with `startAt`, without cron"),
        ("@bimonthly", of_macro("@bimonthly")),
        ("@biyearly", None),
        ("@reboot", "no schedule fires at the start of a machine; call an `api` trigger then"),
        ("@wekly", "did you mean '@weekly'?"),
        ("0 12 ? * 2-6", "'?' is Quartz, where 1 is Sunday; write '*', and weekdays by name"),
    ],
)  # fmt: skip
def test_the_hint_keeps_the_meaning_or_there_is_none(expr: str, expected: str | None) -> None:
    assert hint(expr) == expected


def test_the_page_shows_what_is_suggested() -> None:
    page = (ROOT / "docs/time.md").read_text("utf-8").split("### Other dialects")[1]
    rows = re.findall(r"^\| `([^`]+)` \|.*\| `([^`]+)` \|$", page.split("\n## ")[0], re.MULTILINE)
    assert len(rows) == 6
    for written, here in rows:
        assert here in (hint(written) or "")


NAMES = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


def numbers(low: int, high: int) -> st.SearchStrategy[str]:
    """A field of numbers: everything, one, a range, steps from one, lists."""
    number = st.integers(low, high)
    item = st.one_of(
        number.map(str),
        st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}"),
        st.tuples(number, st.integers(1, high)).map(lambda pair: f"{pair[0]}/{pair[1]}"),
    )
    return st.one_of(st.just("*"), st.lists(item, min_size=1, max_size=3).map(",".join))


def meant_by(field: str, low: int, high: int) -> set[int]:
    """The values of a field of Quartz, worked out apart from the code under test."""
    values: set[int] = set()
    for item in field.split(","):
        start, _, step = item.partition("/")
        first, _, last = start.partition("-")
        if start in ("*", "?"):
            begin, end = low, high
        else:
            begin = int(first)
            end = int(last) if last else high if step else begin
        if end < begin:
            end += high - low + 1
        values |= {
            (n - low) % (high - low + 1) + low for n in range(begin, end + 1, int(step or 1))
        }
    return values


weekday_numbers = st.one_of(
    st.just("*"),
    st.lists(
        st.one_of(
            st.integers(1, 7).map(str),
            st.tuples(st.integers(1, 7), st.integers(1, 7)).map(lambda p: f"{p[0]}-{p[1]}"),
            st.tuples(st.integers(1, 7), st.integers(1, 3)).map(lambda p: f"{p[0]}/{p[1]}"),
        ),
        min_size=1,
        max_size=3,
    ).map(",".join),
)


@given(
    numbers(0, 59), numbers(0, 23), numbers(1, 31), numbers(1, 12), weekday_numbers,
    st.booleans(), st.sampled_from(["aws", "quartz", "quartz with a year"]),
)  # fmt: skip
def test_what_is_suggested_fires_at_the_same_minutes(
    minute: str, hour: str, day: str, month: str, weekday: str, by_day: bool, dialect: str
) -> None:
    day, weekday = (day, "?") if by_day else ("?", weekday)
    fields = f"{minute} {hour} {day} {month} {weekday}"
    expr = {"aws": f"{fields} *", "quartz": f"0 {fields}", "quartz with a year": f"0 {fields} *"}
    meant = rewritten(expr[dialect].split())
    assert meant is not None
    try:
        cron = parse(meant.five)
    except CronError:
        return  # then it is not suggested
    assert set(cron.minutes) == meant_by(minute, 0, 59)
    assert set(cron.hours) == meant_by(hour, 0, 23)
    assert set(cron.months) == meant_by(month, 1, 12)
    days, weekdays = meant_by(day, 1, 31), meant_by(weekday, 1, 7)
    for at in (date(2027, 1, 1) + timedelta(days=n) for n in range(366)):
        if at.month in cron.months:
            expected = at.day in days and at.isoweekday() % 7 + 1 in weekdays
            assert cron.days.matches(at) == expected


@pytest.mark.parametrize("macro", ["@weekdays", "@weekends", "@quarterly", "@semimonthly"])
def test_what_is_written_for_a_macro_is_an_expression(macro: str) -> None:
    for expr in re.findall(r"'([^']+)'", of_macro(macro) or ""):
        parse(expr)

"""Hypothesis strategies: valid cron expressions, texts that look like them, moments, zones."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from reconciler.core.calendar.zone import timezones

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


def _step(low: int, high: int) -> st.SearchStrategy[str]:
    return st.integers(1, min(high, 31)).map(str)


def _range(low: int, high: int) -> st.SearchStrategy[str]:
    ends = st.tuples(st.integers(low, high), st.integers(low, high)).map(sorted)
    return ends.map(lambda pair: f"{pair[0]}-{pair[1]}")


def field(low: int, high: int, *others: str) -> st.SearchStrategy[str]:
    """One field: a list of up to three items of every form, `others` among them."""
    number, step = st.integers(low, high).map(str), _step(low, high)
    item = st.one_of(
        st.just("*"),
        number,
        step.map(lambda n: f"*/{n}"),
        _range(low, high),
        st.tuples(_range(low, high), step).map("/".join),
        st.tuples(number, step).map("/".join),
        *([st.sampled_from(others)] if others else []),
    )
    return st.lists(item, min_size=1, max_size=3).map(",".join)


_DAYS = field(1, 31, "L", "LW")
_SPECIAL = ("FRI#2", "5#5", "7#1", "SUN#3", "FRIL", "0L", "1L", "MON-FRI", "FRI-SUN", "sat-sun")

expressions = st.tuples(
    field(0, 59),
    field(0, 23),
    st.just("*") | _DAYS,
    st.just("*") | field(1, 12, *MONTHS, "JAN-MAR"),
    st.just("*") | field(0, 7, *WEEKDAYS, *_SPECIAL),
).map(" ".join)
"""Well-formed expressions, a few of which never fire."""

texts = st.one_of(
    st.text(max_size=300),
    st.text(alphabet="0123456789*/-,LW#?@HRTZ=FRISUN \t\n", max_size=60),
    st.lists(st.text(alphabet="0123456789*/-,LW#", min_size=1, max_size=8), max_size=7).map(
        " ".join
    ),
)
"""Anything, and much that is nearly an expression."""

moments = st.datetimes(
    min_value=datetime(1900, 1, 1),  # noqa: DTZ001
    max_value=datetime(2150, 1, 1),  # noqa: DTZ001
).map(lambda moment: moment.replace(tzinfo=UTC))

any_moments = st.datetimes(timezones=st.just(UTC)) | st.builds(
    lambda moment, hours: moment.replace(tzinfo=UTC) + timedelta(hours=hours),
    st.just(datetime(9999, 12, 31)),  # noqa: DTZ001
    st.integers(0, 23),
)

zones = st.sampled_from(sorted(timezones()))

"""What an agent says that it used: exact money, bounds, and what is only nearly a number."""

from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.base.money import format_dollars, parse_dollars
from reconciler.core.runs.usage import MOST_COUNT, NAMES, Price, Usage, priced, read_usage, reported
from reconciler.core.runs.view import run_document
from tests.core.runs.test_view import a_run

USAGES = st.builds(
    Usage,
    cost_micros=st.none() | st.integers(0, 10**12),
    input_tokens=st.none() | st.integers(0, MOST_COUNT),
    output_tokens=st.none() | st.integers(0, MOST_COUNT),
    cached_tokens=st.none() | st.integers(0, MOST_COUNT),
    turns=st.none() | st.integers(0, MOST_COUNT),
    model=st.none() | st.sampled_from(["opus", "o3, mini"]),
)


@given(USAGES)
def test_what_is_read_is_what_was_written_to_the_millionth_of_a_dollar(usage: Usage) -> None:
    assert read_usage(usage.document()) == usage


@given(USAGES, USAGES)
def test_a_later_report_forgets_nothing_and_takes_nothing_back(before: Usage, after: Usage) -> None:
    merged = after.over(before.document()).document()
    assert merged.keys() == before.document().keys() | after.document().keys()
    for name, value in merged.items():
        known = [told[name] for told in (before.document(), after.document()) if name in told]
        assert value == (known[-1] if name == "model" else max(known))


@given(st.lists(USAGES, min_size=1, max_size=6), st.randoms())
def test_whatever_the_order_of_the_reports_a_run_has_used_as_much(
    reports: list[Usage], chance: Random
) -> None:
    def in_all(told: list[Usage]) -> Usage:
        most = Usage()
        for report in told:
            most = replace(report, model=None).over(most.document())
        return most

    shuffled = chance.sample(reports, len(reports))
    assert in_all(shuffled) == in_all(reports) == in_all(reports * 2)


@given(st.lists(st.decimals(0, 1000, places=6), max_size=50))
def test_sums_are_exact(costs: list[Decimal]) -> None:
    assert sum(map(parse_dollars, costs)) == sum(costs) * 1_000_000


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(NAMES), inner),
    )
)
def test_whatever_an_agent_reports_is_usage_or_a_note(value: Any) -> None:
    usage, note = reported(value)
    assert usage is None or note is None
    if usage is not None:
        assert usage.document() == read_usage(usage.document()).document()


@pytest.mark.parametrize(
    ("value", "field"),
    [
        pytest.param({"costUsd": float("nan")}, "costUsd", id="NaN"),
        pytest.param({"costUsd": -1}, "costUsd", id="negative"),
        pytest.param({"costUsd": 10**400}, "costUsd", id="huge"),
        pytest.param({"costUsd": True}, "costUsd", id="boolean"),
        pytest.param({"inputTokens": 1.5}, "inputTokens", id="half a token"),
        pytest.param({"turns": "2"}, "turns", id="text"),
        pytest.param({"model": 7}, "model", id="model"),
    ],
)
def test_what_is_ignored_is_said(value: object, field: str) -> None:
    usage, note = reported(value)
    assert usage is None
    assert note is not None
    assert note.startswith("the usage that the agent reported is ignored: ")
    assert field in note


@pytest.mark.parametrize("value", [None, {}, {"premiumRequests": 1}])
def test_nothing_reported_is_nothing_known(value: object) -> None:
    assert reported(value) == (None, None)


def test_a_model_is_one_line() -> None:
    assert read_usage({"model": "a\u202e\nmodel"}).model == "a model"


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "$0.00"),
        (250_000, "$0.25"),
        (1_234_500_000, "$1,234.50"),
        (12_345, "$0.012345"),
        (7_000, "$0.007"),
    ],
)
def test_dollars_as_people_read_them(micros: int, text: str) -> None:
    assert format_dollars(micros) == text


def test_the_api_shows_every_name_or_null() -> None:
    assert run_document(a_run())["usage"] is None
    shown = run_document(a_run(usage={"turns": 2}))["usage"]
    assert shown == {**dict.fromkeys(NAMES), "turns": 2}


PRICES = {
    "opus": Price(Decimal(15), Decimal(75), Decimal("1.5")),
    "gpt-*": Price(Decimal("0.05"), Decimal("0.4"), Decimal("0.05")),
    "gpt-5*": Price(Decimal("1.25"), Decimal(10), Decimal("0.125")),
}


@pytest.mark.parametrize(
    ("usage", "micros"),
    [
        pytest.param(
            Usage(input_tokens=1000, cached_tokens=400, output_tokens=10, model="opus"),
            600 * 15 + 400 * 1.5 + 10 * 75,
            id="tokens from a cache cost less",
        ),
        pytest.param(
            Usage(input_tokens=3, output_tokens=0, model="gpt-5-codex"), 4, id="to the nearest one"
        ),
        pytest.param(
            Usage(input_tokens=100, output_tokens=0, model="gpt-oss"), 5, id="the longest name"
        ),
        pytest.param(
            Usage(input_tokens=10, output_tokens=1, model="opus", cost_micros=7),
            7,
            id="what the agent says counts",
        ),
        pytest.param(
            Usage(input_tokens=5, cached_tokens=9, output_tokens=0, model="opus"),
            8,
            id="more from the cache than there was",
        ),
        pytest.param(Usage(output_tokens=10, model="opus"), None, id="no input"),
        pytest.param(Usage(input_tokens=10, output_tokens=1, model="o3"), None, id="no price"),
        pytest.param(Usage(input_tokens=10, output_tokens=1), None, id="no model"),
    ],
)
def test_tokens_cost_what_the_table_of_prices_says(usage: Usage, micros: int | None) -> None:
    priced_usage = priced(usage, PRICES)
    assert priced_usage is not None
    assert priced_usage.cost_micros == micros

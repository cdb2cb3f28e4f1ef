"""Plain scalars by the core schema of YAML 1.2.2, section 10.3."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.manifest.load.scalars import NumberTooLong, resolve


@pytest.mark.parametrize(
    "text", ["no", "on", "yes", "off", "y", "n", "No", "tRue", "nUll", "NONE", "1_000", "1:30"]
)
def test_words_that_yaml_1_1_reads_as_something_else_are_text(text: str) -> None:
    assert resolve(text) == text


@pytest.mark.parametrize(
    "text", ["2026-12-31", "2026-12-31T00:00:00Z", "12:30:45", "0b1", "+", "."]
)
def test_what_only_looks_like_a_number_is_text(text: str) -> None:
    assert resolve(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("010", 10, id="a leading zero is no octal number"),
        pytest.param("0o10", 8, id="octal"),
        pytest.param("0x1F", 31, id="hexadecimal"),
        pytest.param("-0o7", "-0o7", id="octal numbers have no sign"),
        pytest.param("+12", 12, id="a plus sign"),
        pytest.param("-0", 0, id="minus zero"),
        pytest.param("1.", 1.0, id="no digits after the point"),
        pytest.param(".5", 0.5, id="no digits before the point"),
        pytest.param("1e3", 1000.0, id="an exponent makes a float"),
        pytest.param("1e", "1e", id="no digits in the exponent"),
        pytest.param("٣", "٣", id="digits are ASCII"),
        pytest.param("", None, id="nothing"),
        pytest.param("~", None, id="tilde"),
        pytest.param("Null", None, id="null in title case"),
        pytest.param("TRUE", True, id="true in capitals"),
        pytest.param("False", False, id="false in title case"),
        pytest.param("-.INF", -math.inf, id="minus infinity"),
    ],
)
def test_resolution(text: str, value: object) -> None:
    resolved = resolve(text)
    assert resolved == value
    assert type(resolved) is type(value)


def test_not_a_number() -> None:
    assert math.isnan(resolve(".nan"))  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["9" * 5000, "-" + "9" * 400, "0x" + "f" * 500, "1." + "0" * 400])
def test_numbers_that_cost_time_are_refused(text: str) -> None:
    with pytest.raises(NumberTooLong):
        resolve(text)


@given(st.text())
def test_any_text_has_a_value(text: str) -> None:
    assert isinstance(resolve(text), str | int | float | bool | None)

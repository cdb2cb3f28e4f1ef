"""A prompt within what Aegis takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.runs.prompt import prompt
from reconciler.dispatch.aegis.prompt import fit, units

NONCE = "n0nce" + "x" * 20
CLOSING = f"\n</untrusted-payload {NONCE}>"
CUT = "[cut: what follows is more than an Aegis session takes and is left out]"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", 0, id="nothing"),
        pytest.param("é€", 2, id="one unit each"),
        pytest.param("🙂", 2, id="a pair"),
        pytest.param("\ud800", 1, id="half a pair"),
    ],
)
def test_units_are_counted_as_javascript_does(text: str, expected: int) -> None:
    assert units(text) == expected


def test_what_fits_is_left_alone() -> None:
    assert fit("x" * 100_000) == "x" * 100_000


def test_only_the_payload_is_cut_and_its_block_stays_closed() -> None:
    text = prompt("Triage.", {"body": "z" * 5000}, nonce=NONCE)
    kept = fit(text, 2000)
    assert units(kept) == 2000
    assert kept.startswith("Triage.\n")
    assert kept.endswith(f"\n{CUT}{CLOSING}")
    assert kept.count(NONCE) == 2


def test_a_block_of_which_nothing_fits_is_left_out() -> None:
    description = "d" * 500
    text = prompt(description, {"body": "z" * 5000}, nonce=NONCE)
    kept = fit(text, 550)
    assert NONCE not in kept
    assert kept.endswith(CUT)
    assert units(kept) <= 550


def test_a_description_that_is_too_long_by_itself_is_cut() -> None:
    kept = fit("d" * 3000, 1000)
    assert units(kept) == 1000
    assert kept.endswith(f"ddd\n{CUT}")


@given(
    st.text(max_size=300),
    st.text("ab🙂\n<>/", max_size=3000),
    st.integers(400, 1500),
)
def test_a_cut_prompt_never_opens_a_block_that_it_does_not_close(
    description: str, payload: str, limit: int
) -> None:
    kept = fit(prompt(description, payload, nonce=NONCE), limit)
    assert units(kept) <= limit
    opened = f"<untrusted-payload {NONCE}>\n" in kept
    assert opened == kept.endswith(CLOSING)

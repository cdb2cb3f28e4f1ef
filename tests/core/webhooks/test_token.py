"""The token in a webhook's URL."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.access.token_hash import token_hash
from reconciler.core.webhooks.token import is_token_shaped, webhook_token

KEY = bytes(range(32))
TRIGGER = "0d4c3fb2-6c5e-5b1c-9a63-3c0b5ff7b1d6"
IDS = st.text(max_size=40)
GENERATIONS = st.integers(1, 10**6)


def test_a_token_is_derived_and_stays_the_same() -> None:
    token = webhook_token(KEY, TRIGGER, 1)
    assert token == "whk_NWoVJyCTsd9K6PnaDQqCfSR4nJWTNhMUAKFNe8pbW9E"
    assert re.fullmatch(r"whk_[A-Za-z0-9_-]{43}", token)


@given(st.tuples(IDS, GENERATIONS), st.tuples(IDS, GENERATIONS))
def test_no_two_triggers_or_generations_share_a_token(
    one: tuple[str, int], other: tuple[str, int]
) -> None:
    same = webhook_token(KEY, *one) == webhook_token(KEY, *other)
    assert same == (one == other)


def test_an_id_that_ends_in_digits_does_not_run_into_the_generation() -> None:
    assert webhook_token(KEY, "t1", 1) != webhook_token(KEY, "t", 11)
    assert webhook_token(KEY, "t", 11) != webhook_token(KEY, "t1", 11)


@given(st.binary(min_size=32, max_size=64), st.binary(min_size=32, max_size=64), IDS)
def test_another_server_key_gives_another_token(one: bytes, other: bytes, trigger: str) -> None:
    if one.rstrip(b"\0") != other.rstrip(b"\0"):  # HMAC pads its key with zeros
        assert webhook_token(one, trigger, 1) != webhook_token(other, trigger, 1)


@pytest.mark.parametrize(
    ("key", "generation", "message"),
    [
        (b"", 1, "0 bytes; it needs 32"),
        (bytes(31), 1, "31 bytes"),
        (KEY, 0, "tokenGeneration is 0"),
        (KEY, -1, "tokenGeneration is -1"),
    ],
)
def test_what_cannot_be_derived_from(key: bytes, generation: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        webhook_token(key, TRIGGER, generation)


@given(IDS, GENERATIONS)
def test_every_token_is_token_shaped(trigger: str, generation: int) -> None:
    assert is_token_shaped(webhook_token(KEY, trigger, generation))


GOOD = "whk_" + "a" * 43


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(GOOD[:-1], id="one short"),
        pytest.param(GOOD + "a", id="one long"),
        pytest.param(GOOD[:-1] + "\n", id="a line break at the end"),
        pytest.param(GOOD[:-1] + "=", id="padding"),
        pytest.param(GOOD[:-1] + "+", id="the other base64"),
        pytest.param(GOOD[:-1] + "/", id="a slash"),
        pytest.param(GOOD[:-1] + "é", id="not ASCII"),
        pytest.param(GOOD[:-1] + "٣", id="a digit of another script"),
        pytest.param("\ud800" * 47, id="lone surrogates"),
        pytest.param("WHK_" + "a" * 43, id="upper case"),
        pytest.param("rct_" + "a" * 43, id="an API token"),
        pytest.param("whk_" * 1_000_000, id="four million characters"),
    ],
)
def test_what_is_no_token(text: str) -> None:
    assert not is_token_shaped(text)


def test_the_stored_hash_is_sha256() -> None:
    assert token_hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert len(token_hash("\ud800")) == 64

"""Secrets never show, wherever they stand in a URL; what is harmless stays readable."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.base.masking import mask, unescaped

SECRET = "se@cret/p?w#x:1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("postgresql://u:pw@h/db", "postgresql://u:***@h/db", id="a password"),
        pytest.param("postgresql://u:se@cretpw@h/db", "postgresql://u:***@h/db", id="with an @"),
        pytest.param("postgresql://u:se/cret@h/db", "postgresql://u:***@h/db", id="with a slash"),
        pytest.param("postgresql://u:se<cr>et@h/db", "postgresql://u:***@h/db", id="with brackets"),
        pytest.param("postgresql://u@h:5432/db", "postgresql://u@h:5432/db", id="a user only"),
        pytest.param(
            "postgresql://h/db?password=pw&sslmode=require&sslpassword=pw",
            "postgresql://h/db?password=***&sslmode=require&sslpassword=***",
            id="in the query",
        ),
        pytest.param("https://ghp_secret@github.com/x", "https://***@github.com/x", id="a token"),
        pytest.param("https://ada:pw@host/x", "https://***@host/x", id="of http"),
        pytest.param("http://h/x?limit=5&sig=abc", "http://h/x?limit=5&sig=***", id="signed"),
        pytest.param("ssh://git@host/x", "ssh://git@host/x", id="a user of ssh"),
        pytest.param("sqlite:///a/b.db", "sqlite:///a/b.db", id="a file"),
        pytest.param("http://127.0.0.1:8484/v1", "http://127.0.0.1:8484/v1", id="nothing secret"),
        pytest.param("host=h password='a b' x", "host=h password=*** x", id="libpq"),
    ],
)
def test_what_is_shown(text: str, expected: str) -> None:
    assert mask(text) == expected
    assert mask(mask(text)) == expected


def test_a_long_word_is_read_once() -> None:
    """It was read from each of its letters to its end: this took hours."""
    word = "a" * 1_000_000
    assert mask(f"{word}://u:pw@h") == f"{word}://u:***@h"


MARKS = st.text(string.ascii_letters + string.digits + string.punctuation, max_size=12)


@given(MARKS, st.sampled_from(["postgresql", "http", "https", "ssh", "redis"]), MARKS)
def test_a_password_never_shows_whatever_marks_it_holds(left: str, scheme: str, right: str) -> None:
    secret = f"{left}S3CR3T{right}"
    assert "S3CR3T" not in mask(f"cannot reach {scheme}://user:{secret}@host:5432/db: no")


@given(MARKS, st.sampled_from(["password", "sslpassword", "token", "anything", "KEY"]))
def test_a_secret_in_the_query_never_shows(left: str, name: str) -> None:
    secret = left.translate(dict.fromkeys(map(ord, "&#;="))) + "S3CR3T"
    assert "S3CR3T" not in mask(f"https://host/path?limit=1&{name}={secret}&x=1")
    assert "S3CR3T" not in mask(f"postgresql://host/db?{name}={secret}")


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        pytest.param("postgresql://u:se@cret@h/db", "write %40 for it", id="two @"),
        pytest.param("postgresql://u:se/cret@h/db", "write %2F for it", id="a slash"),
        pytest.param("postgresql://u:se?cret@h/db", "write %3F for it", id="a question mark"),
        pytest.param("postgresql://u:se#cret@h/db", "write %23 for it", id="a hash"),
        pytest.param("postgresql://u:se%40cret@h/db", None, id="escaped"),
        pytest.param("postgresql://u@h:5432/db?user=a@b", None, id="an @ in the query"),
        pytest.param("http://h:80/a@b", None, id="an @ in the path"),
        pytest.param("sqlite:///a@b@c.db", None, id="a file"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_marks_that_end_a_password_are_said(url: str, hint: str | None) -> None:
    fault = unescaped(url)
    assert fault is None if hint is None else (fault or "").endswith(hint)

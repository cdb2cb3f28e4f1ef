"""What manifests say is shown as it is, unless it would do something."""

from typing import Any

import pytest
from hypothesis import given

from reconciler.core.base.safe_text import escaped, quoted
from tests.support.strategies import HOSTILE, VALUES


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("Überprüfung 你好 👍", "Überprüfung 你好 👍", id="what prints"),
        pytest.param("a\nb\r\t", "a\\x0ab\\x0d\\x09", id="line breaks"),
        pytest.param("\x1b[31m\x9b", "\\x1b[31m\\x9b", id="terminal sequences"),
        pytest.param("\u202e\u2066\u200b", "\\u202e\\u2066\\u200b", id="bidi and invisible ones"),
        pytest.param("\U000e0041", "\\U000e0041", id="tags"),
        pytest.param("a\u3164b", "a\\u3164b", id="letters that are blank"),
        pytest.param("\ud800", "\\ud800", id="half a surrogate pair"),
    ],
)
def test_escaped(text: str, shown: str) -> None:
    assert escaped(text) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param(None, "(none)", id="nothing"),
        pytest.param(True, "true", id="a boolean"),
        pytest.param('a "b"', '"a \\"b\\""', id="a text with quotes"),
        pytest.param("true", '"true"', id="a text that looks like a boolean"),
        pytest.param(["a", 1], '["a", 1]', id="a list"),
        pytest.param({"env": "X", "a b": {}}, '{env: "X", "a b": {}}', id="a map"),
    ],
)
def test_quoted(value: Any, shown: str) -> None:
    assert quoted(value) == shown


@given(HOSTILE, VALUES)
def test_anything_becomes_one_printable_line(text: str, value: Any) -> None:
    assert escaped(text).isprintable()
    assert quoted(value).isprintable()

"""What a body says, and what is refused because it would have to be guessed."""

import json
import math
import sys
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.base.json_tokens import TOKENS_LIMIT
from reconciler.core.webhooks.errors import BodyError
from reconciler.core.webhooks.form import MAX_FIELDS
from reconciler.core.webhooks.media_type import media_type, refuse_encoding
from reconciler.core.webhooks.payload import (
    MAX_DEPTH,
    MAX_ITEMS,
    JSONValue,
    Parsed,
    parse_body,
    parse_json,
)

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        pytest.param(JSON, b'{"a": [1, null]}', Parsed({"a": [1, None]}, "json"), id="JSON"),
        pytest.param(JSON, b' \t\r\n"x" ', Parsed("x", "json"), id="a text between white space"),
        pytest.param(JSON, b"-0.5e1", Parsed(-5.0, "json"), id="a number"),
        pytest.param(JSON, b'{"a":1,"a":2}', Parsed({"a": 2}, "json"), id="of equal keys the last"),
        pytest.param(JSON, '"é😀"'.encode(), Parsed("é😀", "json"), id="UTF-8"),
        pytest.param(JSON, rb'"\ud83d\ude00"', Parsed("😀", "json"), id="an escaped pair"),
        pytest.param(JSON, rb'"\\u0000"', Parsed("\\u0000", "json"), id="an escaped backslash"),
        pytest.param(
            "application/vnd.github+json; charset=UTF-8", b"[]", Parsed([], "json"), id="+json"
        ),
        pytest.param('APPLICATION/JSON;charset="utf-8"', b"{}", Parsed({}, "json"), id="quoted"),
        pytest.param("text/json", b"{}", Parsed({}, "json"), id="text/json"),
        pytest.param(None, b' {"a": 1}', Parsed({"a": 1}, "json"), id="untyped, like JSON"),
        pytest.param(None, b"deployed", Parsed({"raw": "deployed"}, "raw"), id="untyped text"),
        pytest.param(None, b"\xff\x00", Parsed({"rawBase64": "/wA="}, "raw"), id="untyped bytes"),
        pytest.param(None, b"", Parsed(None, "empty"), id="nothing"),
        pytest.param(FORM, b"", Parsed(None, "empty"), id="an empty form"),
        pytest.param("text/plain", b"a=1", Parsed({"raw": "a=1"}, "raw"), id="text"),
        pytest.param(
            "text/plain; charset=UTF-8", b'{"Type": "n"}', Parsed({"Type": "n"}, "json"), id="SNS"
        ),
        pytest.param("text/plain", b"[a] b", Parsed({"raw": "[a] b"}, "raw"), id="only like JSON"),
        pytest.param("text/json", b"[1]", Parsed([1], "json"), id="JSON's older name"),
        pytest.param("application/soap+xml", b"<a/>", Parsed({"raw": "<a/>"}, "raw"), id="XML"),
        pytest.param(
            "application/octet-stream", b"{}", Parsed({"rawBase64": "e30="}, "raw"), id="bytes"
        ),
        pytest.param(FORM, b"a=1&b=x+y%21", Parsed({"a": "1", "b": "x y!"}, "form"), id="a form"),
        pytest.param(
            FORM, b"a&&=b&c=d=e", Parsed({"a": "", "": "b", "c": "d=e"}, "form"), id="odd"
        ),
        pytest.param(FORM, b"a=1&a=2", Parsed({"a": "2"}, "form"), id="of equal names the last"),
        pytest.param(FORM, b"a=100%&b=%zz", Parsed({"a": "100%", "b": "%zz"}, "form"), id="bare %"),
        pytest.param(FORM, b"%C3%A9=%F0%9F%98%80", Parsed({"é": "😀"}, "form"), id="UTF-8 in %"),
        pytest.param(
            FORM, b"payload=%7B%22ref%22%3A1%7D", Parsed({"ref": 1}, "form"), id="GitHub's form"
        ),
        pytest.param(
            FORM, b"payload=hello", Parsed({"payload": "hello"}, "form"), id="a field of that name"
        ),
        pytest.param(
            FORM,
            b"payload=%7B%7D&x=1",
            Parsed({"payload": "{}", "x": "1"}, "form"),
            id="not the only field",
        ),
    ],
)
def test_what_a_body_says(content_type: str | None, body: bytes, expected: Parsed) -> None:
    assert parse_body(content_type, body) == expected


@pytest.mark.parametrize(
    ("content_type", "body", "payload"),
    [
        pytest.param(JSON, rb'"a\u0000b"', "a\ufffdb", id="NUL"),
        pytest.param(JSON, rb'"\ud83d"', "\ufffd", id="half a pair"),
        pytest.param(JSON, rb'"\ude00\ud83d"', "\ufffd\ufffd", id="a pair the wrong way round"),
        pytest.param(JSON, rb'[{"\uDfff": "\u0000"}]', [{"\ufffd": "\ufffd"}], id="in a key"),
        pytest.param(FORM, b"a%00=%00", {"a\ufffd": "\ufffd"}, id="in a form"),
        pytest.param("text/plain", b"\x00", {"raw": "\ufffd"}, id="in a text"),
        pytest.param(FORM, rb"payload=[%22\u0000%22]", {"payload": 0}, id="in GitHub's form"),
    ],
)
def test_what_cannot_be_stored_is_replaced_and_said(
    content_type: str, body: bytes, payload: JSONValue
) -> None:
    expected = ["\ufffd"] if payload == {"payload": 0} else payload
    parsed = parse_body(content_type, body)
    assert parsed.payload == expected
    assert parsed.replaced


@pytest.mark.parametrize(
    ("content_type", "body", "reason"),
    [
        pytest.param(JSON, b"", "json-invalid", id="empty, though JSON"),
        pytest.param(JSON, b"   ", "json-invalid", id="blank"),
        pytest.param(JSON, b"{", "json-invalid", id="unfinished"),
        pytest.param(JSON, b"{} {}", "json-invalid", id="two values"),
        pytest.param(JSON, b"{'a': 1}", "json-invalid", id="single quotes"),
        pytest.param(JSON, b'{"a": 1,}', "json-invalid", id="a comma too many"),
        pytest.param(JSON, b"[1] // x", "json-invalid", id="a comment"),
        pytest.param(JSON, b"NaN", "json-invalid", id="NaN"),
        pytest.param(JSON, b'{"a": -Infinity}', "json-invalid", id="infinity"),
        pytest.param(JSON, b"01", "json-invalid", id="a leading zero"),
        pytest.param(JSON, b"+1", "json-invalid", id="a plus"),
        pytest.param(JSON, b"1_000", "json-invalid", id="an underscore"),
        pytest.param(JSON, "١".encode(), "json-invalid", id="a digit of another script"),
        pytest.param(JSON, b'"a\nb"', "json-invalid", id="a raw line break in a text"),
        pytest.param(JSON, b'"a\x00b"', "json-invalid", id="a raw NUL in a text"),
        pytest.param(JSON, rb'"\u00"', "json-invalid", id="a cut escape"),
        pytest.param(JSON, b"1e999", "json-number-too-large", id="a number beyond a double"),
        pytest.param(JSON, b"[-1" + b"0" * 309 + b"]", "json-number-too-large", id="310 digits"),
        pytest.param(JSON, b"9" * 5000, "json-number-too-large", id="5000 digits"),
        pytest.param(JSON, b"\xef\xbb\xbf{}", "body-bom", id="a byte order mark"),
        pytest.param(JSON, '{"a": 1}'.encode("utf-16"), "body-not-utf8", id="UTF-16"),
        pytest.param(JSON, "{}".encode("utf-16-le"), "json-invalid", id="UTF-16 without a mark"),
        pytest.param(JSON, b'"\xe9"', "body-not-utf8", id="Latin-1"),
        pytest.param(JSON, b'"\xed\xa0\x80"', "body-not-utf8", id="an encoded surrogate"),
        pytest.param(JSON, b'"\xc0\x80"', "body-not-utf8", id="an overlong NUL"),
        pytest.param("text/plain", b"\xff", "body-not-utf8", id="text that is none"),
        pytest.param(FORM, b"a=\xff", "body-not-utf8", id="a form that is no text"),
        pytest.param(FORM, b"a=%ff", "form-invalid", id="a field that is no text"),
        pytest.param(FORM, b"a=1&" * MAX_FIELDS, "form-invalid", id="very many fields"),
        pytest.param(FORM, b' {"a": "b=c"}', "form-invalid", id="curl -d without a type"),
        pytest.param(FORM, b"payload=%7B", "json-invalid", id="GitHub's form, broken"),
        pytest.param(None, b"{a}", "json-invalid", id="untyped, like JSON, and not"),
    ],
)
def test_what_is_malformed(content_type: str | None, body: bytes, reason: str) -> None:
    with pytest.raises(BodyError) as caught:
        parse_body(content_type, body)
    assert (caught.value.reason, caught.value.status) == (reason, 400)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("content_type", "reason"),
    [
        ("application/json; charset=latin-1", "body-charset-unsupported"),
        ("application/json; charset=utf-16", "body-charset-unsupported"),
        ('text/plain; charset=""', "body-charset-unsupported"),
        ("application/json; charset=utf-8; charset=utf-7", "body-charset-unsupported"),
        ("multipart/form-data; boundary=x", "body-type-unsupported"),
        ("image/png", "body-type-unsupported"),
        ("text/html", "body-type-unsupported"),
        ("Text/HTML; charset=utf-8", "body-type-unsupported"),
        ("application/xhtml+xml", "body-type-unsupported"),
        ("image/svg+xml", "body-type-unsupported"),
        ("text/javascript", "body-type-unsupported"),
        ("application/jsonp", "body-type-unsupported"),
        ("", "body-type-unsupported"),
        ("json", "body-type-unsupported"),
        ("application/json, application/json", "body-type-unsupported"),
        ("application/json; charset", "body-type-unsupported"),
        ("application/ json", "body-type-unsupported"),
        ("application/jsоn", "body-type-unsupported"),
        ("application/json\x00", "body-type-unsupported"),
        ("\ud800/json", "body-type-unsupported"),
        ("text/" + "x" * 300, "body-type-unsupported"),
    ],
)
def test_a_type_that_is_not_read(content_type: str, reason: str) -> None:
    for check in (media_type, lambda given: parse_body(given, b"{}")):
        with pytest.raises(BodyError) as caught:
            check(content_type)
        assert (caught.value.reason, caught.value.status) == (reason, 415)


def test_the_type_is_matched_in_linear_time() -> None:
    with pytest.raises(BodyError):
        media_type("a/b" + " \t" * 126)
    assert media_type("text/plain;" + ";" * 200) == "text/plain"


@pytest.mark.parametrize("encoding", [None, "", "identity", " Identity "])
def test_a_body_as_it_is(encoding: str | None) -> None:
    refuse_encoding(encoding)


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity, gzip", "deflate", "\ud800"])
def test_a_compressed_body_is_not_unpacked(encoding: str) -> None:
    with pytest.raises(BodyError, match="without compression") as caught:
        refuse_encoding(encoding)
    assert caught.value.status == 415


class TestDepth:
    """64 levels and not one more, whatever the interpreter could bear."""

    @pytest.mark.parametrize("opening", ["[", '{"a":'])
    def test_the_limit_itself(self, opening: str) -> None:
        closing = "]" if opening == "[" else "}"
        fits = opening * (MAX_DEPTH - 1) + "[]" + closing * (MAX_DEPTH - 1)
        assert parse_json(fits.encode()) is not None
        with pytest.raises(BodyError) as caught:
            parse_json(f"[{fits}]".encode())
        assert caught.value.reason == "json-too-deep"

    @pytest.mark.parametrize(
        "body", [b"[" * 1_000_000, b'{"a":' * 300_000, b"[" * 900 + b"]" * 900]
    )
    def test_no_depth_raises_anything_else(self, body: bytes) -> None:
        with pytest.raises(BodyError):
            parse_json(body)

    def test_breadth_is_not_depth(self) -> None:
        body = b"[" + b"[[]]," * 10_000 + b"[]]"
        value = parse_json(body)
        assert isinstance(value, list)
        assert len(value) == 10_001

    def test_items_are_bounded_before_they_are_built(self) -> None:
        with pytest.raises(BodyError) as caught:
            parse_body("application/json", b"[" + b"[]," * MAX_ITEMS + b"[]]")
        assert caught.value.reason == "json-too-many"

    def test_a_call_of_the_api_is_bounded_more_than_a_webhook(self) -> None:
        body = b"[" + b"0," * TOKENS_LIMIT + b"0]"
        with pytest.raises(BodyError) as caught:
            parse_json(body)
        assert caught.value.reason == "json-too-many"
        payload = parse_body("application/json", body).payload
        assert isinstance(payload, list)
        assert len(payload) == TOKENS_LIMIT + 1

    def test_long_texts_are_no_items(self) -> None:
        assert parse_json(b'"' + b"x" * (MAX_ITEMS + 1) + b'"') == "x" * (MAX_ITEMS + 1)

    def test_brackets_in_a_text_are_not_depth(self) -> None:
        assert parse_json(b'"' + b"[{" * 1000 + b'"') == "[{" * 1000


class TestNumbers:
    """A number is refused when a double cannot hold it, and else is exact as far as it can be."""

    @pytest.mark.parametrize(
        "number", [2**53 + 1, -(2**63), 2**64, 10**300, int(sys.float_info.max)]
    )
    def test_whole_numbers_stay_exact(self, number: int) -> None:
        assert parse_json(str(number).encode()) == number

    def test_the_answer_does_not_depend_on_the_interpreter(self) -> None:
        limit = sys.get_int_max_str_digits()
        sys.set_int_max_str_digits(0)
        try:
            with pytest.raises(BodyError):
                parse_json(b"9" * 100_000)
        finally:
            sys.set_int_max_str_digits(limit)

    @given(st.decimals(allow_nan=False, allow_infinity=False))
    def test_every_number_is_finite_or_refused(self, number: Decimal) -> None:
        written = f"{number:e}".encode()
        if math.isinf(float(number)):
            with pytest.raises(BodyError, match="too large for a double"):
                parse_json(written)
        else:
            assert parse_json(written) == float(number)


VALUES: st.SearchStrategy[JSONValue] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES, st.booleans())
def test_what_is_written_is_read(value: JSONValue, ascii_only: bool) -> None:
    parsed = parse_body(JSON, json.dumps(value, ensure_ascii=ascii_only).encode())
    if not parsed.replaced:
        assert parsed.payload == value


@given(
    st.none() | st.sampled_from([JSON, FORM, "text/plain", "application/octet-stream"]) | st.text(),
    st.binary() | st.text().map(str.encode) | st.from_regex(rb'[\[{"\\u0D8:,]{0,40}'),
)
def test_any_body_is_a_storable_value_or_malformed(content_type: str | None, body: bytes) -> None:
    try:
        parsed = parse_body(content_type, body)
    except BodyError:
        return
    stored = json.dumps(parsed.payload, ensure_ascii=False, allow_nan=False)
    assert stored.encode("utf-8")
    assert "\\u0000" not in stored.replace("\\\\", "")


@given(st.dictionaries(st.text(), st.text(), min_size=1))
def test_a_form_that_a_browser_sends_is_read(fields: dict[str, str]) -> None:
    def escaped(text: str) -> str:
        return "".join(f"%{byte:02X}" for byte in text.encode())

    body = "&".join(f"{escaped(name)}={escaped(value)}" for name, value in fields.items())
    parsed = parse_body(FORM, body.encode())
    if not parsed.replaced and list(fields) != ["payload"]:
        assert parsed.payload == fields

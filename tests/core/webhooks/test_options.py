"""What a manifest may choose of a scheme: header, prefix, encoding, and a signed time."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.manifest.trigger import Signature, option_objections
from reconciler.core.webhooks.delivery_key import replay_fingerprint
from reconciler.core.webhooks.ingress import verify
from reconciler.core.webhooks.schemes import SCHEMES, SignatureOptions

NOW = datetime(2026, 3, 29, 1, 30, 15, tzinfo=UTC)
BODY = b'{"event": "meeting.ended"}'


def zoom(at: datetime) -> dict[str, str]:
    """As Zoom signs: developers.zoom.us, "Verify webhook events"."""
    time = str(int(at.timestamp()))
    mac = hmac.new(b"s3cret", f"v0:{time}:".encode() + BODY, hashlib.sha256).hexdigest()
    return {"x-zm-request-timestamp": time, "x-zm-signature": f"v0={mac}"}


ZOOM: SignatureOptions = {
    "header": "X-Zm-Signature",
    "prefix": "v0=",
    "time_header": "X-Zm-Request-Timestamp",
    "signed": "v0:{time}:{body}",
}


def test_a_timed_mac_under_other_names_is_verified() -> None:
    assert verify("hmac_sha256", ["s3cret"], zoom(NOW), BODY, NOW, **ZOOM)
    assert not verify("hmac_sha256", ["other"], zoom(NOW), BODY, NOW, **ZOOM)
    assert not verify("hmac_sha256", ["s3cret"], zoom(NOW), BODY + b" ", NOW, **ZOOM)


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_time_that_is_not_now_is_refused(minutes: int) -> None:
    old = zoom(NOW + timedelta(minutes=minutes))
    assert not verify("hmac_sha256", ["s3cret"], old, BODY, NOW, **ZOOM)
    longer: SignatureOptions = {**ZOOM, "tolerance": timedelta(minutes=10)}
    assert verify("hmac_sha256", ["s3cret"], old, BODY, NOW, **longer)


def test_without_its_time_header_nothing_is_verified() -> None:
    headers = zoom(NOW)
    del headers["x-zm-request-timestamp"]
    assert not verify("hmac_sha256", ["s3cret"], headers, BODY, NOW, **ZOOM)


def test_milliseconds_and_the_usual_form() -> None:
    time = str(int(NOW.timestamp() * 1000))
    mac = hmac.digest(b"s3cret", f"{time}.".encode() + BODY, "sha256")
    headers = {"x-time": time, "x-signature": base64.b64encode(mac).decode()}
    options: SignatureOptions = {"time_header": "X-Time", "encoding": "base64"}
    assert verify("hmac_sha256", ["s3cret"], headers, BODY, NOW, **options)


@given(st.text(max_size=20))
def test_a_time_is_plain_digits(time: str) -> None:
    mac = hmac.new(b"s3cret", f"{time}.".encode("utf-8", "surrogatepass") + BODY, hashlib.sha256)
    headers = {"x-time": time, "x-signature": mac.hexdigest()}
    now = NOW if not (time.isascii() and time.isdigit()) else datetime(1, 1, 1, tzinfo=UTC)
    assert not verify("hmac_sha256", ["s3cret"], headers, BODY, now, time_header="X-Time")


def test_a_captured_request_is_known_by_all_that_was_signed() -> None:
    first = replay_fingerprint("hmac_sha256", ["s3cret"], zoom(NOW), BODY, **ZOOM)
    later = zoom(NOW + timedelta(seconds=1))
    assert first != replay_fingerprint("hmac_sha256", ["s3cret"], later, BODY, **ZOOM)


@pytest.mark.parametrize(
    ("options", "headers", "accepted"),
    [
        pytest.param({}, {"authorization": "Bearer s3cret"}, True, id="bearer"),
        pytest.param({}, {"authorization": "bearer s3cret"}, True, id="in lower case"),
        pytest.param({}, {"authorization": "s3cret"}, False, id="without the word"),
        pytest.param({"header": "X-Api-Key"}, {"x-api-key": "s3cret"}, True, id="a header"),
        pytest.param({"header": "X-Api-Key"}, {"authorization": "Bearer s3cret"}, False,
                     id="not the usual one then"),
        pytest.param({"prefix": "Token "}, {"authorization": "Token s3cret"}, True, id="a prefix"),
        pytest.param({"header": "X-Key", "prefix": "key="}, {"x-key": "key=s3cret"}, True,
                     id="both"),
        pytest.param({"header": "X-Key", "prefix": "key="}, {"x-key": "s3cret"}, False,
                     id="the prefix is missing"),
    ],
)  # fmt: skip
def test_a_static_token_in_a_header_of_ones_choice(
    options: SignatureOptions, headers: dict[str, str], accepted: bool
) -> None:
    assert verify("bearer", ["s3cret"], headers, BODY, NOW, **options) is accepted


@pytest.mark.parametrize(
    ("sent", "accepted"),
    [
        pytest.param("Basic " + base64.b64encode(b"ada:p\xc3\xa4ss").decode(), True, id="right"),
        pytest.param("basic " + base64.b64encode(b"ada:p\xc3\xa4ss").decode(), True, id="lower"),
        pytest.param("Basic " + base64.b64encode(b"ada:other").decode(), False, id="wrong"),
        pytest.param("Basic ada:p\xe4ss", False, id="not encoded"),
        pytest.param("Basic", False, id="nothing"),
    ],
)
def test_basic_is_a_name_and_a_password(sent: str, accepted: bool) -> None:
    assert verify("basic", ["ada:päss"], {"authorization": sent}, BODY, NOW) is accepted


@pytest.mark.parametrize(
    ("scheme", "options", "why"),
    [
        pytest.param("github", {"header": "X"}, "'hmac_sha256' and 'bearer'", id="header"),
        pytest.param("bearer", {"encoding": "hex"}, "for scheme 'hmac_sha256'", id="encoding"),
        pytest.param("stripe", {"time_header": "X"}, "'timeHeader' is for", id="time"),
        pytest.param("hmac_sha256", {"signed": "{time}{body}"}, "needs 'timeHeader'", id="signed"),
        pytest.param("hmac_sha256", {"header": "X", "time_header": "T"}, None, id="fine"),
        pytest.param("bearer", {"header": "X", "prefix": "k "}, None, id="fine too"),
    ],
)
def test_what_a_scheme_does_not_take_is_told(
    scheme: str, options: SignatureOptions, why: str | None
) -> None:
    messages = [message for _, message in option_objections(scheme, options)]
    assert bool(messages) == (why is not None)
    assert why is None or why in messages[0]


def test_every_option_of_the_table_can_be_said_in_a_manifest() -> None:
    known = set(Signature.model_fields)
    assert {option for row in SCHEMES.values() for option in row.options} <= known

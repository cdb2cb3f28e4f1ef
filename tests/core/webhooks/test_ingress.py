"""What each scheme lets in and what it does not: a table of attacks on one genuine request."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.core.manifest.trigger import Scheme
from reconciler.core.webhooks.ingress import secret_problem, verify
from reconciler.core.webhooks.schemes import SCHEMES
from tests.support.signing import SENDERS, WHPK, WHSEC, WHSK, linear_body

NOW = datetime(2026, 3, 29, 1, 30, 15, tzinfo=UTC)
BODY = linear_body({"action": "create", "id": "1"}, NOW)
STATIC = ("gitlab token", "bearer", "basic")
IN_HEADERS = ("gitlab signing", "standard", "svix", "standard v1a", "stripe", "slack")
TIMED = (*IN_HEADERS, "linear")
SPACED = ("gitlab signing", "standard", "svix", "standard v1a")
"""Lists of signatures with spaces between them: an empty entry is no harm."""
every = pytest.mark.parametrize("name", SENDERS)


def genuine(name: str, body: bytes = BODY) -> dict[str, str]:
    return SENDERS[name].headers(body, NOW)


def accepts(
    name: str,
    headers: dict[str, str],
    body: bytes = BODY,
    now: datetime = NOW,
    tolerance: timedelta | None = None,
) -> bool:
    return verify(
        SENDERS[name].scheme, [SENDERS[name].known], headers, body, now, tolerance=tolerance
    )


def proof_header(headers: dict[str, str]) -> str:
    known = ("signature", "token", "hmac", "authorization")
    return next(h for h in headers if any(word in h for word in known))


def test_every_scheme_has_a_row() -> None:
    assert set(SCHEMES) == {scheme.value for scheme in Scheme}
    # Microsoft Graph proves itself in the body: see test_microsoft_graph.py.
    assert {SENDERS[name].scheme for name in SENDERS} | {"none", "microsoft_graph"} == set(SCHEMES)


@every
def test_a_genuine_request_is_accepted(name: str) -> None:
    assert accepts(name, genuine(name))


@every
def test_each_active_secret_is_tried_wherever_it_stands(name: str) -> None:
    right = SENDERS[name].known
    for secrets in ([right, "old"], ["old", right], ["", right, "whsec_***", "whpk_AAAA"]):
        assert verify(SENDERS[name].scheme, secrets, genuine(name), BODY, NOW)


@every
@pytest.mark.parametrize(
    "secrets",
    [
        pytest.param([], id="no secret at all"),
        pytest.param([""], id="an empty secret"),
        pytest.param(["wrong", WHSEC[:-4] + "AAAA"], id="other secrets"),
        pytest.param(["whsec_", "whsec_!!!!", "whpk_", "whpk_QUJD"], id="malformed secrets"),
        pytest.param(["\ud800", "whsec_\ud800", "whpk_é"], id="secrets that are no text"),
    ],
)
def test_other_secrets_are_refused(name: str, secrets: list[str]) -> None:
    assert not verify(SENDERS[name].scheme, secrets, genuine(name), BODY, NOW)


@every
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda proof: "", id="empty"),
        pytest.param(lambda proof: proof[:-1], id="cut by one"),
        pytest.param(lambda proof: proof + "0", id="one longer"),
        pytest.param(lambda proof: proof + "\t", id="a tab after it"),
        pytest.param(lambda proof: "\t" + proof, id="a tab before it"),
        pytest.param(lambda proof: proof + "\n", id="a line break after it"),
        pytest.param(lambda proof: proof + "\x00", id="a NUL after it"),
        pytest.param(lambda proof: proof.swapcase(), id="the other case"),
        pytest.param(lambda proof: "é" * 64, id="not ASCII"),
        pytest.param(lambda proof: "\ud800" * 64, id="lone surrogates"),
        pytest.param(lambda proof: "٠" * 64, id="digits of another script"),
        pytest.param(lambda proof: "NaN", id="not a number"),
        pytest.param(lambda proof: "0" * 100_000, id="very long"),
        pytest.param(lambda proof: "," * 10_000, id="ten thousand empty entries"),
        pytest.param(lambda proof: "v1= v1, v1a, sha256= Bearer ", id="labels without values"),
    ],
)
def test_a_changed_proof_is_refused(name: str, change: Callable[[str], str]) -> None:
    headers = genuine(name)
    proof = proof_header(headers)
    headers[proof] = change(headers[proof].split(",v0=")[0])
    assert not accepts(name, headers)


@pytest.mark.parametrize("name", [n for n in SENDERS if n not in SPACED])
def test_a_space_beside_a_proof_is_not_forgiven(name: str) -> None:
    headers = genuine(name)
    proof = proof_header(headers)
    value = headers[proof].split(",v0=")[0]
    for spaced in (f"{value} ", f" {value}"):
        assert not accepts(name, headers | {proof: spaced})


@every
def test_a_request_without_its_proof_is_refused(name: str) -> None:
    headers = genuine(name)
    del headers[proof_header(headers)]
    assert not accepts(name, headers)
    assert not accepts(name, {})


@pytest.mark.parametrize("name", [n for n in SENDERS if n not in STATIC])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(BODY + b" ", id="a space more"),
        pytest.param(BODY[:-1], id="a byte less"),
        pytest.param(BODY.replace(b"create", b"remove"), id="another action"),
    ],
)
def test_another_body_is_refused(name: str, body: bytes) -> None:
    assert not accepts(name, genuine(name), body)


@pytest.mark.parametrize("name", STATIC)
def test_a_static_token_says_nothing_about_the_body(name: str) -> None:
    assert accepts(name, genuine(name), b"anything")


@pytest.mark.parametrize("name", TIMED)
@pytest.mark.parametrize("sign_of_age", [1, -1], ids=["too old", "too new"])
def test_time_is_bounded_in_both_directions(name: str, sign_of_age: int) -> None:
    bound = timedelta(seconds=60 if name == "linear" else 300)
    edge = NOW + sign_of_age * bound
    assert accepts(name, genuine(name), now=edge)
    assert not accepts(name, genuine(name), now=edge + sign_of_age * timedelta(milliseconds=1))


@pytest.mark.parametrize("name", TIMED)
def test_the_tolerance_is_the_manifests(name: str) -> None:
    later = NOW + timedelta(minutes=30)
    assert not accepts(name, genuine(name), now=later)
    assert accepts(name, genuine(name), now=later, tolerance=timedelta(hours=1))
    assert not accepts(name, genuine(name), now=later, tolerance=timedelta(minutes=29))


@pytest.mark.parametrize("name", [n for n in SENDERS if n not in TIMED])
def test_schemes_without_a_time_do_not_age(name: str) -> None:
    assert accepts(name, genuine(name), now=NOW + timedelta(days=365))


@pytest.mark.parametrize("name", IN_HEADERS)
@pytest.mark.parametrize(
    "time",
    [
        pytest.param("", id="empty"),
        pytest.param("NaN", id="not a number"),
        pytest.param("inf", id="infinite"),
        pytest.param("-{}", id="negative"),
        pytest.param("+{}", id="with a sign"),
        pytest.param(" {}", id="a space before"),
        pytest.param("{} ", id="a space after"),
        pytest.param("{}\n", id="a line break after"),
        pytest.param("{}.0", id="a float"),
        pytest.param("1e9", id="an exponent"),
        pytest.param("1_774_747_815", id="underscores"),
        pytest.param("0x69c88a27", id="hexadecimal"),
        pytest.param("١٧٧٤٧٤٧٨١٥", id="Arabic digits"),
        pytest.param("{}000", id="milliseconds"),
        pytest.param("9" * 13, id="thirteen digits"),
        pytest.param("9" * 100_000, id="a hundred thousand digits"),
        pytest.param("\ud835", id="a lone surrogate"),
        pytest.param("0", id="1970"),
    ],
)
def test_a_time_that_is_no_time_is_refused(name: str, time: str) -> None:
    seconds = str(int(NOW.timestamp()))
    text = time.replace("{}", seconds)
    headers = {h: v.replace(f"t={seconds}", f"t={text}") for h, v in genuine(name).items()}
    headers = {h: text if v == seconds else v for h, v in headers.items()}
    assert headers != genuine(name)
    assert not accepts(name, headers)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"id": 1}', id="none"),
        pytest.param(b'{"webhookTimestamp": "1774747815000"}', id="a text"),
        pytest.param(b'{"webhookTimestamp": 1774747815000.0}', id="a float"),
        pytest.param(b'{"webhookTimestamp": 1.774747815e12}', id="an exponent"),
        pytest.param(b'{"webhookTimestamp": true}', id="true"),
        pytest.param(b'{"webhookTimestamp": -1774747815000}', id="negative"),
        pytest.param(b'{"webhookTimestamp": 1774747815}', id="seconds"),
        pytest.param(b'{"webhookTimestamp": 1' + b"0" * 300 + b"}", id="huge"),
        pytest.param(b'{"webhookTimestamp": NaN}', id="not a number"),
        pytest.param(b'[{"webhookTimestamp": 1774747815000}]', id="in a list"),
        pytest.param(b"1774747815000", id="the time alone"),
        pytest.param(b'{"webhookTimestamp": 1774747815000', id="not JSON"),
        pytest.param(b"[" * 100_000, id="too deep"),
        pytest.param(b"\xff", id="not UTF-8"),
        pytest.param(b"", id="an empty body"),
    ],
)
def test_linears_time_is_whole_milliseconds_in_the_body(body: bytes) -> None:
    assert not accepts("linear", genuine("linear", body), body)


@every
@pytest.mark.parametrize("other", SENDERS)
def test_a_proof_of_one_scheme_does_not_open_another(name: str, other: str) -> None:
    if SENDERS[name].scheme != SENDERS[other].scheme and not {name, other} <= set(SPACED):
        assert not accepts(name, genuine(other))


def test_none_lets_everybody_in_and_an_unknown_scheme_nobody() -> None:
    assert verify("none", [], {}, b"", NOW)
    assert not verify("github2", ["s3cret"], genuine("github"), BODY, NOW)


@pytest.mark.parametrize(
    ("scheme", "secret", "reason"),
    [
        ("github", "s3cret", None),
        ("github", "", "is empty"),
        ("github", "\ud800", "is not UTF-8 text"),
        ("github", "s3cret\n", "white space"),
        ("bearer", " s3cret", "white space"),
        ("standard", WHSEC, None),
        ("standard", WHSEC.removeprefix("whsec_"), None),
        ("standard", WHSEC + "\n", "not base64"),
        ("standard", "whsec_", "not base64"),
        ("standard", "whsec_abc-def_", "not base64"),
        ("standard", "whsec_A", "not base64"),
        ("standard", WHPK, None),
        ("standard", WHSK, "not base64"),
        ("standard", "whpk_QUJD", "32 bytes"),
        ("gitlab", "whsec_***", "not base64"),
        ("gitlab", "plain", None),
        ("stripe", "whsec_***", None),
        ("none", "s3cret", "is not used"),
        ("github2", "s3cret", "is not used"),
    ],
)
def test_a_secret_that_cannot_be_right_is_told(
    scheme: str, secret: str, reason: str | None
) -> None:
    found = secret_problem(scheme, secret)
    assert (found is None) == (reason is None)
    assert reason is None or reason in str(found)
    assert found is None or len(secret) < 8 or secret not in found

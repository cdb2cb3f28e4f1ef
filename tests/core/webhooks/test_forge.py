"""Push webhooks of forges are told from strangers' requests by the secret."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime

import pytest

from reconciler.core.webhooks.forge import is_genuine, is_signed

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
SECRET = "a secret of sixteen or more"
STANDARD = "whsec_" + base64.b64encode(b"a key of sixteen bytes or more").decode()
BODY = b'{"ref": "refs/heads/main"}'
HEX = hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest()
SENT = str(int(NOW.timestamp()))
SIGNED = base64.b64encode(
    hmac.new(
        b"a key of sixteen bytes or more", f"msg_1.{SENT}.".encode() + BODY, hashlib.sha256
    ).digest()
).decode()
TIMED = {"webhook-id": "msg_1", "webhook-timestamp": SENT, "webhook-signature": f"v1,{SIGNED}"}


@pytest.mark.parametrize(
    ("secret", "headers"),
    [
        pytest.param(SECRET, {"x-hub-signature-256": f"sha256={HEX}"}, id="GitHub"),
        pytest.param(SECRET, {"x-gitea-signature": HEX}, id="Gitea"),
        pytest.param(
            SECRET,
            {"x-gitea-signature": HEX, "x-hub-signature-256": f"sha256={HEX}"},
            id="Gitea, which speaks like GitHub too",
        ),
        pytest.param(SECRET, {"x-gitlab-token": SECRET}, id="GitLab's secret token"),
        pytest.param(STANDARD, TIMED, id="GitLab's signing token"),
    ],
)
def test_what_a_forge_sends_is_genuine_for_its_secret_only(
    secret: str, headers: dict[str, str]
) -> None:
    assert is_signed(headers)
    assert is_genuine(secret, headers, BODY, NOW)
    assert not is_genuine(f"{secret}x", headers, BODY, NOW)
    if "x-gitlab-token" not in headers:
        assert not is_genuine(secret, headers, BODY + b" ", NOW)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"authorization": f"Bearer {SECRET}"}, id="another scheme"),
        pytest.param({"x-signature": HEX}, id="another header"),
    ],
)
def test_other_requests_claim_nothing(headers: dict[str, str]) -> None:
    assert not is_signed(headers)
    assert not is_genuine(SECRET, headers, BODY, NOW)


@pytest.mark.parametrize("value", ["", "sha256=", HEX, f"sha256={HEX}é", "sha256=" + "0" * 64])
def test_a_malformed_signature_is_not_genuine(value: str) -> None:
    assert not is_genuine(SECRET, {"x-hub-signature-256": value}, BODY, NOW)

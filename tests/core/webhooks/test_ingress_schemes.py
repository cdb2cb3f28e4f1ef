"""What is particular to one scheme: lists, sets of names, two methods, tokens and options."""

from datetime import UTC, datetime

import pytest

from reconciler.core.webhooks.ingress import verify
from reconciler.core.webhooks.schemes import SignatureOptions
from reconciler.core.webhooks.signature import MAX_SIGNATURES
from reconciler.core.webhooks.signing_key import MAX_PUBLIC_KEY_CHECKS
from tests.support.signing import SENDERS, WHPK, WHSEC, lower, sign

NOW = datetime(2026, 3, 29, 1, 30, 15, tzinfo=UTC)
BODY = b'{"action": "create"}'


def genuine(name: str, body: bytes = BODY) -> dict[str, str]:
    return SENDERS[name].headers(body, NOW)


def accepts(name: str, headers: dict[str, str], body: bytes = BODY) -> bool:
    return verify(SENDERS[name].scheme, [SENDERS[name].known], headers, body, NOW)


class TestLists:
    """Signatures come in lists, so that keys can be rotated."""

    @staticmethod
    def pagerduty(*signatures: str) -> dict[str, str]:
        return {"x-pagerduty-signature": ",".join(signatures)}

    def test_any_of_several_pagerduty_signatures_will_do(self) -> None:
        right = genuine("pagerduty")["x-pagerduty-signature"]
        junk = "v1=" + "0" * 64
        assert accepts("pagerduty", self.pagerduty(junk, right, "v2=ff"))
        assert not accepts("pagerduty", self.pagerduty(junk, "v2=" + right[3:], right[3:]))

    @pytest.mark.parametrize(
        ("name", "header", "separator", "junk"),
        [
            ("pagerduty", "x-pagerduty-signature", ",", "v1=" + "0" * 64),
            ("standard", "webhook-signature", " ", "v1,AAAA"),
        ],
    )
    def test_the_number_of_signatures_that_are_compared_is_bounded(
        self, name: str, header: str, separator: str, junk: str
    ) -> None:
        headers = genuine(name)
        right = headers[header]
        headers[header] = separator.join([junk] * (MAX_SIGNATURES - 1) + [right] + [junk] * 5000)
        assert accepts(name, headers)
        headers[header] = separator.join([junk] * MAX_SIGNATURES + [right])
        assert not accepts(name, headers)

    def test_public_key_signatures_that_are_checked_are_fewer(self) -> None:
        headers = genuine("standard v1a")
        right = headers["webhook-signature"]
        junk = "v1a," + "A" * 86 + "=="
        headers["webhook-signature"] = " ".join(["v1a,AAAA"] * 9 + [junk] * 3 + [right])
        assert accepts("standard v1a", headers)
        headers["webhook-signature"] = " ".join([junk] * MAX_PUBLIC_KEY_CHECKS + [right])
        assert not accepts("standard v1a", headers)

    def test_a_mac_is_no_public_key_signature_and_the_reverse(self) -> None:
        mac, pair = genuine("standard"), genuine("standard v1a")
        mac["webhook-signature"] = mac["webhook-signature"].replace("v1,", "v1a,")
        pair["webhook-signature"] = pair["webhook-signature"].replace("v1a,", "v1,")
        assert not verify("standard", [WHSEC, WHPK], mac, BODY, NOW)
        assert not verify("standard", [WHSEC, WHPK], pair, BODY, NOW)

    def test_stripe_takes_v1_only_and_exactly_one_time(self) -> None:
        headers = genuine("stripe")
        time, v1, _ = headers["stripe-signature"].split(",")
        junk = "v1=" + "0" * 64
        for good in (f"{time},{junk},{v1}", f"{v1},{time}", f"{time},x,=,{v1}"):
            assert accepts("stripe", {"stripe-signature": good})
        zero = v1.replace("v1=", "v0=")
        for bad in (v1, time, f"{time},{zero}", f"{time},{time},{v1}", f"t=1,{time},{v1}"):
            assert not accepts("stripe", {"stripe-signature": bad})


class TestStandardHeaders:
    """`webhook-*` and `svix-*` are two sets of names, never mixed."""

    def test_both_complete_sets_together_are_fine(self) -> None:
        assert accepts("standard", genuine("svix") | genuine("standard"))

    @pytest.mark.parametrize("part", ["id", "timestamp", "signature"])
    def test_a_set_is_not_completed_from_the_other(self, part: str) -> None:
        headers = genuine("standard")
        headers[f"svix-{part}"] = headers.pop(f"webhook-{part}")
        assert not accepts("standard", headers)

    @pytest.mark.parametrize(
        "msg_id",
        ["", "msg.1", "msg 1", "msg\n1", "mség", "\ud800", "m" * 256],
        ids=["empty", "full stop", "space", "line break", "not ASCII", "surrogate", "too long"],
    )
    def test_an_id_has_one_reading(self, msg_id: str) -> None:
        headers = genuine("standard")
        headers["webhook-id"] = msg_id
        assert not accepts("standard", headers)

    def test_a_full_stop_in_the_id_cannot_shift_what_was_signed(self) -> None:
        seconds = int(NOW.timestamp())
        body = f"{seconds}.attack".encode()
        headers = genuine("standard", body)
        shifted = headers | {"webhook-id": f"msg_1.{seconds}"}
        assert accepts("standard", headers, body)
        assert not accepts("standard", shifted, b"attack")

    def test_gitlab_does_not_read_svix_names(self) -> None:
        assert not verify("gitlab", [WHSEC], genuine("svix"), BODY, NOW)


class TestGitlab:
    """One scheme, two methods; the secret says which."""

    def test_a_signing_token_on_the_wire_proves_nothing(self) -> None:
        assert not verify("gitlab", [WHSEC], {"x-gitlab-token": WHSEC}, BODY, NOW)

    def test_during_a_change_both_methods_are_open(self) -> None:
        for name in ("gitlab token", "gitlab signing"):
            assert verify("gitlab", ["s3cret", WHSEC], genuine(name), BODY, NOW)


class TestTokens:
    """Static tokens are compared as bytes."""

    def test_a_token_that_a_server_decoded_as_latin_1(self) -> None:
        wire = "schlüssel".encode().decode("latin-1")
        for sent in ("schlüssel", wire):
            assert verify("gitlab", ["schlüssel"], {"x-gitlab-token": sent}, b"", NOW)
        assert not verify("gitlab", ["schlüssel"], {"x-gitlab-token": "schlussel"}, b"", NOW)

    def test_a_surrogate_is_not_a_question_mark(self) -> None:
        assert not verify("gitlab", ["a?"], {"x-gitlab-token": "a\ud800"}, b"", NOW)

    @pytest.mark.parametrize("word", ["Bearer", "bearer", "BEARER"])
    def test_the_word_before_a_bearer_token_has_no_case(self, word: str) -> None:
        assert accepts("bearer", {"authorization": f"{word} s3cret"})

    @pytest.mark.parametrize(
        "value",
        ["s3cret", "Bearer", "Bearer  s3cret", "Basic s3cret", "Bearer s3cret x", "Bearers3cret"],
    )
    def test_what_is_no_bearer_token(self, value: str) -> None:
        assert not accepts("bearer", {"authorization": value})


class TestConfigured:
    """`hmac_sha256` is what the manifest says."""

    def test_header_encoding_and_prefix(self) -> None:
        headers = lower(
            sign("hmac_sha256", "k", b"x", NOW, header="X-Acme", encoding="base64", prefix="v2 ")
        )
        good = SignatureOptions(header="X-Acme", encoding="base64", prefix="v2 ")
        assert verify("hmac_sha256", ["k"], headers, b"x", NOW, **good)
        wrong: list[SignatureOptions] = [
            {**good, "header": "x-signature"},
            {**good, "encoding": "hex"},
            {**good, "prefix": "v1 "},
        ]
        for options in wrong:
            assert not verify("hmac_sha256", ["k"], headers, b"x", NOW, **options)

    def test_nothing_set_is_hex_in_x_signature(self) -> None:
        headers = genuine("hmac_sha256")
        assert verify(
            "hmac_sha256", ["s3cret"], headers, BODY, NOW, header=None, encoding=None, prefix=None
        )

    def test_other_schemes_do_not_listen(self) -> None:
        headers = genuine("github")
        assert verify("github", ["s3cret"], headers, BODY, NOW, header="x-other", prefix="v9=")

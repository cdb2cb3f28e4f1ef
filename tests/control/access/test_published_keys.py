"""Which of the keys that an issuer publishes verify what."""

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from reconciler.control.access.published_keys import usable_keys

RSA = rsa.generate_private_key(65537, 2048)
CURVE = ec.generate_private_key(ec.SECP256R1())
EDWARDS = ed25519.Ed25519PrivateKey.generate()
PLAIN_RSA = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}


def published(algorithm: str, private: Any, **fields: Any) -> dict[str, Any]:
    """The public half as a JWK, without the algorithm that PyJWT would name."""
    text = jwt.get_algorithm_by_name(algorithm).to_jwk(private.public_key())
    data = {k: v for k, v in json.loads(text).items() if k not in ("alg", "use", "key_ops")}
    return {**data, "kid": "key", **fields}


@pytest.mark.parametrize(
    ("data", "algorithms"),
    [
        pytest.param(published("RS256", RSA), PLAIN_RSA, id="RSA without an algorithm"),
        pytest.param(published("RS256", RSA, alg="PS384"), {"PS384"}, id="RSA for one algorithm"),
        pytest.param(published("ES256", CURVE), {"ES256"}, id="a curve has one"),
        pytest.param(published("EdDSA", EDWARDS), {"EdDSA", "Ed25519"}, id="Ed25519, both names"),
        pytest.param(published("EdDSA", EDWARDS, alg="Ed25519"), {"Ed25519"}, id="the new name"),
        pytest.param(published("EdDSA", EDWARDS, alg="EdDSA"), {"EdDSA"}, id="the old name"),
        pytest.param(published("RS256", RSA, use="enc"), None, id="for encryption"),
        pytest.param(published("RS256", RSA, alg="RSA-OAEP"), None, id="an algorithm to encrypt"),
        pytest.param(published("RS256", RSA, alg="HS256"), None, id="a public key as a secret"),
        pytest.param(published("RS256", RSA, alg="none"), None, id="no signature"),
        pytest.param({"kty": "oct", "k": "c2VjcmV0", "kid": "key"}, None, id="a shared secret"),
        pytest.param(published("ES256", CURVE, alg="RS256"), None, id="of another type"),
        pytest.param(published("RS256", RSA, alg=["RS256"]), None, id="a list of algorithms"),
        pytest.param(published("RS256", RSA, kid=7), None, id="an id that is no text"),
    ],
)
def test_a_key_verifies_what_it_is_published_for(
    data: dict[str, Any], algorithms: set[str] | None
) -> None:
    key = usable_keys([data, None, "text", {}]).get("key")
    assert (set(key.algorithms) if key else None) == algorithms


def test_a_token_without_a_key_id_needs_an_issuer_with_one_key() -> None:
    first, second = (published("ES256", CURVE, kid=kid) for kid in ("first", "second"))
    assert usable_keys([first]).keys() == {"first", None}
    assert usable_keys([first, second]).keys() == {"first", "second"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
fields = st.sampled_from(["kty", "alg", "crv", "use", "kid", "n", "e", "x", "y"])


@given(json_values | st.lists(st.dictionaries(fields, json_values)))
def test_no_answer_of_an_issuer_raises(answer: Any) -> None:
    assert all(key.algorithms for key in usable_keys(answer).values())


@given(st.dictionaries(fields, json_values))
def test_a_key_with_strange_fields_takes_no_other_with_it(strange: dict[str, Any]) -> None:
    good = published("RS256", RSA, kid="good")
    assert "good" in usable_keys([good | strange | {"kid": "strange"}, good])

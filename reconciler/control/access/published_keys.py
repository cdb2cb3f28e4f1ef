"""The keys that an OIDC issuer publishes: which of them verify signatures, by which algorithms.

A key that names no algorithm (RFC 7517 leaves that open) verifies every one of its type: issuers
sign with PS256 under a key that they publish as plain RSA. None of them takes a shared secret.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from jwt.algorithms import AllowedPublicKeys, OKPAlgorithm, get_default_algorithms

_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_EC = frozenset({"ES256", "ES384", "ES512"})
_EDWARDS = frozenset({"EdDSA", "Ed25519"})
_ALGORITHMS = _RSA | _EC | _EDWARDS
_MOST_KEYS = 100

if "Ed25519" not in get_default_algorithms():
    # RFC 9864's name for EdDSA with this curve; PyJWT knows the older name only.
    jwt.register_algorithm("Ed25519", OKPAlgorithm())


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key, and the algorithms that its tokens may be signed with."""

    key: AllowedPublicKeys
    algorithms: frozenset[str]


def usable_keys(published: Any) -> dict[str | None, PublicKey]:
    """Return the keys for signatures by their id; without an id only where there is just one.

    `published` is the member `keys` of a JWK set (RFC 7517). What cannot be read is left out, as
    one strange key must not take the others with it.
    """
    usable: dict[str | None, PublicKey] = {}
    for data in published[:_MOST_KEYS] if isinstance(published, list) else []:
        if not isinstance(data, dict) or data.get("use", "sig") != "sig":
            continue
        key_id, key = data.get("kid"), _key(data)
        if key is not None and isinstance(key_id, str | None):
            usable[key_id] = key
    if len(usable) == 1:
        usable[None] = next(iter(usable.values()))
    return usable


def _key(data: Mapping[str, Any]) -> PublicKey | None:
    algorithm = data.get("alg")
    if not isinstance(algorithm, str | None) or algorithm not in (None, *_ALGORITHMS):
        return None
    known = "EdDSA" if algorithm == "Ed25519" and data.get("crv") == "Ed25519" else algorithm
    try:
        parsed = jwt.PyJWK({**data, "alg": known})
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if algorithm is not None:
        return PublicKey(parsed.key, frozenset({algorithm}))
    for family in (_RSA, _EDWARDS):
        if parsed.algorithm_name in family:
            return PublicKey(parsed.key, family)
    algorithms = frozenset({parsed.algorithm_name}) & _ALGORITHMS
    return PublicKey(parsed.key, algorithms) if algorithms else None

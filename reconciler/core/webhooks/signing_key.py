"""What a secret is used as: text, base64 or an Ed25519 public key."""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:  # every command reads manifests, and only a server verifies signatures
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Key: TypeAlias = "bytes | Ed25519PublicKey"

MAX_PUBLIC_KEY_CHECKS = 4
"""Well-formed Ed25519 signatures that are checked: each one costs a hash of the whole body."""

_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}", re.ASCII)


class SecretInvalid(ValueError):
    """A secret that no request can ever be verified with; the message says why."""


def text_key(secret: str) -> bytes:
    """The secret used whole, as UTF-8."""
    if not secret:
        raise SecretInvalid("is empty")
    try:
        return secret.encode("utf-8")
    except UnicodeEncodeError:
        raise SecretInvalid("is not UTF-8 text") from None


def standard_key(secret: str) -> bytes:
    """Base64 after `whsec_` (which may be left out), as the reference libraries read it.

    Some senders show it with the version of the signature in front, `v1,whsec_…`.

    Source: Standard Webhooks 1.0.0, "Signature scheme"; https://docs.svix.com.
    """
    key = strict_base64(secret.removeprefix("v1,").removeprefix("whsec_"))
    if not key:
        raise SecretInvalid("is not base64 after 'whsec_'; copy it whole, without spaces")
    return key


def basic_key(secret: str) -> bytes:
    """What a client sends for `user:password`: the base64 of it."""
    if ":" not in secret:
        raise SecretInvalid("is not user:password")
    return base64.b64encode(text_key(secret))


def public_key(secret: str) -> "Ed25519PublicKey":
    """Ed25519, base64 after `whpk_`. Source: Standard Webhooks 1.0.0, "Signature scheme"."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    raw = strict_base64(secret.removeprefix("v1a,").removeprefix("whpk_"))
    if raw is None or len(raw) != 32:
        raise SecretInvalid("is not an Ed25519 public key: 32 bytes in base64 after 'whpk_'")
    try:
        return Ed25519PublicKey.from_public_bytes(raw)
    except ValueError:
        raise SecretInvalid("is not a point of Ed25519 after 'whpk_'") from None


def signed_by(key: "Ed25519PublicKey", entries: Sequence[str], message: bytes) -> bool:
    """Whether one of the first well-formed signatures in `entries` is the key's over `message`."""
    whole = [raw for entry in entries if (raw := _ed25519_signature(entry)) is not None]
    return any(_verified(key, raw, message) for raw in whole[:MAX_PUBLIC_KEY_CHECKS])


def _ed25519_signature(entry: str) -> bytes | None:
    raw = strict_base64(entry)
    # One signature has one spelling, as with MACs, which are compared as text.
    canonical = raw is not None and base64.b64encode(raw).decode("ascii") == entry
    return raw if canonical and raw is not None and len(raw) == 64 else None


def _verified(key: "Ed25519PublicKey", signature: bytes, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def strict_base64(text: str) -> bytes | None:
    """The bytes of standard base64, padded or not; None for anything else."""
    if not _BASE64.fullmatch(text):
        return None
    bare = text.rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4))
    except binascii.Error:
        return None

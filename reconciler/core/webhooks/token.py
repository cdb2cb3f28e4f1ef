"""The token in a webhook's URL: derived, so that it can be shown again and is stored nowhere."""

import base64
import hashlib
import hmac
import re

MIN_KEY_BYTES = 32

_SHAPE = re.compile(r"whk_[A-Za-z0-9_-]{43}", re.ASCII)
_LABEL = b"reconciler webhook token v1"


def webhook_token(server_key: bytes, trigger_id: str, generation: int) -> str:
    """`whk_` + base64url(HMAC-SHA256(server key, trigger id and generation)).

    The same three always give the same token: a database rebuilt from git keeps its URLs. Raises
    ValueError for a server key below 32 bytes and a generation below 1.
    """
    if len(server_key) < MIN_KEY_BYTES:
        raise ValueError(
            f"the server key has {len(server_key)} bytes; it needs {MIN_KEY_BYTES} or more"
        )
    if generation < 1:
        raise ValueError(f"tokenGeneration is {generation}; the first one is 1")
    # Lengths stand before their texts: no id and generation can be read as another pair.
    parts = (_LABEL, trigger_id.encode("utf-8"), str(generation).encode("ascii"))
    message = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    digest = hmac.digest(server_key, message, hashlib.sha256)
    return "whk_" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def is_token_shaped(text: str) -> bool:
    """Whether `text` could be a token at all; asked before any look-up."""
    return len(text) == 47 and _SHAPE.fullmatch(text) is not None

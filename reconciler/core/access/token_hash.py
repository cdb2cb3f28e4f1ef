"""What is kept of a token of any kind, so that whoever reads the database has none."""

import hashlib


def token_hash(token: str) -> str:
    """The SHA-256 of a token, in hex. Tokens are long and random, so no salt is needed."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()

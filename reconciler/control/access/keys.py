"""The server's key, from which webhook tokens derive: made once, kept private."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from reconciler.core.access.token_hash import token_hash
from reconciler.core.base.errors import Unavailable, UsageError
from reconciler.core.webhooks.token import webhook_token

LENGTH = 32


def server_key(path: Path, secrets_dir: Path) -> bytes:
    """Read the key, or make it with mode 0600 if it is not there.

    Raises UsageError where it lies inside `secrets_dir` (a manifest could refer to it), Unavailable
    where it cannot be read or written or others can read it.
    """
    try:
        return read_key(path, secrets_dir)
    except FileNotFoundError:
        return _make(path)


def read_key(path: Path, secrets_dir: Path) -> bytes:
    """Read the key as `server_key` does, but make none: raises FileNotFoundError instead."""
    if path.resolve().is_relative_to(secrets_dir.resolve()):
        raise UsageError(f"the key file {path} must not lie inside secrets_dir {secrets_dir}")
    try:
        return _read(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unavailable(f"the key file {path} cannot be read: {error.strerror}") from None


def token_hasher(key: bytes) -> Callable[[str, int], str]:
    """How the database knows webhook tokens: (trigger id, generation) to the token's SHA-256."""
    return lambda id_, generation: token_hash(webhook_token(key, id_, generation))


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        text = file.read(1024)
    if mode & 0o077:
        raise Unavailable(f"others can read the key file {path}; run: chmod 600 {path}")
    try:
        key = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) < LENGTH:
        raise Unavailable(f"{path} is not a key file: it should hold 64 hexadecimal digits")
    return key


def _make(path: Path) -> bytes:
    """Whoever comes second (another process starting at this moment) reads what the first wrote."""
    path.parent.mkdir(parents=True, exist_ok=True)
    key = secrets.token_bytes(LENGTH)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{key.hex()}\n")
            file.flush()
            os.fsync(file.fileno())
        # A link fails where the name is taken; a rename would replace the key of whoever was first.
        os.link(draft, path)
    except FileExistsError:
        return _read(path)
    finally:
        draft.unlink(missing_ok=True)
    return key

"""Writes a manifest file of a folder: it is there whole or not at all, also after a power cut."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from reconciler.core.base.errors import Conflict, Unavailable

_NEW_FILE = 0o644


def write_file(root: Path, path: str, before: bytes | None, after: bytes | None) -> None:
    """Make the file at `path` below `root` hold `after`; None removes it.

    `before` is what it must hold until then, None for a file that must not be there yet. A link is
    followed, to a file inside the folder only. Raises Conflict where the file holds something else,
    and Unavailable where it cannot be written.
    """
    try:
        target = _target(root, path)
        if not target.parent.is_dir():
            target.parent.mkdir(parents=True, exist_ok=True)
            _sync_folder(target.parent.parent)
        if after is None:
            _require(target, before, path)
            target.unlink()
        else:
            _put(target, before, after, path)
        _sync_folder(target.parent)
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error.strerror or error}") from None


def _target(root: Path, path: str) -> Path:
    """Where the file is in truth. Raises Conflict for a place outside the folder."""
    folder = Path(os.path.realpath(root))
    target = Path(os.path.realpath(folder / path))
    if target == folder or not target.is_relative_to(folder):
        raise Conflict(f"{path} leads out of the source's folder", reason="cannot-edit")
    return target


def _put(target: Path, before: bytes | None, after: bytes, path: str) -> None:
    # A hidden name: the folder may be read at any moment, and drafts are passed over.
    number, draft = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(number, "wb") as file:
            file.write(after)
            file.flush()
            os.fchmod(file.fileno(), _mode(target))
            # Content before name: a rename may reach the disk before what it names does.
            os.fsync(file.fileno())
        # An editor may have saved since the file was read; between here and the rename is all that
        # is left of that race.
        _require(target, before, path)
        Path(draft).replace(target)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(draft).unlink()
        raise


def _require(target: Path, before: bytes | None, path: str) -> None:
    """Raise Conflict unless the file still holds `before`."""
    try:
        now = target.read_bytes()
    except FileNotFoundError:
        now = None
    if now != before:
        raise Conflict(f"{path} was changed at this very moment; try again", reason="cannot-edit")


def _mode(target: Path) -> int:
    """The permissions of the file that is replaced, or those of a new file."""
    try:
        return target.stat().st_mode & 0o7777
    except FileNotFoundError:
        return _NEW_FILE


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Saved plans on disk: written whole or not at all, readable by their owner only."""

import os
import re
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.core.base.errors import UsageError
from reconciler.core.manifest.checks import OFFLINE, Policy

if TYPE_CHECKING:
    from reconciler.core.plan.planfile import SavedPlan
    from reconciler.settings import Settings

_HEAD = re.compile(rb'\s*\{\s*"formatVersion"\s*:')


def save_plan(path: Path, text: str) -> None:
    """Write what `write_plan` gave, mode 0600: its documents may hold what outputs mask."""
    folder = path.parent
    try:
        # mkstemp makes the file with mode 0600; in the same folder, so that replacing is atomic.
        number, name = tempfile.mkstemp(dir=folder, prefix=f".{path.name}.")
    except OSError as error:
        raise UsageError(f"cannot write the plan to {path}: {error.strerror}") from None
    try:
        with os.fdopen(number, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise UsageError(f"cannot write the plan to {path}: {error.strerror}") from None


def load_plan(path: Path, policy: Policy = OFFLINE) -> "SavedPlan":
    """Read a saved plan; at most `MAX_BYTES` are read. Raises as `read_plan`."""
    from reconciler.core.plan.planfile import read_plan

    return read_plan(read_bytes(path), policy)


def read_bytes(path: Path) -> bytes:
    """The bytes of a saved plan, one more than `MAX_BYTES` where it is too large."""
    from reconciler.core.plan.planfile import MAX_BYTES

    return _read(path, MAX_BYTES + 1)


def require_source(settings: "Settings", source_id: str) -> None:
    """Raise UsageError where the settings name another source than the plan was saved for."""
    if "source" in settings.model_fields_set and settings.source != source_id:
        raise UsageError(
            f"the plan was saved for source {source_id!r}, not for {settings.source!r}; "
            f"apply it with --source {source_id}"
        )


def is_saved_plan(path: Path) -> bool:
    """Whether a path is a saved plan rather than manifests. What cannot be read is not."""
    try:
        return bool(_HEAD.match(_read(path, 256)))
    except UsageError:
        return False


def _read(path: Path, most: int) -> bytes:
    try:
        # Without O_NONBLOCK a pipe that nobody writes to would hold us for ever.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return _contents(path, number, most)
        finally:
            os.close(number)
    except OSError as error:
        raise UsageError(f"cannot read the plan {path}: {error.strerror}") from None


def _contents(path: Path, number: int, most: int) -> bytes:
    if not stat.S_ISREG(os.fstat(number).st_mode):
        raise UsageError(f"{path} is not a file")
    with os.fdopen(number, "rb", closefd=False) as file:
        return file.read(most)

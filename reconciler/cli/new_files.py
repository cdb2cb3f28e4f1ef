"""Files that a command makes: all of them or none, and nothing is overwritten unasked."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from reconciler.core.base.errors import Objection, Refused, Unavailable

_SHOWN = 10


def write_files(
    folder: Path, contents: Mapping[str, str], *, force: bool = False, confirm: str | None = None
) -> list[Path]:
    """Write texts below `folder`, by relative path; answers the files that were written.

    A file that says just this already is left alone. Raises Refused, before anything is written,
    if a file is there that says something else, unless `force`: `confirm` names the flag that
    means it. Raises Unavailable if the disk says no.
    """
    wanted = {folder / path: text for path, text in contents.items()}
    try:
        changed = {path: text for path, text in wanted.items() if not _says(path, text)}
        taken = [path for path in changed if path.exists() or path.is_symlink()]
        if taken and not force:
            raise Refused(_objections(taken, confirm))
        for path, text in changed.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, text)
    except OSError as error:
        where = error.filename or folder
        raise Unavailable(f"cannot write {where}: {error.strerror or error}") from None
    return list(changed)


def _says(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()


def _objections(taken: list[Path], confirm: str | None) -> list[Objection]:
    hint = f"; {confirm} overwrites it" if confirm else "; move it away first"
    shown = [
        Objection("file-exists", f"{path} is there already{hint}", str(path), confirm)
        for path in taken[:_SHOWN]
    ]
    if (more := len(taken) - _SHOWN) > 0:
        shown.append(Objection("file-exists", f"and {more} more files", confirm=confirm))
    return shown


def _replace(path: Path, text: str) -> None:
    """Put the whole file in its place at once; a link is replaced and not followed."""
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(number, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

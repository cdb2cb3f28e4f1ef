"""Writes into a folder that the server follows: the file is edited in place, then applied."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from reconciler.control.apply.source_files import SourceFiles
from reconciler.control.apply.sources import Opened, open_path
from reconciler.control.apply.write_back import WriteChecks, WriteRequest, Written
from reconciler.core.base.errors import Locked, ReconcilerError, Unavailable
from reconciler.manifest.edit.file_edit import FileEdit, edit_file
from reconciler.manifest.files import Source
from reconciler.manifest.folder import Folder
from reconciler.manifest.overlaid import Overlaid
from reconciler.manifest.write_file import write_file

TURN_SECONDS = 30.0
"""How long a write waits for those before it."""
_PAUSE = 0.05


@dataclass(frozen=True, slots=True)
class FolderWriter:
    """Writes into the folder `root`."""

    root: Path
    checks: WriteChecks

    def write(self, request: WriteRequest) -> Written:
        """See `SourceWriter.write`.

        1. Wait for the turn; the object must still be as the request saw it.
        2. Edit the text, and check the folder as it would be.
        3. Put the file in its place, then apply.
        """
        with _turn(self.root):
            self.checks.require_fresh(request)
            files = SourceFiles(Folder(self.root))
            file = edit_file(request.before, request.after, files, request.named, request.made)
            edited = Opened(_overlaid(Folder(self.root), file))
            loaded, plan = self.checks.check(request, edited, self._open(), whole=False)
            put(self.root, file)
            self.checks.apply(request, loaded, plan, self._open)
        return Written()

    def _open(self) -> Opened:
        return open_path(self.root)


def put(root: Path, file: FileEdit) -> None:
    """Write an edit into a folder, or nothing of it; see `write_file` for what is raised.

    What a manifest names is there before the manifest is: a crash in between leaves a file that
    nobody names, and never a name without its file.
    """
    written: list[str] = []
    try:
        for path, text in file.made.items():
            write_file(root, path, None, text)
            written.append(path)
        if file.before != file.after:
            write_file(root, file.path, file.before, file.after)
    except ReconcilerError:
        for path in written:
            with suppress(ReconcilerError):
                write_file(root, path, file.made[path], None)
        raise


def _overlaid(source: Source, file: FileEdit) -> Source:
    for path, text in file.made.items():
        source = Overlaid(source, path, text)
    return Overlaid(source, file.path, file.after)


@contextmanager
def _turn(root: Path) -> Iterator[None]:
    """Hold the folder alone among writers, those of other servers of this machine too.

    The lock is on the folder itself, so that no file has to be left in it, and goes with its
    process. Raises Locked.
    """
    try:
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise Unavailable(f"cannot read {root}: {error.strerror or error}") from None
    try:
        until = time.monotonic() + TURN_SECONDS
        while not _acquired(descriptor):
            if time.monotonic() > until:
                raise Locked("other writes into this source take too long; try again")
            time.sleep(_PAUSE)
        yield
    finally:
        os.close(descriptor)


def _acquired(descriptor: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False

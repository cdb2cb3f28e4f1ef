"""The files of a source as they were last applied: what did not change need not be read again."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import delete, select

from reconciler.core.base.identity import Key
from reconciler.core.manifest.state import FileDigest
from reconciler.store.engine.backend import Tx
from reconciler.store.engine.batches import batches
from reconciler.store.engine.bulk import insert_rows
from reconciler.store.tables import source_file

_F = source_file.c


def read_files(tx: Tx, source_id: str) -> dict[str, FileDigest]:
    """The files of a source as they were when it was last applied, by path."""
    query = select(_F.path, _F.digest, _F["keys"]).where(_F.source_id == source_id)
    return {
        path: FileDigest(path, digest, tuple(Key(*key) for key in keys))
        for path, digest, keys in tx.execute(query)
    }


def save_files(tx: Tx, source_id: str, files: Iterable[FileDigest]) -> None:
    """Note the files of a source as they are now, and forget those that are gone."""
    before = read_files(tx, source_id)
    now = {file.path: file for file in files}
    outdated = [path for path, file in before.items() if now.get(path) != file]
    for batch in batches(sorted(outdated)):
        tx.execute(delete(source_file).where(_F.source_id == source_id, _F.path.in_(batch)))
    new = [_row(source_id, file) for file in now.values() if before.get(file.path) != file]
    insert_rows(tx, source_file, new)


def _row(source_id: str, file: FileDigest) -> dict[str, Any]:
    keys = [list(key) for key in file.keys]
    return {"source_id": source_id, "path": file.path, "digest": file.digest, "keys": keys}

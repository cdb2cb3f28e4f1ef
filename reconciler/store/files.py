"""The files of a source as they were last applied: what did not change need not be read again."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from reconciler.core.identity import Key
from reconciler.core.state import FileDigest
from reconciler.store.backend import Tx
from reconciler.store.batches import batches
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
    for some in batches(sorted(before.keys() - now.keys())):
        tx.execute(delete(source_file).where(_F.source_id == source_id, _F.path.in_(some)))
    rows = [_row(source_id, file) for file in now.values() if before.get(file.path) != file]
    if rows:
        tx.execute(_KEEP[tx.dialect.name], rows)


def _row(source_id: str, file: FileDigest) -> dict[str, Any]:
    keys = [list(key) for key in file.keys]
    return {"source_id": source_id, "path": file.path, "digest": file.digest, "keys": keys}


def _keep(insert: Any) -> Any:
    statement = insert(source_file)
    new = {name: statement.excluded[name] for name in ("digest", "keys")}
    return statement.on_conflict_do_update(index_elements=["source_id", "path"], set_=new)


_KEEP = {"sqlite": _keep(sqlite.insert), "postgresql": _keep(postgresql.insert)}

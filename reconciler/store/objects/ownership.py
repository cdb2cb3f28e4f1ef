"""Which source owns a row."""

from dataclasses import replace

from sqlalchemy import update

from reconciler.core.manifest.model import Kind
from reconciler.core.manifest.state import Stored
from reconciler.store.engine.backend import Tx
from reconciler.store.objects.current import TABLES
from reconciler.store.objects.manifests import save_documents


def take_over(tx: Tx, row: Stored, source_id: str) -> Stored:
    """Give a row to a source. What it means now counts as applied: it has not drifted."""
    table = TABLES[Kind(row.key.kind)]
    save_documents(tx, {row.digest: row.document})
    values = {"source_id": source_id, "applied_digest": row.digest}
    tx.execute(update(table).where(table.c.id == row.id).values(values))
    return replace(row, source_id=source_id, applied=row.document, applied_digest=row.digest)

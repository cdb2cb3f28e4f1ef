"""The plan of an edit, with what follows from it; as `POST /v1/plan` tells of a whole source."""

from collections.abc import Iterable

from reconciler.core.base.identity import Key
from reconciler.core.manifest.state import Current, Document, Stored, references_of
from reconciler.core.plan.plan import Plan
from reconciler.store.engine.database import Tx
from reconciler.store.objects.current import find
from reconciler.web.http.context import Context
from reconciler.web.writing.edits import Edit


async def plan_of(context: Context, edit: Edit, source: str) -> Plan:
    """The plan of one edit, as of now."""
    documents = edit.documents
    around = await context.database.aread(lambda tx: _referenced(tx, documents))
    return edit.plan(source, Current(around), context.clock.now())


def _referenced(tx: Tx, documents: Iterable[Document]) -> dict[Key, Stored]:
    """The objects that these name, and those that these name in turn: squads have members."""
    rows: dict[Key, Stored] = {}
    for document in documents:
        for key in references_of(document):
            if key not in rows and (row := find(tx, key)) is not None:
                rows[key] = row
                rows |= _referenced(tx, [row.document])
    return rows

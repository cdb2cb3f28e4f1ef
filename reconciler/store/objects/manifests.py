"""Manifests by the digest of their canonical JSON: what was applied, and what a run keeps."""

from collections.abc import Iterable, Mapping

from sqlalchemy import bindparam, select

from reconciler.core.base.errors import NotFound
from reconciler.core.manifest.state import Document
from reconciler.store.engine.backend import Tx
from reconciler.store.engine.batches import batches
from reconciler.store.engine.bulk import Known, insert_rows
from reconciler.store.tables import manifest

_DOCUMENT = select(manifest.c.document).where(manifest.c.digest == bindparam("digest"))
_MOST_DOCUMENTS = 256
_LONGEST_KEPT = 32_768
"""Characters of a description: a longer one is read for each run."""
_documents: dict[str, Document] = {}
"""What a digest names never changes, and nobody changes what is read here: most runs read none."""


def get_document(tx: Tx, digest: str) -> Document:
    """The manifest of this digest. Raises `NotFound`."""
    if (known := _documents.get(digest)) is not None:
        return known
    document: Document | None = tx.execute(_DOCUMENT, {"digest": digest}).scalar_one_or_none()
    if document is None:
        raise NotFound(f"no manifest of digest {digest!r} was ever applied")
    _keep(digest, document)
    return document


def _keep(digest: str, document: Document) -> None:
    if len(_documents) >= _MOST_DOCUMENTS:
        _documents.clear()
    if len(str(document.get("spec", {}).get("description", ""))) <= _LONGEST_KEPT:
        _documents[digest] = document


def get_documents(tx: Tx, digests: Iterable[str]) -> dict[str, Document]:
    """The manifests of these digests, as far as there are any."""
    documents: dict[str, Document] = {}
    for batch in batches(sorted(set(digests))):
        rows = tx.execute(select(manifest).where(manifest.c.digest.in_(batch)))
        documents.update((row.digest, row.document) for row in rows)
    return documents


def save_documents(tx: Tx, documents: Mapping[str, Document]) -> None:
    """Keep manifests by their digest; one that is there already stays as it is."""
    rows = ({"digest": digest, "document": documents[digest]} for digest in sorted(documents))
    insert_rows(tx, manifest, rows, known=Known.UNCHANGED)

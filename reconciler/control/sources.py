"""Loading manifests against a database: what did not change is not parsed, references resolve."""

from pathlib import Path

from reconciler.core.checks import Policy
from reconciler.core.identity import Key
from reconciler.core.state import Current, Declared, Desired
from reconciler.manifest.load import load_path, reuse_of
from reconciler.store.current import read_current
from reconciler.store.database import Database, Schema


def load_against(
    database: Database,
    path: str | Path,
    *,
    source_id: str,
    policy: Policy,
    allow_file: bool = False,
) -> Desired:
    """What the manifests at `path` say; a database that is missing is empty and not made.

    Raises what `load_path` raises.
    """
    current = current_of(database, source_id)
    external = {key for key, row in current.objects.items() if row.source_id != source_id}
    return load_path(
        path,
        source_id=source_id,
        policy=policy,
        external=external,
        reuse=reuse_of(current.files, _as_applied(current, source_id)),
        allow_file=allow_file,
    )


def current_of(database: Database, source_id: str) -> Current:
    """Current for a source; nothing where there is no database yet."""
    if database.schema() is Schema.MISSING:
        return Current()
    database.require_current_schema()
    return database.read(lambda tx: read_current(tx, source_id))


def _as_applied(current: Current, source_id: str) -> dict[Key, Declared]:
    """The source's objects as its files said them when they were last applied."""
    found: dict[Key, Declared] = {}
    for key, row in current.objects.items():
        applied, digest, origin = row.applied, row.applied_digest, row.origin
        if row.source_id == source_id and applied and digest and origin:
            found[key] = Declared(key, row.id, applied, digest, origin)
    return found

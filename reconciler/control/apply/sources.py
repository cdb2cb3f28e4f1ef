"""Loading manifests against a database: what did not change is not parsed, references resolve."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.control.apply.attempts import Descends
from reconciler.control.apply.reconcile import Snapshot, see
from reconciler.core.base.errors import InvalidManifests, Refused
from reconciler.core.base.identity import Key, Revision
from reconciler.core.manifest.checks import Policy
from reconciler.core.manifest.checks.recheck import problems_of
from reconciler.core.manifest.state import Current, Declared, Desired
from reconciler.core.plan.plan import Plan, make_plan
from reconciler.manifest.files import Source
from reconciler.manifest.folder import Folder
from reconciler.manifest.git.checkout import Checkout
from reconciler.manifest.git.mirror import Fetched, Mirror
from reconciler.manifest.git.program import GitFailed
from reconciler.manifest.known import KnownFiles
from reconciler.manifest.load.checkpoint import Checkpoint, proceed
from reconciler.manifest.load.load import load, reuse_of, source_at
from reconciler.store.engine.database import Database

if TYPE_CHECKING:
    from reconciler.core.plan.planfile import SavedPlan


def _every(_workspace: str) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class LoadedSource:
    """What a source says, beside what the database held at that moment."""

    desired: Desired
    seen: Snapshot
    descends: Descends | None = None
    source: Source | None = None

    def plan(self, *, self_heal: bool = True) -> Plan:
        """The plan between the two."""
        precedent = self.seen.current.precedent
        order = self.descends(precedent) if self.descends and precedent else None
        return make_plan(
            self.seen.current,
            self.desired,
            descends=order,
            self_heal=self_heal,
            at=self.seen.at,
        )


@dataclass(frozen=True, slots=True)
class Opened:
    """A source that can be read now, and what is known of its revision.

    `revision` is asked once the files are read; without one it is the digest of the files. `known`
    is what was read of it before, and gets to know what is read.
    """

    source: Source
    revision: Revision | Callable[[], Revision | None] | None = None
    descends: Descends | None = None
    known: KnownFiles | None = None


def open_path(path: str | Path, *, allow_file: bool = False) -> Opened:
    """What a path names. A folder that is as the commit says in whose checkout it lies has that
    commit as its revision. Raises Refused.
    """
    source = source_at(path, allow_file=allow_file)
    checkout = Checkout.around(source) if isinstance(source, Folder) else None
    if checkout is None:
        return Opened(source)
    return Opened(checkout, checkout.revision, checkout.descends)


def open_commit(mirror: Mirror, fetched: Fetched, path: str, known: KnownFiles) -> Opened:
    """The folder `path` of a commit that was fetched; no file is checked out.

    Raises Unavailable where it cannot be read, and Refused where there is no such folder.
    """
    repository, commit = fetched
    try:
        revision = repository.revision(commit)
        tree = repository.tree(commit, path)
    except Refused as error:
        raise Refused(error.objections, revision=revision) from None
    except GitFailed:
        mirror.discard()
        raise
    return Opened(tree, revision, lambda applied: repository.descends(commit, applied.id), known)


def load_opened(
    database: Database,
    opened: Opened,
    *,
    source_id: str,
    policy: Policy,
    sees: Callable[[str], bool] = _every,
    now: datetime | None = None,
    checkpoint: Checkpoint = proceed,
) -> LoadedSource:
    """What the manifests say; a database that is missing is empty and not made.

    Objects of workspaces that the caller does not see (`sees`) resolve no reference. With `now` it
    has warnings as of that moment. What `checkpoint` raises ends the load. Raises what `load`
    raises.
    """
    seen = see(database, source_id)
    desired = load(
        opened.source,
        source_id=source_id,
        revision=opened.revision,
        policy=policy,
        external=_external(seen.current, source_id, sees),
        reuse=reuse_of(seen.current.files, _as_applied(seen.current, source_id)),
        now=now,
        checkpoint=checkpoint,
        known=opened.known,
    )
    return LoadedSource(desired, seen, opened.descends, opened.source)


def load_source(
    database: Database,
    path: str | Path,
    *,
    source_id: str,
    policy: Policy,
    allow_file: bool = False,
    now: datetime | None = None,
    checkpoint: Checkpoint = proceed,
) -> LoadedSource:
    """`load_opened` of what is at `path`. Raises what `load_path` raises."""
    return load_opened(
        database,
        open_path(path, allow_file=allow_file),
        source_id=source_id,
        policy=policy,
        now=now,
        checkpoint=checkpoint,
    )


def load_commit(
    database: Database,
    mirror: Mirror,
    opened: Opened,
    *,
    source_id: str,
    policy: Policy,
    checkpoint: Checkpoint = proceed,
) -> LoadedSource:
    """`load_opened` of a folder of a commit, which was fetched before the database is asked."""
    try:
        return load_opened(
            database, opened, source_id=source_id, policy=policy, checkpoint=checkpoint
        )
    except Refused as error:  # no manifests in it: a commit stays so, and is worth a record
        revision = opened.revision
        known = revision if isinstance(revision, Revision) else None
        raise Refused(error.objections, revision=known) from None
    except GitFailed:
        mirror.discard()
        raise


def reload_source(
    database: Database,
    saved: "SavedPlan",
    policy: Policy,
    *,
    descends: Descends | None = None,
    sees: Callable[[str], bool] = _every,
) -> LoadedSource:
    """What a saved plan wants, held against what the database holds now.

    Raises InvalidManifests for references that resolve nowhere any more.
    """
    desired = saved.desired
    seen = see(database, desired.source_id)
    external = _external(seen.current, desired.source_id, sees)
    if problems := problems_of(desired, policy, external.__contains__):
        raise InvalidManifests(problems, revision=desired.revision)
    return LoadedSource(desired, seen, descends)


def _external(current: Current, source_id: str, sees: Callable[[str], bool]) -> set[Key]:
    others = (key for key, row in current.objects.items() if row.source_id != source_id)
    return {key for key in others if sees(key.workspace)}


def _as_applied(current: Current, source_id: str) -> dict[Key, Declared]:
    """The source's objects as its files said them when they were last applied."""
    declared: dict[Key, Declared] = {}
    for key, row in current.objects.items():
        applied, digest, origin = row.applied, row.applied_digest, row.origin
        if row.source_id == source_id and applied and digest and origin:
            declared[key] = Declared(key, row.id, applied, digest, origin)
    return declared

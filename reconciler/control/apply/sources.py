"""Loading manifests against a database: what did not change is not parsed, references resolve."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.control.apply.attempts import Descends
from reconciler.control.apply.reconcile import Snapshot, see
from reconciler.core.base.errors import InvalidManifests
from reconciler.core.base.identity import Key
from reconciler.core.manifest.checks import Policy
from reconciler.core.manifest.checks.recheck import problems_of
from reconciler.core.manifest.state import Current, Declared, Desired
from reconciler.core.plan.plan import Plan, make_plan
from reconciler.manifest.files import Source
from reconciler.manifest.folder import Folder
from reconciler.manifest.git.checkout import Checkout
from reconciler.manifest.load.load import load, reuse_of, source_at
from reconciler.store.engine.database import Database

if TYPE_CHECKING:
    from reconciler.core.plan.planfile import SavedPlan


@dataclass(frozen=True, slots=True)
class LoadedSource:
    """What a source says, beside what the database held at that moment."""

    desired: Desired
    seen: Snapshot
    descends: Descends | None = None

    def plan(self, *, self_heal: bool = True) -> Plan:
        """The plan between the two."""
        precedent = self.seen.current.precedent
        order = self.descends(precedent) if self.descends and precedent else None
        return make_plan(self.seen.current, self.desired, descends=order, self_heal=self_heal)


def load_source(
    database: Database,
    path: str | Path,
    *,
    source_id: str,
    policy: Policy,
    allow_file: bool = False,
    now: datetime | None = None,
) -> LoadedSource:
    """What the manifests at `path` say; a database that is missing is empty and not made.

    A folder that is as the commit says in whose checkout it lies has that commit as its revision.
    With `now` it has warnings as of that moment. Raises what `load_path` raises.
    """
    seen = see(database, source_id)
    source = source_at(path, allow_file=allow_file)
    checkout = Checkout.around(source) if isinstance(source, Folder) else None
    desired = load(
        _either(checkout, source),
        source_id=source_id,
        revision=checkout.revision if checkout else None,
        policy=policy,
        external=_external(seen.current, source_id),
        reuse=reuse_of(seen.current.files, _as_applied(seen.current, source_id)),
        now=now,
    )
    return LoadedSource(desired, seen, checkout.descends if checkout else None)


def reload_source(database: Database, saved: "SavedPlan", policy: Policy) -> LoadedSource:
    """What a saved plan wants, held against what the database holds now.

    Raises InvalidManifests for references that resolve nowhere any more.
    """
    desired = saved.desired
    seen = see(database, desired.source_id)
    external = _external(seen.current, desired.source_id)
    if problems := problems_of(desired, policy, external.__contains__):
        raise InvalidManifests(problems, revision=desired.revision)
    return LoadedSource(desired, seen)


def _either(checkout: Checkout | None, source: Source) -> Source:
    return source if checkout is None else checkout


def _external(current: Current, source_id: str) -> set[Key]:
    return {key for key, row in current.objects.items() if row.source_id != source_id}


def _as_applied(current: Current, source_id: str) -> dict[Key, Declared]:
    """The source's objects as its files said them when they were last applied."""
    declared: dict[Key, Declared] = {}
    for key, row in current.objects.items():
        applied, digest, origin = row.applied, row.applied_digest, row.origin
        if row.source_id == source_id and applied and digest and origin:
            declared[key] = Declared(key, row.id, applied, digest, origin)
    return declared

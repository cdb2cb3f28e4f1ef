"""What a plan touches, as digests: how a saved plan is found to be stale.

The digest covers what is changed, from what and to what. It covers neither places in files nor the
revision nor what other objects say, so that the same plan made elsewhere has the same digest.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple, Protocol

from reconciler.core.base.errors import StalePlan
from reconciler.core.base.identity import Key
from reconciler.core.manifest.state import Declared, Stored
from reconciler.core.plan.changes import Archive, Change, Create

DIGEST_VERSION = 1
"""Raised when the digest covers something else: older saved plans are then stale."""
_SHOWN = 10


class Touched(NamedTuple):
    """One object that a plan touches: what happens, and what it is and will be by digest."""

    action: str
    kind: str
    workspace: str
    name: str
    id: str
    was: str | None
    """The name of the row, if there is one."""
    before: str | None
    """The digest of the row's document."""
    after: str | None
    """The digest of the manifest's document; None for a removal."""
    owner: str | None
    """The source that the row belongs to."""

    @property
    def key(self) -> Key:
        """What names the object in the plan."""
        return Key(self.kind, self.workspace, self.name)


_BY_KEY = attrgetter("kind", "workspace", "name", "action")


@dataclass(frozen=True, slots=True)
class Footprint:
    """Everything that a plan depends on. `owned` counts the source's rows if any is removed."""

    source_id: str
    touched: tuple[Touched, ...]
    owned: int | None = None

    @property
    def digest(self) -> str:
        """SHA-256 (hex); the order of files, objects and rows is no part of it."""
        content = {
            "version": DIGEST_VERSION,
            "sourceId": self.source_id,
            "owned": self.owned,
            "touched": sorted(self.touched, key=_BY_KEY),
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


class Fingerprinted(Protocol):
    """A plan, made now or read from a file."""

    @property
    def digest(self) -> str: ...

    @property
    def footprint(self) -> Footprint: ...


def footprint_of(source_id: str, changes: Iterable[Change], owned: int) -> Footprint:
    """What these changes depend on, where the source has `owned` live rows."""
    touched = tuple(_touched(change) for change in changes)
    removes = any(entry.action == Archive.action for entry in touched)
    return Footprint(source_id, touched, owned if removes else None)


def check_still_holds(saved: Fingerprinted, fresh: Fingerprinted) -> None:
    """Raise `StalePlan`, naming the objects that moved, unless both plans do the same."""
    if saved.digest == fresh.digest:
        return
    moved = _moved(saved.footprint, fresh.footprint)
    if not moved:
        moved = ["the number of objects that the source owns has changed"]
    more = f"\n  and {len(moved) - _SHOWN} more" if len(moved) > _SHOWN else ""
    raise StalePlan(
        "the plan is stale, because what it was made from has changed; plan again:\n  "
        + "\n  ".join(moved[:_SHOWN])
        + more
    )


def check_digest(digest: str, fresh: Fingerprinted) -> None:
    """Raise `StalePlan` unless `digest`, all that is known of an earlier plan, is the fresh one."""
    if digest != fresh.digest:
        raise StalePlan(
            f"the plan is stale: it was approved as {_short(digest)} and is now "
            f"{_short(fresh.digest)}; plan again"
        )


def _short(digest: str) -> str:
    return repr(digest[:12]) if digest else "nothing"


def _touched(change: Change) -> Touched:
    row, declared = _sides(change)
    kind, workspace, name = change.key
    return Touched(
        action=change.action,
        kind=str(kind),
        workspace=workspace,
        name=name,
        id=change.id,
        was=row.key.name if row else None,
        before=row.digest if row else None,
        after=declared.digest if declared else None,
        owner=row.source_id if row else None,
    )


def _sides(change: Change) -> tuple[Stored | None, Declared | None]:
    match change:
        case Create(after):
            return None, after
        case Archive(before):
            return before, None
        case _:
            return change.before, change.after


def _moved(saved: Footprint, fresh: Footprint) -> list[str]:
    if saved.source_id != fresh.source_id:
        return [f"it was made for source {saved.source_id!r}, not for {fresh.source_id!r}"]
    old = {entry.key: entry for entry in saved.touched}
    new = {entry.key: entry for entry in fresh.touched}
    keys = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
    return [f"{key}: {_how(old.get(key), new.get(key))}" for key in keys]


def _how(old: Touched | None, new: Touched | None) -> str:
    was, now = (entry.action if entry else "no change" for entry in (old, new))
    if was != now:
        return f"was {was}, is now {now}"
    if old and new and old.after != new.after:
        return f"still {was}, but to another content"
    return f"still {was}, but the stored object has changed"

"""Current and Desired in, the changes between them out, in the order in which they are made.

Nothing here knows files, SQL or flags that confirm: what is dangerous is decided in `guards.py`.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from reconciler.core.base.identity import Key, Revision, is_commit
from reconciler.core.manifest.model import Kind
from reconciler.core.manifest.state import (
    Current,
    Declared,
    Desired,
    Document,
    Stored,
    annotations_of,
    references_of,
)
from reconciler.core.plan.changes import (
    Archive,
    Blocked,
    Change,
    Create,
    Move,
    Refresh,
    Restore,
    Update,
)
from reconciler.core.plan.matching import Barred, Rows, names_in_dispute

_RANK = {Kind.AGENT: 0, Kind.SQUAD: 1, Kind.AUTOPILOT: 2}
"""What others refer to is made first and removed last (docs/plan.md#reading-a-plan)."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that a comparison finds: what changes, and what only has to be noted."""

    changes: tuple[Change, ...]
    refreshes: tuple[Refresh, ...]


def diff(current: Current, desired: Desired, *, self_heal: bool = True) -> tuple[Change, ...]:
    """The changes that make this source's rows equal to `desired`, in their order.

    Agents, squads, autopilots, by workspace and name inside; then removals in reverse; what is
    blocked stands last. Without `self_heal` a row that drifted stays as it is until its manifest
    changes.
    """
    return compare(current, desired, self_heal=self_heal).changes


def compare(current: Current, desired: Desired, *, self_heal: bool = True) -> Comparison:
    """As `diff`, and the rows that are outdated although nothing changes.

    1. Find the row of each declared object; decide what becomes of it.
    2. Archive this source's live rows that no declared object is.
    3. Hold back what others still refer to.
    4. Sort.
    """
    left_alone = frozenset() if self_heal else _in_unchanged_files(current, desired)
    rows, source_id = Rows(current, desired), desired.source_id
    findings = _Findings(rows, source_id, self_heal, desired.revision, left_alone)
    disputes = names_in_dispute(desired)
    for declared in desired.objects.values():
        findings.decide(declared, disputes.get(declared.key))
    left = [
        Archive(row)
        for row in current.objects.values()
        if row.source_id == desired.source_id and row.id not in findings.retained
    ]
    changes = _hold_back(current, desired, [*findings.changes, *left])
    return Comparison(tuple(sorted(changes, key=_order)), tuple(findings.refreshes))


def between(base: Desired, head: Desired) -> tuple[Change, ...]:
    """What a source means at `head` that it did not mean at `base`, without any database."""
    return diff(as_applied(base, head.source_id), head)


def as_applied(desired: Desired, source_id: str) -> Current:
    """The Current that holds exactly what was desired, applied by `source_id`."""
    rows = {
        key: Stored(
            key=key,
            id=declared.id,
            document=declared.document,
            digest=declared.digest,
            source_id=source_id,
            origin=declared.origin,
            applied=declared.document,
            applied_digest=declared.digest,
        )
        for key, declared in desired.objects.items()
    }
    return Current(objects=rows, applied=desired.revision)


@dataclass(slots=True)
class _Findings:
    rows: Rows
    source_id: str
    self_heal: bool
    revision: Revision
    left_alone: frozenset[Key]
    """Names of objects whose rows stay gone or archived, until their files change."""
    changes: list[Change] = field(default_factory=list)
    refreshes: list[Refresh] = field(default_factory=list)
    retained: set[str] = field(default_factory=set)
    """Ids of rows that something stands for, or that are held back."""

    def decide(self, declared: Declared, dispute: Barred | None) -> None:
        match dispute or self.rows.find(declared):
            case None | Stored(archived=True) if declared.key in self.left_alone:
                pass
            case None:
                self.changes.append(Create(declared))
            case Barred(code, message):
                self.retained.update(row.id for row in self.rows.related(declared))
                self.changes.append(Blocked(declared.key, code, message, after=declared))
            case Stored(archived=True) as row:
                self.changes.append(Restore(row, declared))
            case row:
                self.retained.add(row.id)
                self._decide_row(row, declared)

    def _decide_row(self, row: Stored, declared: Declared) -> None:
        if row.source_id != self.source_id:
            self.changes.append(_not_ours(row, declared))
        elif row.key != declared.key:
            self.changes.append(Move(row, declared))
        elif row.digest == declared.digest:
            if self._is_committed_now(row):
                origin = replace(declared.origin, revision=self.revision.id)
                self.refreshes.append(Refresh(row, replace(declared, origin=origin)))
            elif _is_outdated(row, declared):
                self.refreshes.append(Refresh(row, declared))
        elif self.self_heal or row.applied_digest != declared.digest:
            self.changes.append(Update(row, declared))

    def _is_committed_now(self, row: Stored) -> bool:
        """Whether a commit now says what a folder without one said before."""
        applied = row.origin.revision if row.origin else None
        return is_commit(self.revision.id) and not is_commit(applied)


def _in_unchanged_files(current: Current, desired: Desired) -> frozenset[Key]:
    """Objects that were applied from files that are just as they were then."""
    return frozenset(
        key
        for file in desired.files
        if (applied := current.files.get(file.path)) is not None and applied.digest == file.digest
        for key in applied.keys
    )


def _not_ours(row: Stored, declared: Declared) -> Blocked:
    if row.source_id is None:
        name = f"{row.key.workspace}/{row.key.name}"
        message = f"no source owns it; run `reconciler adopt {row.key.kind} {name}` to take it over"
        return Blocked(declared.key, "not-adopted", message, row, declared)
    message = f"source {row.source_id!r} owns it; remove it there, or give this one another name"
    return Blocked(declared.key, "owned-elsewhere", message, row, declared)


def _is_outdated(row: Stored, declared: Declared) -> bool:
    """Whether the row's note of what was applied, and from where, needs renewal.

    The revision is left out: it says in which one the object last changed or moved.
    """
    if row.applied_digest != declared.digest or row.origin is None:
        return True
    if annotations_of(row.document) != annotations_of(declared.document):
        return True
    old, new = row.origin, declared.origin
    return (old.line, old.column, old.path) != (new.line, new.column, new.path)


def _hold_back(current: Current, desired: Desired, changes: list[Change]) -> Iterable[Change]:
    """Removals and moves of what others refer to by its old name become `Blocked`."""
    leaving = {key: change for change in changes if (key := _name_given_up(change, desired))}
    if not leaving:
        return changes
    users = _users(current, desired, leaving)
    return (
        _in_use(change, users[key])
        if (key := _name_given_up(change, desired)) and key in users
        else change
        for change in changes
    )


def _name_given_up(change: Change, desired: Desired) -> Key | None:
    """The name that nothing has afterwards and that others may refer to."""
    match change:
        case Archive(before) | Move(before):
            safe = before.key in desired.objects or before.key.kind == Kind.AUTOPILOT
            return None if safe else before.key
        case _:
            return None


def _users(current: Current, desired: Desired, keys: Iterable[Key]) -> dict[Key, list[str]]:
    """For each of `keys`, what will still refer to it: others' rows, and this source's objects."""
    wanted = frozenset(keys)
    users: dict[Key, list[str]] = defaultdict(list)
    for user, document in _remaining(current, desired):
        for key in references_of(document):
            if key in wanted:
                users[key].append(user)
    return users


def _remaining(current: Current, desired: Desired) -> Iterator[tuple[str, Document]]:
    for row in current.objects.values():
        if row.source_id != desired.source_id:
            owner = f"source {row.source_id!r}" if row.source_id else "no source"
            yield f"{row.key} of {owner}", row.document
    for declared in desired.objects.values():
        yield str(declared.key), declared.document


def _in_use(change: Change, users: list[str]) -> Blocked:
    shown = ", ".join(sorted(users)[:5]) + (", …" if len(users) > 5 else "")
    match change:
        case Move(before, after):
            old, new = repr(before.key.name), repr(change.key.name)
            message = (
                f"{old} is used by {shown}; declare {new} beside {old} as a new object without "
                f"formerNames, let those refer to it, then remove {old}"
            )
            return Blocked(change.key, "in-use", message, before, after)
        case Archive(before):
            message = f"it is used by {shown}; let those refer to something else first"
            return Blocked(change.key, "in-use", message, before)
        case _:  # pragma: no cover - only the two give up a name
            raise AssertionError(change)


def _rank(key: Key) -> int:
    return _RANK.get(Kind(key.kind), len(_RANK))


def _order(change: Change) -> tuple[int, int, str, str]:
    _, workspace, name = change.key
    match change:
        case Archive():
            return (1, -_rank(change.key), workspace, name)
        case Blocked():
            return (2, _rank(change.key), workspace, name)
        case _:
            return (0, _rank(change.key), workspace, name)

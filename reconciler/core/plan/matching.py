"""Which row a declared object is: found by its id, its name, or a name that it had before.

An object's id derives from the first name it ever had (docs/plan.md#renaming), so that a database
rebuilt from git has the same ids and webhook URLs. Whatever would make the two disagree is barred
here, with the line that fixes it. A row whose id never came from git (it was adopted) keeps it.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.core.base.identity import Key, object_id
from reconciler.core.manifest.state import (
    Current,
    Declared,
    Desired,
    Document,
    Stored,
    former_names,
)


@dataclass(frozen=True, slots=True)
class Barred:
    """Why an object cannot become a row: a stable code and a sentence that says how to fix it."""

    code: str
    message: str


class Rows:
    """Current, indexed by id and by name."""

    def __init__(self, current: Current, desired: Desired) -> None:
        self.live = current.objects
        self.live_by_id = {row.id: row for row in current.objects.values()}
        self.archived = {row.id: row for row in current.archived.values()}
        self.wanted = {declared.id: declared for declared in desired.objects.values()}
        self.declared = frozenset(desired.objects)
        self.source_id = desired.source_id
        self._archived_by_key: dict[Key, list[Stored]] = defaultdict(list)
        for row in sorted(self.archived.values(), key=lambda row: row.id):
            self._archived_by_key[row.key].append(row)

    def find(self, declared: Declared) -> Stored | Barred | None:
        """The row that `declared` is, live or archived; None if it is new.

        A name that another row has is no obstacle if that row gives it up in the same plan.
        """
        by_id = self.live_by_id.get(declared.id)
        by_key = self.live.get(declared.key)
        if by_key is not None and by_key is not by_id and self._is_given_up(declared, by_key):
            by_key = None
        if by_id is not None:
            return by_id if by_key in (None, by_id) else _name_taken(by_key)
        if by_key is not None:
            return self._swapped(declared) or _own_id_or_barred(declared, by_key)
        return self._by_former_name(declared) or self._from_archive(declared)

    def related(self, declared: Declared) -> Iterator[Stored]:
        """Live rows that may be meant by `declared`: none is removed while it is barred."""
        names = (declared.key.name, *former_names(declared.document))
        rows = [self.live_by_id.get(declared.id)]
        rows += [self.live.get(_named(declared, name)) for name in names]
        return (row for row in rows if row is not None)

    def _is_given_up(self, declared: Declared, row: Stored) -> bool:
        """Whether a row loses its name: to a move, or, where `declared` has a row, to removal."""
        if (successor := self.wanted.get(row.id)) is not None:
            return successor.key != row.key
        leaves = row.source_id == self.source_id
        return leaves and declared.id in self.live_by_id

    def _by_former_name(self, declared: Declared) -> Stored | Barred | None:
        names = former_names(declared.document)
        rows = [row for name in names if (row := self._unclaimed(declared, name))]
        match rows:
            case []:
                return None
            case [row]:
                return self._swapped(declared) or _own_id_or_barred(declared, row)
            case _:
                return _several(rows)

    def _swapped(self, declared: Declared) -> Barred | None:
        """A former name that is in use by a row whose id does not say which object it is."""
        for name in former_names(declared.document):
            row = self._unclaimed(declared, name)
            if row is not None and row.key != declared.key and row.key in self.declared:
                return Barred("former-name-in-use", _NOT_TOLD_APART.format(row.key))
        return None

    def _unclaimed(self, declared: Declared, name: str) -> Stored | None:
        """The live row of this name, unless its id says that it is another object."""
        row = self.live.get(_named(declared, name))
        return None if row is None or row.id in self.wanted else row

    def _from_archive(self, declared: Declared) -> Stored | None:
        """By id, or by any of its names an archived row whose id never came from git."""
        if (row := self.archived.get(declared.id)) is not None or not self.archived:
            return row
        for name in (declared.key.name, *former_names(declared.document)):
            for row in self._archived_by_key.get(_named(declared, name), ()):
                if _first_name(row) is None:
                    return row
        return None


def names_in_dispute(desired: Desired) -> dict[Key, Barred]:
    """Objects that would be one and the same, because their ids come from the same first name.

    Manifests that say so have Problems; a saved plan or a comparison may still hold them.
    """
    sharing: dict[str, list[Declared]] = defaultdict(list)
    for declared in desired.objects.values():
        sharing[declared.id].append(declared)
    barred: dict[Key, Barred] = {}
    for objects in sharing.values():
        for declared in objects if len(objects) > 1 else ():
            if names := former_names(declared.document):
                former = _named(declared, names[0])
                others = [other.key for other in objects if other is not declared]
                barred[declared.key] = _disputed(former, others)
    return barred


def _disputed(former: Key, others: list[Key]) -> Barred:
    if former in others:
        return Barred("former-name-in-use", _IN_USE.format(former))
    named = " and ".join(sorted(map(str, others)))
    return Barred(
        "former-name-claimed",
        f"its former name {former} is claimed by {named} too; only one of them can be that object",
    )


_IN_USE = (
    "its former name {} is another object's name, and both would have the id of that name; remove "
    "formerNames from a new object, or give the other one another name"
)


_NOT_TOLD_APART = (
    "its former name {} is in use, and the id of that row does not come from git, so that nobody "
    "can tell which object it is; move it to a new name in one revision, use its name in the next"
)


def _named(declared: Declared, name: str) -> Key:
    return declared.key._replace(name=name)


def _own_id_or_barred(declared: Declared, row: Stored) -> Stored | Barred:
    first = _first_name(row)
    return row if first is None else _identity_changed(declared, row, first)


def _first_name(row: Stored) -> str | None:
    """The name that the row's id comes from; None if it never came from git."""
    names = (row.key.name, *_names(row.document), *_names(row.applied))
    kind, workspace, _ = row.key
    return next((n for n in names if object_id(kind, workspace, n) == row.id), None)


def _names(document: Document | None) -> tuple[str, ...]:
    return () if document is None else (document["metadata"]["name"], *former_names(document))


def _name_taken(row: Stored) -> Barred:
    whose = f"source {row.source_id!r} owns" if row.source_id else "no source owns"
    return Barred(
        "name-taken",
        f"its name is held by another object, which {whose}; give this one another name, or free "
        "the name there first",
    )


def _identity_changed(declared: Declared, row: Stored, first: str) -> Barred:
    """The manifest's `formerNames` would give the row another id, and so other webhook URLs."""
    later = [n for n in former_names(declared.document) if n != first]
    if row.key.name not in (first, declared.key.name, *later):
        later.append(row.key.name)
    if first == declared.key.name:
        remedy = "remove formerNames"
    else:
        remedy = f"write formerNames: [{', '.join((first, *later))}]"
    return Barred(
        "identity-changed",
        f"this would change its id and its webhook URLs, which come from its first name {first!r}; "
        + remedy,
    )


def _several(rows: list[Stored]) -> Barred:
    names = " and ".join(sorted(str(row.key) for row in rows))
    return Barred(
        "former-name-in-use",
        f"its former names {names} are different objects; only one of them can be moved",
    )

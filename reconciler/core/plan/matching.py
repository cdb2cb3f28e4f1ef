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
        self._archived_by_key: dict[Key, list[Stored]] = defaultdict(list)
        for row in sorted(self.archived.values(), key=lambda row: row.id):
            self._archived_by_key[row.key].append(row)

    def find(self, declared: Declared) -> Stored | Barred | None:
        """The row that `declared` is, live or archived; None if it is new."""
        by_id = self.live_by_id.get(declared.id)
        by_key = self.live.get(declared.key)
        if by_id is not None and (by_key is None or by_key is by_id):
            return by_id
        if by_id is not None and by_key is not None:
            return _name_taken(by_key, self.wanted.get(by_key.id))
        if by_key is not None:
            return self._same_name(declared, by_key)
        return self._by_former_name(declared) or self._from_archive(declared)

    def related(self, declared: Declared) -> Iterator[Stored]:
        """Live rows that may be meant by `declared`: none is removed while it is barred."""
        names = (declared.key.name, *former_names(declared.document))
        rows = [self.live_by_id.get(declared.id)]
        rows += [self.live.get(_named(declared, name)) for name in names]
        return (row for row in rows if row is not None)

    def _same_name(self, declared: Declared, row: Stored) -> Stored | Barred:
        if (successor := self.wanted.get(row.id)) is not None:
            return _name_taken(row, successor)
        return _own_id_or_barred(declared, row)

    def _by_former_name(self, declared: Declared) -> Stored | Barred | None:
        names = former_names(declared.document)
        rows = [row for name in names if (row := self.live.get(_named(declared, name)))]
        match rows:
            case []:
                return None
            case [row]:
                return _own_id_or_barred(declared, row)
            case _:
                return _several(rows)

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
    """Objects that claim as their former name one that is in use, or that another one claims.

    This refuses swaps (a becomes b while b becomes a) and chains: names are freed in one revision
    and used again in a later one.
    """
    claims: dict[Key, list[Key]] = defaultdict(list)
    for declared in desired.objects.values():
        for name in former_names(declared.document):
            claims[_named(declared, name)].append(declared.key)
    barred: dict[Key, Barred] = {}
    for former, claimants in sorted(claims.items()):
        for key in claimants:
            if former in desired.objects and former != key:
                barred.setdefault(key, Barred("former-name-in-use", _IN_USE.format(former)))
            elif len(claimants) > 1:
                barred.setdefault(key, _claimed(former, claimants, key))
    return barred


def _claimed(former: Key, claimants: list[Key], key: Key) -> Barred:
    others = " and ".join(sorted(str(other) for other in claimants if other != key))
    return Barred(
        "former-name-claimed",
        f"its former name {former} is claimed by {others} too; only one of them can be that object",
    )


_IN_USE = (
    "its former name {} is still in use; remove or rename that object first, "
    "and use its name again in a later revision"
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


def _name_taken(row: Stored, successor: Declared | None) -> Barred:
    if successor is not None:
        why = f"held by the object that becomes {successor.key}"
    elif row.source_id is None:
        why = "held by another object, which no source owns"
    else:
        why = f"held by another object of source {row.source_id!r}"
    remedy = "free the name in one revision and use it in the next"
    return Barred("name-taken", f"its name is still {why}; {remedy}")


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

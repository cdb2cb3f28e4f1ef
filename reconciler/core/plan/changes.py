"""What can happen to an object: the kinds of change.

A union of values rather than one class with a flag: whoever carries changes out matches on them.
"""

from dataclasses import dataclass
from typing import ClassVar

from reconciler.core.base.identity import Key
from reconciler.core.manifest.state import Declared, Origin, Stored
from reconciler.core.plan.fielddiff import FieldChange, field_changes, fields_of_new


@dataclass(frozen=True, slots=True)
class Create:
    """An object that no row stands for."""

    action: ClassVar[str] = "create"
    after: Declared

    @property
    def key(self) -> Key:
        return self.after.key

    @property
    def id(self) -> str:
        return self.after.id


@dataclass(frozen=True, slots=True)
class _Existing:
    before: Stored
    after: Declared

    @property
    def key(self) -> Key:
        """What names the object afterwards."""
        return self.after.key

    @property
    def id(self) -> str:
        """The row's own id, which an adopted row may have from elsewhere."""
        return self.before.id


@dataclass(frozen=True, slots=True)
class Update(_Existing):
    """The row's content becomes the manifest's, be it after an edit or after drift."""

    action: ClassVar[str] = "update"


@dataclass(frozen=True, slots=True)
class Move(_Existing):
    """The row gets another name, and the manifest's content with it."""

    action: ClassVar[str] = "move"


@dataclass(frozen=True, slots=True)
class Restore(_Existing):
    """An archived row comes back with its history, its name and content as the manifest says."""

    action: ClassVar[str] = "restore"


@dataclass(frozen=True, slots=True)
class Archive:
    """A row whose manifest left the source; its runs are kept."""

    action: ClassVar[str] = "archive"
    before: Stored

    @property
    def key(self) -> Key:
        return self.before.key

    @property
    def id(self) -> str:
        return self.before.id


@dataclass(frozen=True, slots=True)
class Blocked:
    """What is wanted and cannot be: `code` is stable, `message` says how to fix it.

    `after` is None for a removal, `before` where no row is concerned.
    """

    action: ClassVar[str] = "blocked"
    key: Key
    code: str
    message: str
    before: Stored | None = None
    after: Declared | None = None

    @property
    def id(self) -> str:
        return self.before.id if self.before else self.after.id if self.after else ""


Change = Create | Update | Move | Restore | Archive | Blocked


@dataclass(frozen=True, slots=True)
class Refresh:
    """A row that means what its manifest says, and whose origin or applied document is outdated.

    The file or the line moved, or somebody changed the row by hand to what the manifest now says.
    Apply notes it; it is no change.
    """

    before: Stored
    after: Declared


def fields_of(change: Change) -> tuple[FieldChange, ...]:
    """The fields that a change touches; for a new object what it says beyond the defaults."""
    match change:
        case Create(after):
            return fields_of_new(after.document)
        case Update(before, after) | Move(before, after) | Restore(before, after):
            return field_changes(before.document, after.document)
        case Archive() | Blocked():
            return ()


def origin_of(change: Change) -> Origin | None:
    """Where the object is written, or was when it was last applied."""
    match change:
        case Archive(before):
            return before.origin
        case Blocked():
            return change.after.origin if change.after else None
        case _:
            return change.after.origin

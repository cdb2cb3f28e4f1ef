"""The edit of one object as the edit of one file of its source."""

from collections.abc import Callable
from dataclasses import dataclass

from reconciler.core.manifest.state import Declared, Stored
from reconciler.manifest.edit.edit import CannotEdit, append, apply_edit, remove
from reconciler.manifest.edit.export import to_yaml

Read = Callable[[str], bytes | None]
"""The bytes of a manifest file of the source; None where it cannot be read."""


@dataclass(frozen=True, slots=True)
class FileEdit:
    """A file of a source before and after; None where it is not there."""

    path: str
    before: bytes | None
    after: bytes | None


def edit_file(stored: Stored | None, wanted: Declared | None, read: Read) -> FileEdit:
    """The edit that makes the object `stored` mean `wanted`, or takes it out of its file.

    `stored` is None, or archived, for an object that is not there: a creation is a new file
    `<workspace>/<name>.yaml`, or stands at the end of the one that is there already. Raises
    CannotEdit where the file cannot be read, or says something else than what was applied.
    """
    if stored is None or stored.archived:
        if wanted is None:
            raise CannotEdit("there is no such object")
        path = f"{wanted.key.workspace}/{wanted.key.name}.yaml"
        data = read(path)
        added = append(data, wanted.document) if data else to_yaml(wanted.document).encode()
        return FileEdit(path, data, added)
    data = read(stored.origin.path) if stored.origin else None
    if data is None or stored.origin is None:
        raise CannotEdit(f"the file of {stored.key} cannot be read here")
    if wanted is None:
        return FileEdit(stored.origin.path, data, remove(data, stored.key))
    # The row may have drifted; the file says what was applied to it.
    edited = apply_edit(data, stored.applied or stored.document, wanted.document)
    return FileEdit(stored.origin.path, data, edited)

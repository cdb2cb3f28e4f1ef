"""The edit of one object as the edit of one file of its source."""

from dataclasses import dataclass
from typing import Protocol

from reconciler.core.manifest.state import Declared, Document, Stored
from reconciler.manifest.edit.edit import CannotEdit, append, apply_edit, references_of, remove
from reconciler.manifest.edit.export import to_yaml
from reconciler.manifest.files import joined
from reconciler.manifest.referenced.fields import Reference
from reconciler.manifest.referenced.resolve import decode_text
from reconciler.manifest.text import BOM


class Files(Protocol):
    """The files of a source as they are now; None for what cannot be read."""

    def read(self, path: str) -> bytes | None:
        """The bytes of a manifest file."""
        ...

    def beside(self, path: str, file: str) -> bytes | None:
        """The bytes of a file that the manifest at `path` names."""
        ...


@dataclass(frozen=True, slots=True)
class FileEdit:
    """A file of a source before and after; None where it is not there."""

    path: str
    before: bytes | None
    after: bytes | None


def edit_file(stored: Stored | None, wanted: Declared | None, files: Files) -> FileEdit:
    """The edit that makes the object `stored` mean `wanted`, or takes it out of its file.

    `stored` is None, or archived, for an object that is not there: a creation is a new file
    `<workspace>/<name>.yaml`, or stands at the end of the one that is there already. A text that
    the manifest keeps in a file of its own is edited there. Raises CannotEdit where a file cannot
    be read, says something else than what was applied, or where two files would have to change.
    """
    if stored is None or stored.archived:
        if wanted is None:
            raise CannotEdit("there is no such object")
        path = f"{wanted.key.workspace}/{wanted.key.name}.yaml"
        data = files.read(path)
        added = append(data, wanted.document) if data else to_yaml(wanted.document).encode()
        return FileEdit(path, data, added)
    data = files.read(stored.origin.path) if stored.origin else None
    if data is None or stored.origin is None:
        raise CannotEdit(f"the file of {stored.key} cannot be read here")
    if wanted is None:
        return FileEdit(stored.origin.path, data, remove(data, stored.key))
    # The row may have drifted; the file says what was applied to it.
    before, after = stored.applied or stored.document, wanted.document
    for reference in references_of(data, stored.key):
        named = _Named.read(stored.origin.path, reference, files)
        named.require_unchanged(before)
        if named.text_in(after) != named.text_in(before):
            return named.edit(before, after)
        before, after = named.by_name(before), named.by_name(after)
    return FileEdit(stored.origin.path, data, apply_edit(data, before, after))


@dataclass(frozen=True, slots=True)
class _Named:
    """A text of a manifest that stands in a file of its own."""

    reference: Reference
    path: str
    data: bytes

    @classmethod
    def read(cls, manifest: str, reference: Reference, files: Files) -> "_Named":
        data = files.beside(manifest, reference.file)
        if data is None:
            raise CannotEdit(f"{reference.file}, which the manifest names, cannot be read here")
        return cls(reference, joined(manifest, reference.file), data)

    def text_in(self, document: Document) -> str:
        text: str = document["spec"].get(self.reference.field.into, "")
        return text

    def require_unchanged(self, before: Document) -> None:
        if decode_text(self.data, self.path) != self.text_in(before):
            raise CannotEdit(f"{self.path} has been edited since it was applied")

    def by_name(self, document: Document) -> Document:
        """The document as the manifest says it: with the file's name in place of its text."""
        field = self.reference.field
        spec = {**document["spec"], field.name: {"file": self.reference.file}}
        return {**document, "spec": {**spec, field.into: ""}}

    def edit(self, before: Document, after: Document) -> FileEdit:
        """The new text in the file's own line breaks. Raises CannotEdit."""
        into = self.reference.field.into
        if {**before["spec"], into: ""} != {**after["spec"], into: ""} or (
            before["metadata"] != after["metadata"]
        ):
            raise CannotEdit(
                f"{into} stands in {self.path}, a file of its own: change it in one request, and "
                "what stands in the manifest in another"
            )
        mark = BOM if self.data.startswith(BOM.encode()) else ""
        newline = "\r\n" if b"\r\n" in self.data else "\n"
        text = self.text_in(after).replace("\n", newline)
        return FileEdit(self.path, self.data, (mark + text).encode())

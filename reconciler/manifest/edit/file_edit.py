"""The edit of one object as the edit of one file of its source."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from reconciler.core.manifest.defaults import autopilot_defaults
from reconciler.core.manifest.state import Declared, Document, Stored
from reconciler.manifest.edit.edit import CannotEdit, append, apply_edit, references_of, remove
from reconciler.manifest.edit.export import to_yaml
from reconciler.manifest.files import joined
from reconciler.manifest.referenced.fields import FIELDS, Reference
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
    """A file of a source before and after; None where it is not there.

    `made` are further files, by their paths, which must not be there before.
    """

    path: str
    before: bytes | None
    after: bytes | None
    made: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def changes_nothing(self) -> bool:
        """Whether the source says all of it already."""
        return self.before == self.after and not self.made


def edit_file(
    stored: Stored | None,
    wanted: Declared | None,
    files: Files,
    named: Mapping[str, str] = MappingProxyType({}),
    made: AbstractSet[str] = frozenset(),
) -> FileEdit:
    """The edit that makes the object `stored` mean `wanted`, or takes it out of its file.

    `stored` is None, or archived, for an object that is not there: a creation is a new file
    `<workspace>/<name>.yaml`, or stands at the end of the one that is there already. A text that
    the manifest keeps in a file of its own is edited there; one that is emptied is no longer named.
    `named` has fields whose text is to stand in a file of its own, and that file: it is there
    already and says just that, or, for the fields in `made`, it is made. Raises CannotEdit where a
    file cannot be read, says something else than what was applied, is there though it is to be
    made, or where two files would have to change.
    """
    if stored is None or stored.archived:
        if wanted is None:
            raise CannotEdit("there is no such object")
        path = f"{wanted.key.workspace}/{wanted.key.name}.yaml"
        data = files.read(path)
        texts = _texts(path, named, made, files, wanted.document)
        document = _by_names(wanted.document, texts)
        added = append(data, document) if data else to_yaml(document).encode()
        return FileEdit(path, data, added, _made(texts, made))
    data = files.read(stored.origin.path) if stored.origin else None
    if data is None or stored.origin is None:
        raise CannotEdit(f"the file of {stored.key} cannot be read here")
    if wanted is None:
        return FileEdit(stored.origin.path, data, remove(data, stored.key))
    # The row may have drifted; the file says what was applied to it.
    before, after = stored.applied or stored.document, wanted.document
    others = dict(named)
    for reference in references_of(data, stored.key):
        text = _Named.read(stored.origin.path, reference, files)
        text.require_unchanged(before)
        stays = text.text_in(after) and others.get(reference.field.into) in (None, reference.file)
        if stays:
            others.pop(reference.field.into, None)
        if stays and text.text_in(after) != text.text_in(before):
            return text.edit(before, after, others=made)
        before, after = text.by_name(before), text.by_name(after) if stays else after
    texts = _texts(stored.origin.path, others, made, files, after)
    edited = apply_edit(data, before, _by_names(after, texts))
    return FileEdit(stored.origin.path, data, edited, _made(texts, made))


def _texts(
    manifest: str,
    named: Mapping[str, str],
    made: AbstractSet[str],
    files: Files,
    document: Document,
) -> "list[_Named]":
    """The texts that are to stand in files of their own, those that are to be made included."""
    references = [Reference(field, named[field.into]) for field in FIELDS if field.into in named]
    return [
        _Named.new(manifest, reference, files, document)
        if reference.field.into in made
        else _Named.read(manifest, reference, files)
        for reference in references
    ]


def _by_names(document: Document, texts: "list[_Named]") -> Document:
    for text in texts:
        document = text.in_place_of_its_text(document)
    return document


def _made(texts: "list[_Named]", made: AbstractSet[str]) -> dict[str, bytes]:
    return {text.path: text.data for text in texts if text.reference.field.into in made}


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

    @classmethod
    def new(cls, manifest: str, reference: Reference, files: Files, document: Document) -> "_Named":
        path = joined(manifest, reference.file)
        if files.beside(manifest, reference.file) is not None:
            raise CannotEdit(f"{path} is there already; give another name, or load the page again")
        data = str(document["spec"].get(reference.field.into, "")).encode()
        return cls(reference, path, data)

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
        default = autopilot_defaults()["spec"].get(field.into)
        if default is None:
            spec.pop(field.into, None)
        else:
            spec[field.into] = default
        return {**document, "spec": spec}

    def in_place_of_its_text(self, document: Document) -> Document:
        """The document with the name of the file, which says just that. Raises CannotEdit."""
        if decode_text(self.data, self.path) != self.text_in(document):
            raise CannotEdit(f"{self.path} says something else; load the page again")
        return self.by_name(document)

    def edit(self, before: Document, after: Document, *, others: AbstractSet[str]) -> FileEdit:
        """The new text in the file's own line breaks. Raises CannotEdit."""
        into = self.reference.field.into
        if (
            others
            or {**before["spec"], into: ""} != {**after["spec"], into: ""}
            or (before["metadata"] != after["metadata"])
        ):
            raise CannotEdit(
                f"{into} stands in {self.path}, a file of its own: change it in one request, and "
                "what stands in the manifest in another"
            )
        mark = BOM if self.data.startswith(BOM.encode()) else ""
        newline = "\r\n" if b"\r\n" in self.data else "\n"
        text = self.text_in(after).replace("\n", newline)
        return FileEdit(self.path, self.data, (mark + text).encode())

"""Edits of manifests in their files: the smallest change of the text that gives the new meaning.

Comments, quotes, order, line breaks and every other byte stay. Each result is read again and must
mean exactly what was asked for; a document whose layout does not allow single values to be replaced
is written anew, the others of its file untouched (docs/manifest.md#edits-by-the-server).
"""

from dataclasses import dataclass

from reconciler.core.base.errors import Conflict
from reconciler.core.base.identity import Key
from reconciler.core.manifest.checks import OFFLINE
from reconciler.core.manifest.state import Document as Canonical
from reconciler.core.manifest.state import digest_of
from reconciler.manifest.edit.export import to_yaml
from reconciler.manifest.edit.layout import CannotSplice, Layout
from reconciler.manifest.edit.merge import merged
from reconciler.manifest.edit.places import value_of
from reconciler.manifest.edit.splice import spliced
from reconciler.manifest.load.documents import Document
from reconciler.manifest.load.nodes import Node, roots
from reconciler.manifest.load.objects import Read, read_object
from reconciler.manifest.load.parse import parse
from reconciler.manifest.referenced.fields import Reference, references_in
from reconciler.manifest.text import BOM


class CannotEdit(Conflict):
    """The file does not hold the object, or not in a form that can be edited."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="cannot-edit")


def apply_edit(data: bytes, before: Canonical, after: Canonical) -> bytes:
    """The bytes of a file in which the object `before` has become `after`.

    Both are canonical documents of one object; `after` may have another name. Raises CannotEdit,
    also where the file does not say `before`: somebody else's edit must not be undone.
    """
    file = _File.read(data)
    place = file.place_of(key_of(before))
    if not file.means(file.text, place, before):
        raise CannotEdit(f"{key_of(before)} has been edited in the file since it was applied")
    try:
        edited = file.spliced(place, before, after)
    except CannotSplice:
        edited = None
    if edited is None or not file.means(edited, place, after):
        edited = file.rewritten(place, after)
    if not file.means(edited, place, after):
        raise CannotEdit(f"{key_of(after)} cannot be written into this file")
    return file.bytes_of(edited)


def append(data: bytes, document: Canonical) -> bytes:
    """The bytes of a file with one object more, at its end. Raises CannotEdit."""
    file = _File.read(data)
    if not file.text.strip():
        return file.bytes_of(file.text + to_yaml(document))
    separator = "" if file.text.endswith(("\n", "\r")) else file.newline
    added = f"---\n{to_yaml(document)}".replace("\n", file.newline)
    edited = file.text + separator + added
    if not file.means(edited, len(file.documents), document):
        raise CannotEdit("nothing can be added behind what this file holds")
    return file.bytes_of(edited)


def remove(data: bytes, key: Key) -> bytes | None:
    """The bytes of a file without an object; None if nothing else is in it. Raises CannotEdit."""
    file = _File.read(data)
    place = file.place_of(key)
    if len(file.documents) == 1:
        return None
    edited = file.without(place)
    others = [document.value for document in parse(file.bytes_of(edited), "").documents]
    if others != [document.value for i, document in enumerate(file.documents) if i != place]:
        raise CannotEdit(f"{key} cannot be taken out of this file")
    return file.bytes_of(edited)


def references_of(data: bytes, key: Key) -> list[Reference]:
    """The files that an object's manifest names. Raises CannotEdit."""
    file = _File.read(data)
    return list(references_in(file.documents[file.place_of(key)].value))


def key_of(document: Canonical) -> Key:
    """What names the object of a canonical document."""
    metadata = document["metadata"]
    return Key(document["kind"], metadata["workspace"], metadata["name"])


@dataclass(frozen=True, slots=True)
class _File:
    """A file without mistakes, taken apart. `mark` is its byte order mark, or nothing."""

    text: str
    mark: str
    newline: str
    documents: tuple[Document, ...]
    nodes: tuple[Node, ...]

    @classmethod
    def read(cls, data: bytes) -> "_File":
        parsed = parse(data, "")
        if parsed.text is None or parsed.problems:
            raise CannotEdit("the file has mistakes; correct them first")
        mark = BOM if data.startswith(BOM.encode()) else ""
        root_nodes = roots(parsed.text)
        nodes = tuple(root_nodes[document.index] for document in parsed.documents)
        newline = Layout.of(parsed.text, nodes[0]).newline if nodes else "\n"
        return cls(parsed.text, mark, newline, parsed.documents, nodes)

    def bytes_of(self, text: str) -> bytes:
        return (self.mark + text).encode()

    def place_of(self, key: Key) -> int:
        """Which of the documents declares the object."""
        for place, document in enumerate(self.documents):
            if _read(document).key == key:
                return place
        raise CannotEdit(f"{key} is not in this file")

    def spliced(self, place: int, before: Canonical, after: Canonical) -> str:
        root = self.nodes[place]
        return spliced(self.text, root, merged(value_of(root), before, after))

    def rewritten(self, place: int, after: Canonical) -> str:
        """The document written anew, from its first line to its last."""
        root = self.nodes[place]
        layout = Layout.of(self.text, root)
        body = to_yaml(after).removesuffix("\n").replace("\n", self.newline)
        behind_marker = not layout.is_first_in_line(root.start.index)
        start = layout.line_start(root.start.index) if not behind_marker else root.start.index
        before = self.newline if behind_marker else ""
        return self.text[:start] + before + body + self.text[layout.end(root) :]

    def without(self, place: int) -> str:
        """The text from the document's `---` up to the next one's taken out."""
        starts = [self._marker(i) for i in range(len(self.documents))]
        start = starts[place]
        end = starts[place + 1] if place + 1 < len(starts) else len(self.text)
        return self.text[:start] + self.text[end:]

    def _marker(self, place: int) -> int:
        """Where the `---` before a document stands, or the start of the text."""
        index = self.nodes[place].start.index
        if self.text.startswith("---"):
            return max(self.text.rfind("\n---", 0, index + 1) + 1, 0)
        before = self.text.rfind("\n---", 0, index + 1)
        return before + 1 if before >= 0 else 0

    def means(self, text: str, place: int, after: Canonical) -> bool:
        """Whether the text declares `after` at this place, and all else as before."""
        parsed = parse(self.bytes_of(text), "")
        if parsed.problems or len(parsed.documents) < max(place + 1, len(self.documents)):
            return False
        others = [d.value for i, d in enumerate(parsed.documents) if i != place]
        if others != [d.value for i, d in enumerate(self.documents) if i != place]:
            return False
        declared = _read(parsed.documents[place]).document
        return declared is not None and digest_of(declared) == digest_of(after)


def _read(document: Document) -> Read:
    return read_object(document, OFFLINE)

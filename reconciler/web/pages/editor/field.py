"""One field of the form: where its value stands, how it is written, and what it means."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.core.manifest.merge import MISSING
from reconciler.core.manifest.state import Document
from reconciler.web.pages.editor.value import Kind, is_exact, read, same, shown

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """`path` is seen from the manifest, or from the trigger that it belongs to.

    `example` stands in the empty field where there is no default. A field that `carries` its
    parent takes it along when it is emptied: without a program there is no precheck.
    """

    path: Path
    label: str
    help: str
    kind: Kind
    example: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    carries: bool = False

    @property
    def name(self) -> str:
        """What names it in the form, and in a Problem."""
        return ".".join(self.path)

    def text_in(self, document: Document, defaults: Document) -> str:
        """What the form shows. A default is left empty: its text stands behind the field."""
        value = value_at(document, self.path)
        if self.kind in (Kind.CHOICE, Kind.LISTED):
            return shown(self.kind, value) or next(iter(self.options))
        return "" if value == value_at(defaults, self.path) else shown(self.kind, value)

    def default_in(self, defaults: Document) -> str:
        """What an empty field means, in its own words."""
        default = shown(self.kind, value_at(defaults, self.path))
        return f"{'off' if default == '0s' else default} by default" if default else self.example

    def is_open(self, document: Document) -> bool:
        """Whether the form can say what stands there now."""
        return is_exact(self.kind, value_at(document, self.path))

    def is_set(self, document: Document, defaults: Document) -> bool:
        """Whether it says anything but its default."""
        empty = next(iter(self.options), "") if self.kind in (Kind.CHOICE, Kind.LISTED) else ""
        return self.text_in(document, defaults) != empty

    def is_touched(self, document: Document, defaults: Document, text: str) -> bool:
        """Whether a text is another one than the form of this document showed."""
        shown_ = self.text_in(document, defaults)
        return self.is_open(document) and not same(self.kind, text, shown_)

    def laid(self, document: Document, text: str) -> Document:
        """The document with what a text says."""
        value = read(self.kind, text.replace("\r\n", "\n"))
        if value is MISSING and self.carries:
            return without(document, self.path[:-1])
        if value is MISSING:
            return without(document, self.path)
        return with_value(document, self.path, value)


def value_at(document: Any, path: Path) -> Any:
    """What stands there, or MISSING."""
    for name in path:
        if not isinstance(document, Mapping) or name not in document:
            return MISSING
        document = document[name]
    return document


def with_value(document: Document, path: Path, value: Any) -> Document:
    """The document with a value there; what is in its way gives way."""
    name, *others = path
    if not others:
        return {**document, name: value}
    inside = document.get(name)
    within = inside if isinstance(inside, dict) else {}
    return {**document, name: with_value(within, tuple(others), value)}


def without(document: Document, path: Path) -> Document:
    """The document without a value, and without what would be left empty by that."""
    name, *others = path
    if name not in document:
        return document
    inside: Any = document[name]
    left = without(inside, tuple(others)) if others and isinstance(inside, dict) else {}
    if left:
        return {**document, name: left}
    return {key: value for key, value in document.items() if key != name}

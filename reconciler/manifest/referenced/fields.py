"""Which fields of a spec name a file, and which field takes what stands in it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.core.manifest.checks.finding import Loc
from reconciler.core.manifest.checks.raw import Raw, mapping, text


@dataclass(frozen=True, slots=True)
class Field:
    """A field such as `descriptionFrom: {file: …}`, and the field that takes the file's text."""

    name: str
    into: str
    longest: int
    """Characters."""


DESCRIPTION = Field("descriptionFrom", "description", 100_000)
FIELDS = (DESCRIPTION,)


@dataclass(frozen=True, slots=True)
class Reference:
    """A file that a document names."""

    field: Field
    file: str

    @property
    def loc(self) -> Loc:
        """Where the document names it."""
        return "spec", self.field.name, "file"


def references_in(document: Any) -> Iterator[Reference]:
    """The files that a document names, malformed ones included."""
    spec = mapping(mapping(document).get("spec"))
    for field in FIELDS:
        if (file := text(mapping(spec.get(field.name)).get("file"))) is not None:
            yield Reference(field, file)


def is_given_twice(document: Raw, field: Field) -> bool:
    """Whether a document holds the text as well as the name of its file."""
    spec: Mapping[str, Any] = mapping(document.get("spec"))
    return spec.get(field.name) is not None and spec.get(field.into) is not None

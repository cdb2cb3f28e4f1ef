"""Which fields of a spec name a file, and which field takes what stands in it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.core.manifest.checks.finding import Loc
from reconciler.core.manifest.checks.raw import Raw, mapping, text
from reconciler.core.manifest.checks.result_schema import LONGEST, schema_problem


def _nothing(_text: str) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Field:
    """A field such as `descriptionFrom: {file: …}`, and the field that takes the file's text."""

    name: str
    into: str
    longest: int
    """Characters."""
    holds: str
    """What is to be written into the file, for who left it empty."""
    problem: Callable[[str], str | None] = _nothing
    """What is wrong with a text; None where nothing is."""


DESCRIPTION = Field("descriptionFrom", "description", 100_000, "what the agent is asked to do")
RESULT_SCHEMA = Field("expectSchema", "resultSchema", LONGEST, "a JSON Schema", schema_problem)
FIELDS = (DESCRIPTION, RESULT_SCHEMA)


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

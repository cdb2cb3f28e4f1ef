"""A YAML document as it was read: its value, where it stands, what of it is not known."""

from dataclasses import dataclass
from typing import Any

from reconciler.manifest.load.loc import Loc


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a text.

    line, column   where its content starts, from 1
    index          which document it is, from 0, of the part of the text from `first_line` on
    spoiled        places whose value could not be told; their Problems are noted already
    complete       False where the text turned out to be no YAML in the middle of it
    present        False for nothing between two `---`
    """

    value: Any
    line: int
    column: int
    index: int
    first_line: int
    spoiled: tuple[Loc, ...] = ()
    complete: bool = True
    present: bool = True

"""What a check finds: a place in a document, a sentence and a code."""

from dataclasses import dataclass
from enum import Enum

from reconciler.core.base.codes import Code

Loc = tuple[str | int, ...]
"""`("spec", "triggers", 0, "cron")`."""


class At(Enum):
    """Which part of a field a Problem points at."""

    VALUE = "value"
    KEY = "key"
    PARENT = "parent"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a document, before it is known where the document stands.

    `code` is a Code, or one of the codes that an expression or a schedule gives (all in Code).
    """

    loc: Loc
    message: str
    code: Code | str
    at: At = At.VALUE

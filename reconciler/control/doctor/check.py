"""What one check found: a verdict, a sentence, and how to fix it."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """`error`: something does not work; `warning`: it works, and is likely not meant so."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `reconciler doctor`. `subject` is the part that was examined.

    `fix` says what to do; None where all is well.
    """

    subject: str
    verdict: Verdict
    message: str
    fix: str | None = None


def ok(subject: str, message: str) -> Check:
    """All is well."""
    return Check(subject, Verdict.OK, message)


def warning(subject: str, message: str, fix: str) -> Check:
    """It works, and is likely not meant so."""
    return Check(subject, Verdict.WARNING, message, fix)


def error(subject: str, message: str, fix: str) -> Check:
    """Something does not work."""
    return Check(subject, Verdict.ERROR, message, fix)

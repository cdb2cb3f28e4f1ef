"""A bounded part of many Problems: what is stored, logged and listed, with the number left out."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from reconciler.core.base.errors import Problem

MOST_PROBLEMS = 100
MOST_CHARACTERS = 50_000
"""Characters of all messages together, which bounds the stored size whatever the manifests hold."""


@dataclass(frozen=True, slots=True)
class CappedProblems:
    """The first Problems of a revision, and how many more there are."""

    problems: tuple[Problem, ...]
    more: int = 0

    @property
    def total(self) -> int:
        """The number of Problems, those left out included."""
        return len(self.problems) + self.more

    @property
    def remark(self) -> str:
        """`… and 59,000 more`, or nothing where none is left out."""
        return f"… and {self.more:,} more" if self.more else ""


def capped(
    problems: Iterable[Problem],
    *,
    most: int = MOST_PROBLEMS,
    characters: int = MOST_CHARACTERS,
) -> CappedProblems:
    """Return the first Problems, at least one and at most `most`, in the order given.

    Fewer are kept where their texts together would be longer than `characters`. `validate` shows
    all of them: docs/errors.md.
    """
    everything = tuple(problems)
    shown: list[Problem] = []
    used = 0
    for problem in islice(everything, most):
        used += len(problem.path) + len(problem.field) + len(problem.message)
        if shown and used > characters:
            break
        shown.append(problem)
    return CappedProblems(tuple(shown), len(everything) - len(shown))

"""What can go wrong, split by what the reader should do about it.

ReconcilerError
├── InvalidManifests      correct the files         (exit 3)
├── Refused               confirm, or think again   (exit 4)
│   ├── UnsafePlan        too many removals, a rewrite of history, a protected object
│   └── Blocked           somebody else's row, or something still in use
├── StalePlan             plan again                (exit 5)
├── Locked                wait, then try again      (exit 6)
├── UsageError            correct the command line  (exit 64)
├── NotFound              look for the right name   (exit 1)
├── Conflict              the state does not allow it now (exit 1)
├── Forbidden             use another token         (exit 1)
└── Unavailable           something outside does not answer (exit 1)

Every one has a stable `code` for machines and a sentence for people.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from reconciler.core.base.identity import Revision


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a text: `path` relative to the source's root, `line` and `column` from 1."""

    path: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong in a manifest (docs/errors.md). Sorts by path, line and column."""

    path: str
    line: int
    column: int
    field: str
    message: str
    code: str

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}:{self.column}"
        what = f"{self.field}: {self.message}" if self.field else self.message
        return f"{where}: {what} [{self.code}]"


class ReconcilerError(Exception):
    """The root of all expected failures. `str(error)` is a sentence that says how to fix it."""

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1


class InvalidManifests(ReconcilerError):
    """The manifests hold Problems; the whole revision is refused.

    `revision` is the one that holds them, where it is known; `warnings` refuse nothing and are
    shown beside them.
    """

    code = "invalid-manifests"
    exit_code = 3

    def __init__(
        self,
        problems: Iterable[Problem],
        *,
        revision: "Revision | None" = None,
        warnings: Iterable[Problem] = (),
    ) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(problems))
        self.warnings: tuple[Problem, ...] = tuple(sorted(warnings))
        self.revision = revision
        noun = "problem" if len(self.problems) == 1 else "problems"
        super().__init__(f"{len(self.problems)} {noun} found")


@dataclass(frozen=True, slots=True)
class Objection:
    """One reason why a plan is refused; `confirm` names the flag that would allow it, if any."""

    code: str
    message: str
    subject: str = ""
    confirm: str | None = None


class Refused(ReconcilerError):
    """The plan is understood and not carried out.

    `revision` is set where it was refused before there was a plan, and is not recorded yet.
    """

    code = "refused"
    exit_code = 4

    def __init__(
        self, objections: Sequence[Objection], *, revision: "Revision | None" = None
    ) -> None:
        self.objections: tuple[Objection, ...] = tuple(objections)
        self.revision = revision
        super().__init__("\n".join(objection.message for objection in self.objections))


class UnsafePlan(Refused):
    """A guard against accidents stopped the plan (docs/plan.md)."""

    code = "unsafe"


class Blocked(Refused):
    """Another source owns what the plan would change, or uses what it would remove."""

    code = "blocked"


class StalePlan(ReconcilerError):
    """The objects that a plan touches have moved since it was made."""

    code = "stale-plan"
    exit_code = 5


class Locked(ReconcilerError):
    """Somebody else holds the lock; the same command may succeed in a moment."""

    code = "locked"
    exit_code = 6


class UsageError(ReconcilerError):
    """The command line does not say something that can be done."""

    code = "usage"
    exit_code = 64


class NotFound(ReconcilerError):
    """There is no such object."""

    code = "not-found"


class Conflict(ReconcilerError):
    """The object's state does not allow this now. `reason` is the stable code of the cause."""

    code = "conflict"

    def __init__(self, message: str, *, reason: str = "conflict") -> None:
        self.reason = reason
        super().__init__(message)


class Forbidden(ReconcilerError):
    """The caller's token does not reach this."""

    code = "forbidden"


class Unavailable(ReconcilerError):
    """A server, a database or a file that is needed does not answer."""

    code = "unavailable"


@dataclass(slots=True)
class Problems:
    """Collector of Problems: everything that is wrong is reported at once, in file order."""

    collected: list[Problem] = field(default_factory=list)

    def add(self, at: Position, where: str, message: str, code: str) -> None:
        """Note one Problem at `at`; `where` is the dotted field, `spec.triggers[0].cron`."""
        self.collected.append(Problem(at.path, at.line, at.column, where, message, code))

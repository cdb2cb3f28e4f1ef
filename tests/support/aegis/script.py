"""What a test may change about the stand-in: how agents behave, and which calls go wrong."""

from dataclasses import dataclass, field
from typing import Any

Json = Any


@dataclass
class Script:
    """Seconds are those that were measured, about; a test on virtual time pays nothing for them."""

    boot: float = 0.8
    """Until an agent takes a prompt, and `/health` says so."""
    shown_late: float = 2.0
    """How much later the list and GET say so."""
    work: float = 6.0
    """How long a turn takes."""
    settle: float = 1.5
    """How long a session looks idle after its turn."""
    hold: bool = False
    """A turn lasts until a test ends it."""
    answer: str = "Labelled 3 issues."
    fails: str | None = None
    """The words of a turn that ends with an API error."""
    retrying: float = 0.0
    """How long Claude retries at the beginning of a turn, showing `error`."""
    installed: bool = True
    trusted: bool = True
    asks_first: bool = False
    """Claude asks whether an API key of the environment may be used."""
    doubled: bool = False
    """Each text is typed twice."""
    eaten: int = 0
    """The next sends say `delivered` and nothing of them arrives."""
    typing_fails: bool = False
    """A creation with a prompt is a 500 that leaves its session behind."""
    killing: float = 0.3
    """How long an agent lives on after DELETE."""
    metrics_late: float = 70.0
    """How long after a turn its cost is known."""
    per_minute: int = 100
    """Calls of one key in a minute before 429; 0 = any number."""
    later_build: bool = False
    """As later versions are: `displayName`, `pending`, no hook fields."""


@dataclass
class Fault:
    """What goes wrong with the next `times` calls of an endpoint."""

    endpoint: str
    times: int = 1
    status: int | None = None
    """Answer this, and do nothing."""
    code: str = "INTERNAL_ERROR"
    retry_after: str | None = None
    html: bool = False
    """Answer as a proxy does that does not know the way."""
    lag: float = 0.0
    """Do what was asked, and answer this many seconds later."""


@dataclass
class Faults:
    """The faults that are still to come."""

    pending: list[Fault] = field(default_factory=list)

    def take(self, endpoint: str) -> Fault | None:
        """The fault that this call meets."""
        for fault in self.pending:
            if fault.endpoint in (endpoint, "*") and fault.times > 0:
                fault.times -= 1
                return fault
        return None

"""What a call of the Aegis API can come to besides its answer, by what has to be done about it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Absent:
    """404: there is no such session."""


@dataclass(frozen=True, slots=True)
class Down:
    """Not reached: nothing happened."""

    message: str


@dataclass(frozen=True, slots=True)
class Busy:
    """The server said no for now (429, 503): nothing happened."""

    message: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Unsure:
    """No answer, or one that says nothing (5xx, nonsense): it may have happened."""

    message: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The server will never do this (400, 401, 403, 422): nothing happened."""

    message: str


Trouble = Down | Busy | Unsure | Rejected

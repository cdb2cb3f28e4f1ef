"""What a run's row holds of its session, by which any server process goes on with it."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

from reconciler.core.runs.run import Json
from reconciler.dispatch.aegis.reading import Session, is_session_id
from reconciler.dispatch.base import Handle


class Phase(StrEnum):
    """How far the start of a session has come."""

    MADE = "made"
    """Nothing was typed into it: no agent works."""
    SENT = "sent"
    """Its prompt may have arrived: recorded before it is sent."""
    WORKING = "working"
    """Its prompt was seen in the transcript."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A session of ours. `since` is before the call that first showed it, in seconds since 1970;
    `created_at` is the server's word for that, in milliseconds; `transcript` see `Session`."""

    session_id: str
    url: str
    phase: Phase
    since: float
    created_at: float | None = None
    transcript: str | None = None

    @classmethod
    def of(cls, session: Session, url: str, phase: Phase, since: float) -> Self:
        """The mark of a session that is seen for the first time."""
        return cls(session.id, url, phase, since, session.created_at)

    @classmethod
    def read(cls, handle: Handle | None) -> Self | None:
        """The mark of a handle; None where it names no session."""
        if handle is None or not is_session_id(handle.session_id):
            return None
        detail = handle.detail
        return cls(
            str(handle.session_id),
            f"{detail.get('url')}",
            _phase(detail.get("phase"), detail.get("prompted")),
            _number(detail.get("since")) or 0.0,
            _number(detail.get("createdAt")),
            detail["transcript"] if isinstance(detail.get("transcript"), str) else None,
        )

    def is_of(self, session: Session) -> bool:
        """Whether the words that the server shows are still those of this session."""
        return self.transcript is None or session.transcript in (None, self.transcript)

    def at(self, phase: Phase, transcript: str | None = None) -> Self:
        """The same session, further on."""
        return replace(self, phase=phase, transcript=transcript or self.transcript)

    @property
    def handle(self) -> Handle:
        """As it is recorded."""
        detail: dict[str, Json] = {
            "url": self.url,
            "phase": self.phase.value,
            "since": self.since,
            "createdAt": self.created_at,
            "transcript": self.transcript,
        }
        return Handle(self.session_id, detail)


def asked(url: str, since: float) -> Handle:
    """What is recorded before a creation that types its prompt: its answer may be lost."""
    return Handle(None, {"url": url, "phase": Phase.SENT.value, "since": since})


def asked_since(handle: Handle | None) -> float | None:
    """When such a creation was asked for of which nobody knows the session; else None."""
    if handle is None or handle.session_id is not None:
        return None
    return _number(handle.detail.get("since"))


def nothing(url: str) -> Handle:
    """What is recorded when a session was ended before it had its prompt."""
    return Handle(None, {"url": url})


def _phase(phase: Json, prompted: Json) -> Phase:
    """`prompted` is what earlier versions recorded."""
    if phase in tuple(Phase):
        return Phase(phase)
    return Phase.WORKING if prompted is True else Phase.SENT


def _number(value: Json) -> float | None:
    return float(value) if isinstance(value, int | float) else None

"""What an Aegis server says of its sessions; statuses and fields that are new are fine."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from reconciler.core.base.invisible import one_line
from reconciler.core.runs.run import Json

READY: Final = "idle"
"""The status of a session that has booted and waits for its prompt."""
UNTRUSTED: Final = "permission_prompt"
"""Before its prompt: a dialog asks whether the folder is trusted, and would take a text as yes."""
DEAD: Final = frozenset({"killed", "completed", "crashed"})
"""What later versions list of sessions that are over."""
ASKS: Final = frozenset({"permission_prompt", "bash_approval", "plan_mode", "ask_question"})

_DETAILS: Final[Mapping[str, str]] = {
    # After its turn a session looks idle for a moment and at work for ever: these say nothing.
    "working": "",
    "idle": "",
    "waiting_for_input": "",
    "rate_limit": "waits for the model: rate_limit",
    "error": "the agent retries: its session shows an error",
}


@dataclass(frozen=True, slots=True)
class Session:
    """One session. `created_at` is in milliseconds since 1970 by the server's clock.

    `transcript` is the `claudeSessionId`: whose words the server takes for those of the session.
    `failures` is `hookFailureTimestamps`: None while the first turn has not ended (later versions
    never have it), else when turns failed. `hooked_at` moves with every hook, `stamp` with any
    activity.
    """

    id: str
    name: str = ""
    status: str = "unknown"
    work_dir: str = ""
    created_at: float | None = None
    transcript: str | None = None
    failures: int | None = None
    hooked_at: str = ""
    stamp: str = ""

    @property
    def live(self) -> bool:
        """Whether an agent may be behind it."""
        return self.status not in DEAD


@dataclass(frozen=True, slots=True)
class Created:
    """What a creation gave. `reused`: somebody's idle session instead of a new one."""

    session: Session
    reused: bool


@dataclass(frozen=True, slots=True)
class Ready:
    """What `health` says of a session: its status at this moment, and whether its agent runs."""

    status: str
    running: bool


def detail(status: str) -> str:
    """What the run shows while its session has this status."""
    return _DETAILS.get(status, one_line(status, 50))


def read_session(value: Json) -> Session | None:
    """A session as the API shows it; None where it has no id that is a UUID."""
    if not isinstance(value, dict) or not is_session_id(value.get("id")):
        return None
    failures = value.get("hookFailureTimestamps")
    return Session(
        id=str(value["id"]),
        name=_text(value, "windowName") or _text(value, "displayName"),
        status=_text(value, "status") or "unknown",
        work_dir=_text(value, "workDir"),
        created_at=_number(value.get("createdAt")),
        transcript=_text(value, "claudeSessionId") or None,
        failures=len(failures) if isinstance(failures, list) else None,
        hooked_at=f"{value.get('lastHookAt') or ''}",
        stamp=f"{value.get('lastActivity')}",
    )


def read_created(value: Json, *, reused: bool) -> Created | None:
    """A creation's answer; None where it names no session."""
    session = read_session(value)
    if session is None:
        return None
    return Created(session, reused or value.get("reused") is True)


def is_session_id(value: Json) -> bool:
    """Whether it may stand in a URL of the API."""
    try:
        return isinstance(value, str) and str(UUID(value)) == value.lower()
    except ValueError:
        return False


def _text(value: Mapping[str, Json], name: str) -> str:
    text = value.get(name)
    return text if isinstance(text, str) else ""


def _number(value: Json) -> float | None:
    return float(value) if isinstance(value, int | float) and abs(value) < 1e15 else None

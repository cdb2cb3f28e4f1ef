"""An entry of the outbox: one thing that one channel is told of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from reconciler.core.manifest.notify import Event

REVISION_FAILED = "revision_failed"
"""What is told of a source, beside the events of autopilots."""
KINDS = (*(event.value for event in Event), REVISION_FAILED)
"""Everything that is told of."""


class NotificationStatus(StrEnum):
    """How far an entry has come; but for `pending` it has ended."""

    PENDING = "pending"
    SENT = "sent"
    HELD_BACK = "held_back"
    DEAD = "dead"


class AttemptResult(StrEnum):
    """How an attempt to send ended; `unknown`: nobody recorded it, so it may have arrived.

    `resent` is no attempt: somebody asked that a dead one is sent again.
    """

    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    RESENT = "resent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of `notification`.

    `topic` is what a channel hears of once in five minutes at most, `occasion` what it hears of
    once at all. `attempts` counts this one, once it is claimed; `held_back` those of the topic that
    were not sent because this one is. `resent_at` is when somebody asked for it again.
    """

    id: str
    channel: str
    kind: str
    topic: str
    occasion: str
    created_at: datetime
    due_at: datetime
    workspace: str | None = None
    autopilot_id: str | None = None
    run_id: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    status: NotificationStatus = NotificationStatus.PENDING
    attempts: int = 0
    held_back: int = 0
    sent_with: str | None = None
    last_error: str | None = None
    ended_at: datetime | None = None
    resent_at: datetime | None = None
    autopilot: str | None = None
    """Its name now."""

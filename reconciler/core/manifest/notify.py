"""Who hears of what becomes of an autopilot's runs (docs/notifications.md)."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from reconciler.core.manifest.fields import Model, Name


class Event(StrEnum):
    """What an autopilot may tell of."""

    FAILED = "failed"
    RECOVERED = "recovered"
    COMPLETED = "completed"
    SKIPPED = "skipped"
    BREAKER = "breaker"
    LATE = "late"
    APPROVAL = "approval"
    OVER_BUDGET = "over_budget"


class NotifyRule(Model):
    """Which events go to which channel."""

    on: tuple[Annotated[Event, Field(strict=False)], ...] = Field(
        min_length=1, max_length=len(Event), strict=False, examples=[["failed", "recovered"]]
    )
    """What is told."""
    to: Name
    """The channel: one that the operator declares, or `log`, the server's log."""

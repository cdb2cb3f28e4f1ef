"""What carrying out a plan needs beside it: the moment, who asked, and three functions."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from reconciler.core.manifest.state import Document
from reconciler.core.schedule.decide import Next, Span

TokenHash = Callable[[str, int], str]
"""(trigger id, tokenGeneration) to the SHA-256 of the webhook's token, in hex."""
Scheduler = Callable[[Document, str, datetime], Next | None]
"""(schedule trigger, trigger id, after) to the first occurrence after that moment; never raises."""
Lapsed = Callable[[Document, str, datetime, datetime], Span | None]
"""(schedule trigger, trigger id, cursor, now) to the occurrences between; never raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyContext:
    """The moment of an apply, who asked for it, and how tokens and fire times are worked out."""

    now: datetime
    actor: str
    token_hash: TokenHash
    schedule: Scheduler
    lapsed: Lapsed

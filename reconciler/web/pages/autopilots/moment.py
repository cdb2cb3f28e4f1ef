"""The moment at which a page judges, and what else judging takes."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.control.access.secrets import SecretStore


@dataclass(frozen=True, slots=True)
class Moment:
    """Read once for a page. `secrets` are those of this server, `cooldown` that of breakers."""

    now: datetime
    secrets: SecretStore
    cooldown: timedelta

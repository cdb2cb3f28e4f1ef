"""What an agent asks a person for, and the answer (docs/runs.md#approvals)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from reconciler.core.base.invisible import one_line

LONGEST_QUESTION = 2000
"""Characters of a question that are kept."""
SETTLING = timedelta(seconds=10)
"""How long after an answer the same question is taken for the one that was answered."""


def kept_question(text: str) -> str:
    """A question as it is kept, shown and compared: one line, never empty."""
    return one_line(text, LONGEST_QUESTION) or "something that it did not name"


class Decision(StrEnum):
    """What a person decided."""

    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One question of a run's agent.

    `answer_at` says where a person answers it, empty where it can be answered here. `reported`: the
    agent told of it by itself, so that a poll that shows nothing of it says nothing. `settled_at`
    is set once it is asked no more.
    """

    id: int
    run_id: str
    question: str
    answer_at: str
    reported: bool
    asked_at: datetime
    decision: Decision | None = None
    decided_by: str | None = None
    settled_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is still asked."""
        return self.settled_at is None

    def covers(self, question: str, now: datetime) -> bool:
        """Whether a question that is asked now is this one."""
        if self.question != question:
            return False
        return self.settled_at is None or abs(now - self.settled_at) < SETTLING

"""The reasons of ends, by the status that they stand for (docs/runs.md#reasons)."""

from reconciler.core.runs.run import Reason

SKIP_REASONS = frozenset(
    {
        Reason.OVERLAP,
        Reason.QUEUE_FULL,
        Reason.COALESCED,
        Reason.SUPERSEDED,
        Reason.RATE_LIMITED,
        Reason.OVER_BUDGET,
        Reason.NOTHING_TO_DO,
    }
)
FAIL_REASONS = (frozenset(Reason) - SKIP_REASONS) | {Reason.OVER_BUDGET}
"""What a run fails of; `over_budget` is one that was skipped, or stopped while it worked."""

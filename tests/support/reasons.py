"""The reasons of ends, by the status that they stand for (docs/runs.md#reasons)."""

from reconciler.core.runs.run import Reason

SKIP_REASONS = frozenset({Reason.OVERLAP, Reason.QUEUE_FULL, Reason.COALESCED, Reason.RATE_LIMITED})
FAIL_REASONS = frozenset(Reason) - SKIP_REASONS

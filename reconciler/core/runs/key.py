"""The concurrency key of a run for which `concurrencyKey` gave none (docs/runs.md#keys)."""

from reconciler.core.runs.run import Run

_OWN = "run:"
_WAITS = "waits: "
NO_ANSWER = "the model's API does not answer, and is asked again"
"""How the note of a run begins whose agent cannot go on for that reason."""


def own_key(run_id: str) -> str:
    """A key that no other run has: this one stands alone."""
    return f"{_OWN}{run_id}"


def key_note(why: str) -> str:
    """The note of such a run."""
    return f"concurrencyKey could not be evaluated, so this run stands alone: {why}"


def wait_note(why: str) -> str:
    """The note of a run that waits for its agent; it goes when work begins."""
    return f"{_WAITS}{why}"


def noted_trouble(run: Run) -> str | None:
    """What keeps the run's agent from its work, as its note says; None where nothing does."""
    last = (run.note or "").rpartition("\n")[2]
    return last if last.startswith(NO_ANSWER) else None


def with_note(run: Run, note: str | None) -> str | None:
    """The note of a run with a new second part; why it stands alone stays in front."""
    first, second = "", run.note or ""
    if run.key == own_key(run.id):
        first, _, second = second.partition("\n")
    second = note or ("" if second.startswith(_WAITS) else second)
    return "\n".join(part for part in (first, second) if part) or None

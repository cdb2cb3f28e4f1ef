"""The concurrency key of a run for which `concurrencyKey` gave none (docs/runs.md#keys)."""

from reconciler.core.runs.run import Run

_OWN = "run:"


def own_key(run_id: str) -> str:
    """A key that no other run has: this one stands alone."""
    return f"{_OWN}{run_id}"


def key_note(why: str) -> str:
    """The note of such a run."""
    return f"concurrencyKey could not be evaluated, so this run stands alone: {why}"


def with_note(run: Run, note: str | None) -> str | None:
    """The note of a run with a new second part; why it stands alone stays in front."""
    if run.key != own_key(run.id) or run.note is None:
        return note or run.note
    first = run.note.split("\n", 1)[0]
    return f"{first}\n{note}" if note else run.note

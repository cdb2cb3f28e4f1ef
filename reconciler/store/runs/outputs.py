"""What agents wrote while they worked, kept beside their runs for as long as bodies are."""

from sqlalchemy import Connection, insert, select

from reconciler.store.tables import run_output

_O = run_output.c


def save_output(tx: Connection, run_id: str, text: str) -> None:
    """Keep the output of a run that ends in this transaction."""
    tx.execute(insert(run_output), {"run_id": run_id, "text": text})


def get_output(tx: Connection, run_id: str) -> str | None:
    """The output of a run that has ended; None where none is kept."""
    return tx.execute(select(_O.text).where(_O.run_id == run_id)).scalar_one_or_none()

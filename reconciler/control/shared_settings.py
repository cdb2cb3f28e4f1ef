"""What all processes of a database have to agree on, as the server that starts last says it.

A command that starts a run beside the server has no settings of it, and is held to its budgets.
"""

from collections.abc import Mapping

from reconciler.core.manifest.budget import Budget
from reconciler.store.engine.database import Database, Tx
from reconciler.store.money.budgets import save_terms


def share_settings(database: Database, timezone: str, budgets: Mapping[str, Budget]) -> None:
    """Keep the time zone that money is counted by, and the budgets, by scope."""
    documents = {
        scope: budget.model_dump(mode="json", by_alias=True, exclude_none=True)
        for scope, budget in budgets.items()
    }

    def write(tx: Tx) -> None:
        save_terms(tx, timezone, documents, database.now(tx))

    database.write(write)

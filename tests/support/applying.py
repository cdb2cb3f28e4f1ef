"""Applying manifests to a database in tests; fire times are real, token hashes easy to read."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Table, select

from reconciler.control.apply.undecided import Undecided
from reconciler.control.apply.upcoming import Upcoming
from reconciler.core.manifest.state import Current, Desired
from reconciler.core.plan.plan import Plan, make_plan
from reconciler.store.engine.database import Database, Tx
from reconciler.store.objects.apply import apply_changes
from reconciler.store.objects.apply_context import ApplyContext
from reconciler.store.objects.current import read_current
from reconciler.store.tables import metadata

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""A Monday."""
MINUTE = timedelta(minutes=1)


def token_hash(trigger_id: str, generation: int) -> str:
    """Stands for the hash of a webhook's token: 64 hex digits of id and generation."""
    return hashlib.sha256(f"{trigger_id} {generation}".encode()).hexdigest()


def context(now: datetime = NOON, actor: str = "ada") -> ApplyContext:
    """What carrying out a plan needs."""
    return ApplyContext(
        now=now,
        actor=actor,
        token_hash=token_hash,
        schedule=Upcoming(),
        lapsed=Undecided(),
    )


def apply(database: Database, desired: Desired, now: datetime = NOON) -> Plan:
    """Plan and carry out, without guards."""

    def carry_out(tx: Tx) -> Plan:
        plan = make_plan(read_current(tx, desired.source_id), desired)
        apply_changes(tx, plan, desired.files, context(now))
        return plan

    return database.write(carry_out)


def current_of(database: Database, source_id: str = "default") -> Current:
    """What the database holds."""
    return database.read(lambda tx: read_current(tx, source_id))


def rows_of(database: Database, table: Table) -> list[dict[str, Any]]:
    """Every row of a table, in the order of its key."""
    query = select(table).order_by(*table.primary_key.columns)
    return database.read(lambda tx: [dict(row) for row in tx.execute(query).mappings()])


def whole(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table."""
    return {table.name: rows_of(database, table) for table in metadata.sorted_tables}

"""The switches of autopilots: what can be read of any row, whatever somebody did to its JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from sqlalchemy import Connection, select

from reconciler.core.manifest.model import AutopilotStatus
from reconciler.core.runs.standing import Switches
from reconciler.store.engine.batches import IDS, batches
from reconciler.store.tables import autopilot

_A = autopilot.c
SWITCHES = (
    _A.status, _A.archived_at, _A.paused_at, _A.paused_by, _A.pause_reason, _A.in_force_since,
    _A.failures, _A.breaker_opened_at, _A.breaker_probe,
)  # fmt: skip
"""The columns that `switches_of` takes, in this order."""
_NAMED = select(_A.id, _A.workspace_id, _A.name, *SWITCHES).where(_A.id.in_(IDS)).order_by(_A.id)


@lru_cache(maxsize=1024)
def switches_of(
    status: str,
    archived_at: datetime | None,
    paused_at: datetime | None,
    paused_by: str | None,
    pause_reason: str | None,
    in_force_since: datetime | None,
    failures: int,
    breaker_opened_at: datetime | None,
    breaker_probe: str | None,
) -> Switches:
    """Hardly any autopilot is paused or broken: nearly all have the same."""
    return Switches(
        status=AutopilotStatus(status),
        archived=archived_at is not None,
        paused_at=paused_at,
        paused_by=paused_by,
        pause_reason=pause_reason,
        in_force_since=in_force_since,
        failures=failures,
        breaker_opened_at=breaker_opened_at,
        breaker_probe=breaker_probe,
    )


@dataclass(frozen=True, slots=True)
class Switched:
    """An autopilot by name, with its switches."""

    id: str
    workspace: str
    name: str
    switches: Switches


def read_switches(tx: Connection, ids: Sequence[str], *, lock: bool = False) -> dict[str, Switched]:
    """Autopilots by id, archived ones too; `lock` holds their rows, in the order of their ids."""
    rows: dict[str, Switched] = {}
    query = _NAMED.with_for_update() if lock else _NAMED
    for batch in batches(sorted(set(ids))):
        for id_, workspace, name, *switches in tx.execute(query, {"ids": batch}):
            rows[id_] = Switched(id_, workspace, name, switches_of(*switches))
    return rows

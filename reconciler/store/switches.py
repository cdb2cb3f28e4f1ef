"""The switches of autopilots: what can be read of any row, whatever somebody did to its JSON."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from reconciler.core.force import Switches
from reconciler.core.model import AutopilotStatus
from reconciler.store.batches import batches
from reconciler.store.tables import autopilot

_A = autopilot.c
_COLUMNS = (
    _A.id, _A.workspace_id, _A.name, _A.status, _A.archived_at, _A.paused_at, _A.paused_by,
    _A.pause_reason, _A.in_force_since, _A.failures, _A.breaker_opened_at, _A.breaker_probe,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Switched:
    """An autopilot by name, with its switches."""

    id: str
    workspace: str
    name: str
    switches: Switches


def read_switches(tx: Connection, ids: Sequence[str], *, lock: bool = False) -> dict[str, Switched]:
    """Autopilots by id, archived ones too; `lock` holds their rows, in the order of their ids."""
    found: dict[str, Switched] = {}
    for some in batches(sorted(set(ids))):
        query = select(*_COLUMNS).where(_A.id.in_(some)).order_by(_A.id)
        for row in tx.execute(query.with_for_update() if lock else query):
            id_, workspace, name, status, archived_at, *rest = row
            paused_at, paused_by, pause_reason, since, failures, opened_at, probe = rest
            switches = Switches(
                status=AutopilotStatus(status),
                archived=archived_at is not None,
                paused_at=paused_at,
                paused_by=paused_by,
                pause_reason=pause_reason,
                in_force_since=since,
                failures=failures,
                breaker_opened_at=opened_at,
                breaker_probe=probe,
            )
            found[id_] = Switched(id_, workspace, name, switches)
    return found

"""What the filters of lists offer to choose from: what there is, and the viewer may see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reconciler.core.manifest.model import Kind
from reconciler.store.engine.database import Tx
from reconciler.store.objects.names import member_names, workspace_names
from reconciler.web.pages.serving import Visit

MOST = 500
"""Names of each kind. What is beyond can be typed."""


@dataclass(frozen=True, slots=True)
class Pickers:
    """Names in order; `assignees` are values as the API takes them, with words for people."""

    workspaces: Sequence[str]
    agents: Sequence[str]
    assignees: Mapping[str, str]


async def pickers_for(visit: Visit) -> Pickers:
    """What this viewer may choose from."""
    return await visit.context.database.aread(lambda tx: _read(tx, visit.caller.workspaces))


def _read(tx: Tx, workspaces: frozenset[str] | None) -> Pickers:
    names = {
        kind: sorted({name for _, name in member_names(tx, kind, workspaces, MOST)})
        for kind in (Kind.AGENT, Kind.SQUAD)
    }
    return Pickers(
        workspaces=workspace_names(tx, workspaces, MOST),
        agents=names[Kind.AGENT],
        assignees={
            f"{kind.lower()}:{name}": f"{name} ({kind.lower()})"
            for kind, of_kind in names.items()
            for name in of_kind
        },
    )

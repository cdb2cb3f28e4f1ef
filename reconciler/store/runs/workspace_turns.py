"""The turns of workspaces: which one was served when, and which one a full server holds back."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, select

from reconciler.core.runs.turns import Turn
from reconciler.store.engine.bulk import Known, insert_rows
from reconciler.store.tables import workspace_turn

_T = workspace_turn.c
_MOST = 10**15
"""Turns; a higher number has no next one."""
_TURNS = select(_T.workspace_id, _T.served, _T.held_since)
ANY_HELD_BACK = select(_T.workspace_id).where(_T.held_since.is_not(None)).exists()
"""Whether any workspace is marked as held back, whatever its row holds beside that."""


def read_turns(tx: Connection) -> dict[str, Turn]:
    """Every workspace that was served or held back before; what is in flight is not kept here.

    One whose row somebody made unreadable by hand counts as never served.
    """
    return {
        workspace: Turn(0, served, held)
        for workspace, served, held in tx.execute(_TURNS)
        if type(served) is int and served < _MOST and (held is None or isinstance(held, datetime))
    }


def save_turns(tx: Connection, turns: Mapping[str, Turn]) -> None:
    """Write the turns of these workspaces; the caller holds the lock of those who give out room."""
    rows = [
        {"workspace_id": workspace, "served": turn.served, "held_since": turn.held_since}
        for workspace, turn in turns.items()
    ]
    insert_rows(tx, workspace_turn, rows, known=Known.REPLACED)

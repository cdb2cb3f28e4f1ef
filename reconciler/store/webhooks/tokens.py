"""The hashes of webhook tokens: derived from the server's key, so they can always be made again."""

from collections.abc import Callable

from sqlalchemy import bindparam, select, update

from reconciler.store.engine.backend import Tx
from reconciler.store.tables import autopilot_trigger

_T = autopilot_trigger.c


def renew_tokens(tx: Tx, token_hash: Callable[[str, int], str]) -> int:
    """Make every webhook's hash that of its id and generation; return the number of those changed.

    For the start of a server: after a change of its key, or of the rows by hand, the URLs that are
    shown would not be those that work.
    """
    query = select(_T.id, _T.webhook_token, _T.token_generation).where(
        _T.kind == "webhook", _T.removed_at.is_(None), _T.token_generation.is_not(None)
    )
    right = [(row, token_hash(row.id, row.token_generation)) for row in tx.execute(query)]
    wrong = [{"trigger": row.id, "hash": hash_} for row, hash_ in right if hash_ != row[1]]
    if wrong:
        statement = update(autopilot_trigger).where(_T.id == bindparam("trigger"))
        tx.execute(statement.values(webhook_token=bindparam("hash")), wrong)
    return len(wrong)

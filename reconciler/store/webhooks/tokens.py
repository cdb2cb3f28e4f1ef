"""The hashes of webhook tokens: derived from the server's key, so they can always be made again."""

from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy import bindparam, select, update

from reconciler.store.engine.backend import Tx
from reconciler.store.tables import autopilot_trigger

_T = autopilot_trigger.c


class WrongToken(NamedTuple):
    """A webhook whose stored hash is not that of its id and generation; `hash` would be right."""

    trigger: str
    hash: str


def wrong_tokens(tx: Tx, token_hash: Callable[[str, int], str]) -> list[WrongToken]:
    """Return the webhooks whose shown URL opens nothing, with the hash that they should have."""
    query = select(_T.id, _T.webhook_token, _T.token_generation).where(
        _T.kind == "webhook", _T.removed_at.is_(None), _T.token_generation.is_not(None)
    )
    return [
        WrongToken(id_, right)
        for id_, stored, generation in tx.execute(query)
        if (right := token_hash(id_, generation)) != stored
    ]


def renew_tokens(tx: Tx, token_hash: Callable[[str, int], str]) -> int:
    """Make every webhook's hash that of its id and generation; return the number of those changed.

    For the start of a server: after a change of its key, or of the rows by hand, the URLs that are
    shown would not be those that work.
    """
    wrong = [token._asdict() for token in wrong_tokens(tx, token_hash)]
    if wrong:
        statement = update(autopilot_trigger).where(_T.id == bindparam("trigger"))
        tx.execute(statement.values(webhook_token=bindparam("hash")), wrong)
    return len(wrong)

"""Which servers share the work: each notes that it lives; who has been silent for long is gone."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update

from reconciler.store.engine.backend import Tx
from reconciler.store.tables import server

_S = server.c
SILENCE = timedelta(seconds=60)
"""A server that was not heard of for longer is taken to be dead."""


@dataclass(frozen=True, slots=True)
class Server:
    """One running `serve`: where it runs and listens, since when, and when it was last heard of."""

    id: str
    host: str
    pid: int
    url: str
    started_at: datetime
    seen_at: datetime


def register(tx: Tx, started: Server) -> None:
    """Note a server that starts."""
    values = {column.name: getattr(started, column.name) for column in _S}
    tx.execute(insert(server).values(values))


def beat(tx: Tx, server_id: str, now: datetime) -> bool:
    """Note that a server lives; False where it was taken for dead and has to register again."""
    statement = update(server).where(_S.id == server_id).values(seen_at=now)
    return tx.execute(statement).rowcount == 1


def remove(tx: Tx, server_id: str) -> None:
    """Forget a server that stops."""
    tx.execute(delete(server).where(_S.id == server_id))


def live(tx: Tx, now: datetime, silence: timedelta) -> list[Server]:
    """Return the servers that were heard of within `silence`, the oldest first."""
    query = select(server).where(_S.seen_at > now - silence).order_by(_S.started_at, _S.id)
    return [Server(*row) for row in tx.execute(query)]


def forget_silent(tx: Tx, now: datetime, silence: timedelta) -> int:
    """Forget servers that died without a word; return the number of them."""
    return tx.execute(delete(server).where(_S.seen_at <= now - silence)).rowcount

"""The row by which other servers and commands know that this one lives."""

import os
import socket

import structlog

from reconciler.control.access.keys import token_hasher
from reconciler.server.system import System
from reconciler.store.engine.database import Tx
from reconciler.store.runs.leases import release_all
from reconciler.store.servers import SILENCE, Server, beat, forget_silent, register, remove
from reconciler.store.webhooks.tokens import renew_tokens

log = structlog.get_logger(__name__)


async def arrive(system: System) -> None:
    """Take over what an earlier process left, and say that this one is here."""
    await system.database.awrite(lambda tx: _arrive(system, tx))


async def note_presence(system: System) -> None:
    """Note that this server lives; one that was taken for dead arrives anew."""

    def write(tx: Tx) -> None:
        if not beat(tx, system.runner.owner, system.database.now(tx)):
            _arrive(system, tx)

    await system.database.awrite(write, quiet=True)


async def depart(system: System, within: float) -> None:
    """Say that this server is gone. Raises Unavailable after `within` seconds."""
    await system.database.awrite(lambda tx: remove(tx, system.runner.owner), within=within)


def _arrive(system: System, tx: Tx) -> None:
    now = system.database.now(tx)
    if system.database.name == "sqlite":
        # The serve lock says that we are alone: whoever holds a lease is dead.
        release_all(tx)
    if renewed := renew_tokens(tx, token_hasher(system.key)):
        log.warning("webhook URLs follow the server's key again", triggers=renewed)
    forget_silent(tx, now, SILENCE)
    register(
        tx,
        Server(system.runner.owner, socket.gethostname(), os.getpid(), system.url, now, now),
    )

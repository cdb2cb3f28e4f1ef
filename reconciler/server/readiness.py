"""Whether this server should get traffic: what `/readyz` says (docs/operating.md#probes)."""

from dataclasses import dataclass

from reconciler.store.engine.database import Database
from reconciler.web.api.probes import DATABASE
from reconciler.web.http.context import Readiness

STARTING = "the first reconcile"
NOTHING_IN_FORCE = "a revision without problems: the first one was refused"
STOPPING = "another server: this one shuts down"
WRITES = "a database that takes writes"


@dataclass(slots=True)
class ServerState:
    """What the server waits for until it is ready; it changes as the server starts and stops.

    Why a database is not as it should be is for the log: a probe has no credentials.
    """

    database: Database
    waits_for: str | None = STARTING

    def started(self, *, in_force: bool) -> None:
        """A source was reconciled. Without a revision in force there is nothing to serve."""
        if self.waits_for != STOPPING:
            self.waits_for = None if in_force else NOTHING_IN_FORCE

    @property
    def is_started(self) -> bool:
        """Whether a first reconcile was done."""
        return self.waits_for != STARTING

    def stopping(self) -> None:
        """Take no more traffic."""
        self.waits_for = STOPPING

    def readiness(self) -> Readiness:
        """The answer for `/readyz`, before the database is read."""
        waiting_for = [] if self.waits_for is None else [self.waits_for]
        if self.database.outage is not None:
            waiting_for.append(DATABASE)
        elif self.database.write_trouble is not None:
            waiting_for.append(WRITES)
        return Readiness(not waiting_for, tuple(waiting_for))

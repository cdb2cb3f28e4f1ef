"""Whether this server should get traffic: what `/readyz` says of it (docs/operating.md)."""

from dataclasses import dataclass

from reconciler.web.http.context import Readiness


@dataclass(slots=True)
class ServerState:
    """What the server waits for until it is ready; it changes as the server starts and stops."""

    waits_for: tuple[str, ...] = ("the first reconcile",)

    def started(self) -> None:
        """Everything is up."""
        self.waits_for = ()

    def stopping(self) -> None:
        """Take no more traffic."""
        self.waits_for = ("another server: this one shuts down",)

    def readiness(self) -> Readiness:
        """The answer for `/readyz`, before the database is asked."""
        return Readiness(not self.waits_for, self.waits_for)

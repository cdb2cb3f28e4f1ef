"""The state behind a running server's API."""

from dataclasses import dataclass

from reconciler.cli.backend.connection import Connection
from reconciler.cli.backend.remote_apply import RemoteApply, plan, prepare
from reconciler.cli.backend.state import PlanRequest, PlanResult
from reconciler.settings import Settings


@dataclass(frozen=True, slots=True)
class RemoteState:
    """The server of the settings."""

    settings: Settings
    connection: Connection

    def plan(self, request: PlanRequest) -> PlanResult:
        """What apply would change."""
        return plan(self.settings, self.connection, request)

    def prepare_apply(self, request: PlanRequest) -> RemoteApply:
        """Plan what is to be applied."""
        return prepare(self.settings, self.connection, request)

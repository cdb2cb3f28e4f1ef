"""The state behind a running server's API."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from reconciler.cli.backend.connection import Connection
from reconciler.cli.backend.remote_apply import RemoteApply, plan, prepare, simulate
from reconciler.cli.backend.state import PlanRequest, PlanResult, Simulated
from reconciler.core.base.identity import Key
from reconciler.core.manifest.fields import format_instant
from reconciler.core.manifest.state import Document
from reconciler.core.plan.report import DriftReport
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

    def drift(self, source: str | None) -> tuple[DriftReport, ...]:
        """What no longer is as it was applied."""
        content = self.connection.get("/v1/drift", source=source)
        return _Drift.model_validate_json(content).items

    def export(self, source: str | None) -> tuple[Document, ...]:
        """The manifests of what is there."""
        return tuple(json.loads(self.connection.get("/v1/export", source=source))["items"])

    def history(self, source: str | None, limit: int) -> list[dict[str, Any]]:
        """Revisions that were tried, newest first."""
        rows = self.connection.items("/v1/revisions", limit, source=source)
        return [{name: row[name] for name in row if name != "partial"} for row in rows]

    def audit(self, since: datetime, until: datetime) -> dict[str, Any]:
        """What became of all that was due in a stretch of time."""
        stretch = {"from": format_instant(since), "to": format_instant(until)}
        answer: dict[str, Any] = json.loads(self.connection.get("/v1/audit", **stretch))
        return answer

    def simulate(self, request: PlanRequest, since: datetime, until: datetime) -> Simulated:
        """What manifests would have done in a stretch of time."""
        return simulate(self.settings, self.connection, request, since, until)

    def adopt(self, key: Key) -> dict[str, Any]:
        """Give an object that no source owns to the source of the settings."""
        body = {**key._asdict(), "sourceId": self.settings.source}
        answer: dict[str, Any] = json.loads(self.connection.post("/v1/adopt", body))
        return answer


class _Drift(BaseModel):
    """The answer to `GET /v1/drift`."""

    items: tuple[DriftReport, ...]

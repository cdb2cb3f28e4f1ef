"""Runs and time of a running server."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from reconciler.cli.backend.connection import Connection
from reconciler.cli.backend.run_state import (
    ELSEWHERE,
    Document,
    Output,
    RunQuery,
    RunRequest,
    no_autopilot,
    no_webhook,
)
from reconciler.cli.session import key_of
from reconciler.core.base.errors import NotFound
from reconciler.core.manifest.fields import format_instant
from reconciler.core.manifest.model import Kind
from reconciler.core.manifest.trigger import TriggerKind
from reconciler.core.runs.approval import Decision


@dataclass(frozen=True, slots=True)
class RemoteRuns:
    """The runs behind a server's API."""

    connection: Connection

    def list_runs(self, query: RunQuery) -> list[Document]:
        """Runs, newest first."""
        path = "/v1/runs"
        if query.name is not None:
            path = f"/v1/autopilots/{self._find(query.name)['id']}/runs"
        return self.connection.items(
            path, query.limit, status=query.status, source=query.source, reason=query.reason
        )

    def get_run(self, run_id: str) -> Document:
        """One run, whole."""
        return _document(self.connection.get(f"/v1/runs/{_id(run_id)}"))

    def cancel_run(self, run_id: str) -> Document:
        """End a waiting run, or ask an active one to stop."""
        return _document(self.connection.post(f"/v1/runs/{_id(run_id)}/cancel"))

    def question_of(self, run_id: str) -> Document:
        """What the agent of a run asks now."""
        return _document(self.connection.get(f"/v1/runs/{_id(run_id)}/approval"))

    def decide_run(self, run_id: str, decision: Decision, question: str) -> Document:
        """Answer this question of a run's agent."""
        verb = {Decision.APPROVED: "approve", Decision.REJECTED: "reject"}[decision]
        path = f"/v1/runs/{_id(run_id)}/{verb}"
        return _document(self.connection.post(path, {"question": question}))

    def rerun_run(self, run_id: str) -> Document:
        """Start a run with the trigger and the payload of another one."""
        return _document(self.connection.post(f"/v1/runs/{_id(run_id)}/rerun"))

    def output(self, run_id: str, after: str | None) -> Output:
        """What the agent of a run has written. Raises Conflict where that cannot be told."""
        path = f"/v1/runs/{_id(run_id)}/output"
        text, headers = self.connection.get_text(path, after=after)
        return Output(text, headers.get("output-position", ""))

    def launch(self, request: RunRequest) -> Document:
        """Start a run; it is as the policy admitted it."""
        body = {"trigger": request.trigger, "payload": request.payload, "force": request.force}
        path = f"/v1/autopilots/{self._find(request.name)['id']}/run"
        return _document(self.connection.post(path, body))

    def is_served(self) -> bool:
        """The server answers, so it is there."""
        return True

    def pause(self, name: str | None, reason: str | None) -> list[Document]:
        """Pause one autopilot, or all of them one by one."""
        return [self._switch(row, "pause", {"reason": reason}) for row in self._chosen(name)]

    def resume(self, name: str | None) -> list[Document]:
        """Resume one autopilot, or all of them one by one."""
        return [self._switch(row, "resume", {}) for row in self._chosen(name)]

    def outlook(self, name: str, after: datetime | None, count: int) -> Document:
        """What comes."""
        moment = format_instant(after) if after else None
        path = f"/v1/autopilots/{self._find(name)['id']}/next"
        return _document(self.connection.get(path, after=moment, count=count))

    def why(self, name: str, at: datetime | None) -> Document:
        """What decided at a moment, now by default."""
        moment = format_instant(at) if at else None
        path = f"/v1/autopilots/{self._find(name)['id']}/why"
        return _document(self.connection.get(path, at=moment))

    def webhook_url(self, name: str, trigger: str) -> str:
        """The URL of a webhook trigger."""
        autopilot = self._find(name)
        hooks = {
            row["name"]: row["id"]
            for row in autopilot["status"]["triggers"]
            if row["kind"] == TriggerKind.WEBHOOK
        }
        if trigger not in hooks:
            raise no_webhook(name, trigger, list(hooks))
        path = f"/v1/autopilots/{autopilot['id']}/triggers/{hooks[trigger]}/url"
        return str(_document(self.connection.get(path))["url"])

    def _switch(self, autopilot: Document, verb: str, body: Document) -> Document:
        answer = _document(self.connection.post(f"/v1/autopilots/{autopilot['id']}/{verb}", body))
        metadata, paused = answer["metadata"], answer["status"]["paused"] or {}
        return {
            "id": answer["id"],
            "workspace": metadata["workspace"],
            "name": metadata["name"],
            "status": answer["spec"]["status"],
            "pausedAt": paused.get("at"),
            "pausedBy": paused.get("by"),
            "pauseReason": paused.get("reason"),
        }

    def _chosen(self, name: str | None) -> Iterator[Document]:
        if name is not None:
            yield self._find(name)
        else:
            yield from self.connection.items("/v1/autopilots", None)

    def _find(self, name: str) -> Document:
        """The autopilot. Raises NotFound."""
        key = key_of(Kind.AUTOPILOT, name)
        named = {"workspace": key.workspace, "name": key.name}
        rows = self.connection.items("/v1/autopilots", 1, **named) if all(named.values()) else []
        if not rows:
            others = self.connection.items("/v1/autopilots", ELSEWHERE, name=key.name or None)
            workspaces = (row["metadata"]["workspace"] for row in others)
            raise no_autopilot(key, sorted(workspaces) if key.name else ())
        return rows[0]


def _id(run_id: str) -> str:
    """The id, if it has the form of one. Raises NotFound: nothing else may get into an address."""
    try:
        return str(UUID(run_id))
    except ValueError:
        raise NotFound(f"there is no run {run_id}") from None


def _document(content: bytes) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(content)
    return document

"""Runs and time of a database that this process opens."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from reconciler.cli.backend.lookup import find_autopilot
from reconciler.cli.backend.run_state import Document, Output, RunQuery, RunRequest, no_webhook
from reconciler.cli.session import actor
from reconciler.clock import Ids
from reconciler.control.access.keys import server_key
from reconciler.control.runs.cancel import cancel
from reconciler.control.runs.explain import Retained, explain
from reconciler.control.runs.switches import pause as pause_autopilot
from reconciler.control.runs.switches import resume as resume_autopilot
from reconciler.control.serving import serving
from reconciler.control.unreadable import unreadable
from reconciler.core.base.errors import Conflict, NotFound
from reconciler.core.manifest.fields import format_instant
from reconciler.core.manifest.model import Kind
from reconciler.core.manifest.trigger import TriggerKind, WebhookTrigger
from reconciler.core.runs.approval import Decision
from reconciler.core.runs.run import Run
from reconciler.core.runs.standing import standing_of
from reconciler.core.runs.view import run_document
from reconciler.core.schedule.outlook import outlook_document
from reconciler.core.webhooks.token import webhook_token
from reconciler.settings import Settings
from reconciler.store.engine.database import Database, Tx
from reconciler.store.objects.current import list_objects
from reconciler.store.objects.triggers import NamedTrigger, list_triggers
from reconciler.store.runs import lists
from reconciler.store.runs.runs import get_run
from reconciler.store.runs.switches import Switched, read_switches

if TYPE_CHECKING:
    from reconciler.control.runs.launch import Launcher


@dataclass(frozen=True, slots=True)
class LocalRuns:
    """An open database of the settings, with current tables."""

    settings: Settings
    database: Database

    def list_runs(self, query: RunQuery) -> list[Document]:
        """Runs, newest first."""
        name = query.name
        where = lists.RunFilter(
            autopilot_id=find_autopilot(self.database, name).id if name is not None else None,
            status=query.status,
            source=query.source,
            reason=query.reason,
        )
        rows = self.database.read(lambda tx: lists.list_runs(tx, where, limit=query.limit))
        return [run_document(run) for run in rows]

    def get_run(self, run_id: str) -> Document:
        """One run, whole."""
        return run_document(self._run(run_id))

    def _run(self, run_id: str) -> Run:
        run = self.database.read(lambda tx: get_run(tx, run_id))
        if run is None:
            raise NotFound(f"there is no run {run_id}")
        return run

    def cancel_run(self, run_id: str) -> Document:
        """End a waiting run, or ask an active one to stop."""
        who, cooldown, now = actor(), self.settings.breaker_cooldown, self.database.now
        run = self.database.write(lambda tx: cancel(tx, run_id, who, now(tx), cooldown))
        return run_document(run)

    def question_of(self, run_id: str) -> Document:
        """What the agent of a run asks now."""
        from reconciler.control.runs.approving import open_question

        asked = self.database.read(lambda tx: open_question(tx, run_id))
        return {"question": asked.question, "answerAt": asked.answer_at or None}

    def decide_run(self, run_id: str, decision: Decision, question: str) -> Document:
        """Answer this question of a run's agent."""
        from reconciler.control.runs.approving import decide

        who, now = actor(), self.database.now
        run = self.database.write(
            lambda tx: decide(tx, run_id, decision, who, now(tx), question=question)
        )
        return run_document(run)

    def rerun_run(self, run_id: str) -> Document:
        """Start a run with the trigger and the payload of another one."""
        from reconciler.control.runs.rerun import rerun

        with self._launcher() as launcher:
            return run_document(rerun(launcher, run_id, actor()))

    def output(self, run_id: str, after: str | None) -> Output:
        """What the agent of a run has written. Raises Conflict where that cannot be told."""
        from reconciler.control.dispatching.output import read_here
        from reconciler.dispatch.base import Elsewhere, Written

        run, folder = self._run(run_id), self.settings.runs_dir
        match self.database.read(lambda tx: read_here(tx, run, after, folder)):
            case Written() as written:
                return Output(written.text, written.position)
            case Elsewhere(host):
                raise Conflict(f"it works on the host {host!r}, where its output is")
        raise Conflict(
            "nothing is known here of what its agent writes; a running server may tell more: "
            "--server URL"
        )

    def launch(self, request: RunRequest) -> Document:
        """Start a run; it is as the policy admitted it."""
        from reconciler.control.runs.launch import Order

        order = Order(
            autopilot_id=find_autopilot(self.database, request.name).id,
            trigger=request.trigger,
            payload=request.payload,
            force=request.force,
            actor=actor(),
        )
        with self._launcher() as launcher:
            return run_document(launcher.launch(order))

    @contextmanager
    def _launcher(self) -> Iterator["Launcher"]:
        from reconciler.control.evaluation.evaluator import Evaluator
        from reconciler.control.evaluation.titles import Titles
        from reconciler.control.runs.launch import Launcher

        with Evaluator() as evaluator:
            cooldown = self.settings.breaker_cooldown
            yield Launcher(self.database, Titles(evaluator), Ids(), cooldown)

    def is_served(self) -> bool:
        """Whether a server shares this database."""
        return bool(serving(self.database))

    def pause(self, name: str | None, reason: str | None) -> list[Document]:
        """Pause one autopilot, or all of them, in one transaction."""
        who = actor()
        return self._switched(name, lambda tx, id_, now: pause_autopilot(tx, id_, who, reason, now))

    def resume(self, name: str | None) -> list[Document]:
        """Resume one autopilot, or all of them, in one transaction."""
        return self._switched(name, resume_autopilot)

    def outlook(self, name: str, after: datetime | None, count: int) -> Document:
        """What comes."""
        autopilot_id = find_autopilot(self.database, name).id

        def read(tx: Tx) -> tuple[list[NamedTrigger], Switched, datetime]:
            switched = read_switches(tx, [autopilot_id])[autopilot_id]
            return list_triggers(tx, autopilot_id), switched, self.database.now(tx)

        triggers, switched, now = self.database.read(read)
        standing = standing_of(switched.switches, self.settings.breaker_cooldown, now)
        return outlook_document(triggers, standing, now=now, after=after, count=count)

    def why(self, name: str, at: datetime | None) -> Document:
        """What decided at a moment, now by default."""
        autopilot_id = find_autopilot(self.database, name).id
        retained = Retained(self.settings.breaker_cooldown, self.settings.keep_runs)

        def read(tx: Tx) -> Document:
            now = self.database.now(tx)
            moment = at or now
            steps = explain(tx, autopilot_id, moment, now, retained)
            return {"at": format_instant(moment), "steps": [asdict(step) for step in steps]}

        return self.database.read(read)

    def webhook_url(self, name: str, trigger: str) -> str:
        """The URL of a webhook trigger."""
        autopilot_id = find_autopilot(self.database, name).id
        rows = self.database.read(lambda tx: list_triggers(tx, autopilot_id))
        hooks = {row.name: row for row in rows if row.kind == TriggerKind.WEBHOOK}
        if trigger not in hooks:
            raise no_webhook(name, trigger, list(hooks))
        hook = hooks[trigger]
        try:
            generation = WebhookTrigger.model_validate(hook.document).token_generation
        except ValueError:
            raise unreadable(f"trigger {name}/{trigger}") from None
        settings, servers = self.settings, serving(self.database)
        base = settings.public_url or (servers[0].url if servers else settings.base_url())
        key = server_key(settings.key_file, settings.secrets_dir)
        return f"{base}/v1/webhooks/{webhook_token(key, hook.id, generation)}"

    def _switched(
        self, name: str | None, switch: Callable[[Tx, str, datetime], None]
    ) -> list[Document]:
        ids = self._ids(name)

        def write(tx: Tx) -> list[Switched]:
            now = self.database.now(tx)
            for autopilot_id in ids:
                switch(tx, autopilot_id, now)
            return list(read_switches(tx, ids).values())

        return [_switch_document(row) for row in self.database.write(write)]

    def _ids(self, name: str | None) -> list[str]:
        if name is not None:
            return [find_autopilot(self.database, name).id]
        return [row.id for row in self.database.read(lambda tx: list_objects(tx, Kind.AUTOPILOT))]


def _switch_document(row: Switched) -> Document:
    at = row.switches.paused_at
    return {
        "id": row.id,
        "workspace": row.workspace,
        "name": row.name,
        "status": row.switches.status.value,
        "pausedAt": format_instant(at) if at else None,
        "pausedBy": row.switches.paused_by,
        "pauseReason": row.switches.pause_reason,
    }

"""A whole system without loops: a database, a clock that stands still, and every `*_once`.

Tests say what happens and when; the rig carries it out through the same functions that the server
calls.
"""

import asyncio
import shutil
import tempfile
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from reconciler.clock import Ids
from reconciler.control.access.secrets import SecretStore
from reconciler.control.apply.reconcile import Applied, ApplyRequest, apply_once
from reconciler.control.dispatching.context import RunnerContext
from reconciler.control.dispatching.runner import run_once, settle
from reconciler.control.dispatching.workers import Beat, Claim, Claimed, claim, complete, heartbeat
from reconciler.control.evaluation.evaluator import Evaluator
from reconciler.control.evaluation.expectations import Expectations, read_expected
from reconciler.control.evaluation.titles import Titles
from reconciler.control.runs.ending import finish
from reconciler.control.runs.launch import Launcher, Order
from reconciler.control.runs.tick import Ticked, Ticker, tick_once
from reconciler.core.access.token_hash import token_hash
from reconciler.core.base.identity import Revision
from reconciler.core.manifest.model import MODELS, Agent, Autopilot, Squad
from reconciler.core.manifest.reach import Grant
from reconciler.core.manifest.state import Declared, Desired, Origin
from reconciler.core.plan.guards import Confirmations
from reconciler.core.runs.lease import outcome_of
from reconciler.core.runs.live import LiveAutopilot
from reconciler.core.runs.run import MissedInterval, Outcome, Run
from reconciler.core.webhooks.token import webhook_token
from reconciler.dispatch.registry import Runtimes
from reconciler.store.engine.database import Database
from reconciler.store.objects.triggers import NamedTrigger, list_triggers
from reconciler.store.revisions.revisions import Via
from reconciler.store.runs.lists import RunFilter, list_runs
from reconciler.store.runs.missed import missed_between
from reconciler.store.runs.occupancy import read_live
from reconciler.store.runs.runs import get_run
from tests.support.clock import FakeClock

COOLDOWN = timedelta(minutes=15)
KEY = bytes(range(32))
FAR = datetime.fromisoformat("9000-01-01T00:00:00+00:00")
LONG_AGO = datetime.fromisoformat("1000-01-01T00:00:00+00:00")

Document = dict[str, Any]


def manifest(kind: str, name: str, spec: Document, **metadata: Any) -> Document:
    """A manifest as JSON values."""
    return {
        "apiVersion": "autopilots/v1",
        "kind": kind,
        "metadata": {"name": name, **metadata},
        "spec": spec,
    }


def agent(name: str = "bot", **spec: Any) -> Document:
    """An agent that workers serve, unless the test says otherwise."""
    return manifest("Agent", name, {"runtime": {"type": "worker"}, **spec})


def autopilot(name: str = "triage", *triggers: Document, **spec: Any) -> Document:
    """An autopilot of agent `bot`."""
    base = {"title": "Triage", "assignee": {"type": "agent", "id": "bot"}}
    return manifest("Autopilot", name, {**base, "triggers": list(triggers), **spec})


def schedule(cron: str | None = "* * * * *", name: str = "clock", **more: Any) -> Document:
    """A schedule trigger."""
    return {"name": name, "kind": "schedule", **({"cron": cron} if cron else {}), **more}


def webhook(name: str = "hook", scheme: str = "none", **more: Any) -> Document:
    """A webhook trigger that anybody may call who knows its URL, unless the test says otherwise."""
    return {"name": name, "kind": "webhook", "signature": {"scheme": scheme}, **more}


def declare(document: Document, source: str = "default", revision: str = "sha256:test") -> Declared:
    """A validated manifest of a source."""
    model: Autopilot | Agent | Squad = MODELS[document["kind"]].model_validate(document)
    return Declared.of(model, Origin(source, f"{model.metadata.name}.yaml", 1, 1, revision))


@dataclass
class Rig:
    """One system. Use it within `with`, or close it."""

    database: Database
    clock: FakeClock = field(default_factory=FakeClock)
    evaluator: Evaluator = field(default_factory=Evaluator)
    ids: Ids = field(default_factory=Ids)
    revision: int = 0
    commands: Mapping[str, Path] = field(default_factory=dict)
    grants: Mapping[str, Grant] = field(default_factory=dict)
    max_active_runs: int = 100

    @property
    def titles(self) -> Titles:
        """Evaluates titles and keys."""
        return Titles(self.evaluator)

    @property
    def launcher(self) -> Launcher:
        """Starts runs by hand."""
        return Launcher(self.database, self.titles, self.ids, COOLDOWN)

    def apply(
        self, *documents: Document, source: str = "default", revision: Revision | None = None
    ) -> Applied:
        """Make these manifests the whole source."""
        self.revision += 1
        written_in = revision.id if revision else "sha256:test"
        declared = [declare(document, source, written_in) for document in documents]
        revision = revision or Revision(f"sha256:{self.revision}")
        desired = Desired(source, revision, {one.key: one for one in declared})
        request = ApplyRequest(
            actor="tester", via=Via.CLI, confirmations=Confirmations(deletes=None)
        )
        return apply_once(self.database, desired, request, token_hash=hash_of)

    def tick(self, **advance: float) -> Ticked:
        """Let time pass, then do one round of the clock."""
        if advance:
            self.clock.advance(**advance)
        return tick_once(Ticker(self.database, self.titles, self.ids, COOLDOWN))

    def live(self, name: str = "triage", workspace: str = "default") -> LiveAutopilot:
        """The autopilot as the run side sees it."""
        autopilot_id = id_of(name, workspace)
        return self.database.read(lambda tx: read_live(tx, [autopilot_id]))[autopilot_id]

    def triggers(self, name: str = "triage") -> dict[str, NamedTrigger]:
        """The triggers of an autopilot by name."""
        found = self.database.read(lambda tx: list_triggers(tx, id_of(name)))
        return {one.name: one for one in found}

    def runs(self, name: str = "triage") -> list[Run]:
        """The runs of an autopilot, oldest first."""
        where = RunFilter(autopilot_id=id_of(name))
        return self.database.read(lambda tx: list_runs(tx, where, limit=1_000_000))[::-1]

    def missed(self, name: str = "triage") -> list[MissedInterval]:
        """The missed intervals of an autopilot, oldest first."""
        return self.database.read(lambda tx: missed_between(tx, id_of(name), LONG_AGO, FAR))

    def launch(self, name: str = "triage", **order: Any) -> Run:
        """Start a run by hand."""
        return self.launcher.launch(Order(autopilot_id=id_of(name), **order))

    @cached_property
    def runs_dir(self) -> Path:
        """Where supervisors keep what they saw; gone with the rig."""
        folder = Path(tempfile.mkdtemp(prefix="runs-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder

    def end(self, run: Run, outcome: Outcome) -> bool:
        """End a run, as the runner does."""
        now = self.clock.now()
        return self.database.write(lambda tx: finish(tx, run, outcome, now, cooldown=COOLDOWN))

    def round(self, **advance: float) -> None:
        """Let time pass, then one round of the runner, with all that it started."""
        if advance:
            self.clock.advance(**advance)
        asyncio.run(self._round())

    async def _round(self) -> None:
        async with Runtimes(
            self.clock,
            commands=self.commands,
            grants=self.grants,
            runs_dir=self.runs_dir,
            evaluate=self.evaluator.values,
        ) as runtimes:
            runner = RunnerContext(
                self.database, runtimes, SecretStore(Path("none"), {}), "here", KEY
            )
            await run_once(runner)
            await settle(runner)
            await run_once(runner)
            await settle(runner)

    def claim(self, *agents: str, seconds: float = 60, most: int = 10) -> list[Claimed]:
        """A worker asks for work."""
        asked = Claim(
            agents=agents or ("bot",),
            most=most,
            lease_seconds=seconds,
            worker="w1",
            max_active_runs=self.max_active_runs,
        )
        return self.database.write(lambda tx: claim(self.database, tx, asked))

    def beat(self, held: Claimed, question: str | None = None) -> Beat:
        """A worker says that it lives, and what its agent asks a person."""
        token, now = held.lease_token, self.clock.now()
        return self.database.write(
            lambda tx: heartbeat(tx, held.run.id, token, now, question=question)
        )

    def complete(self, held: Claimed, status: str = "completed", result: Any = "done") -> Run:
        """A worker reports the end of its run."""
        token, now, outcome = held.lease_token, self.clock.now(), outcome_of(status, result)
        expected = self.database.read(lambda tx: read_expected(tx, held.run.id))
        if expected.anything:
            outcome = asyncio.run(Expectations(self.evaluator).judge(expected, outcome))
        return self.database.write(
            lambda tx: complete(tx, held.run.id, token, outcome, now, COOLDOWN)
        )

    def run_of(self, run_id: str) -> Run:
        """The run as it is now."""
        found = self.database.read(lambda tx: get_run(tx, run_id))
        assert found is not None
        return found

    def close(self) -> None:
        """End the evaluator's processes."""
        self.evaluator.close()


def id_of(name: str, workspace: str = "default") -> str:
    """The id of an autopilot."""
    return declare(manifest_key(name, workspace)).id


def manifest_key(name: str, workspace: str) -> Document:
    """The least manifest of that name."""
    return manifest(
        "Autopilot",
        name,
        {"title": "t", "assignee": {"type": "agent", "id": "bot"}},
        workspace=workspace,
    )


def hash_of(id_: str, generation: int) -> str:
    """The hash of a webhook token under the tests' key."""
    return token_hash(webhook_token(KEY, id_, generation))

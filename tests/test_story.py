"""The whole of it as one story: files are edited, the clock goes on, deliveries arrive.

Everything is real but the clock: manifests on disk, plans, the database, signatures, a worker.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.control.apply.reconcile import (
    Applied,
    ApplyRequest,
    apply_once,
    plan_once,
    record_failure,
)
from reconciler.control.apply.sources import load_source
from reconciler.control.webhooks.inbound import Answer
from reconciler.core.base.errors import InvalidManifests, UnsafePlan
from reconciler.core.base.identity import Revision
from reconciler.core.manifest.checks import Policy
from reconciler.core.manifest.state import Desired
from reconciler.core.plan.changes import Update, fields_of
from reconciler.core.plan.guards import Confirmations
from reconciler.core.plan.plan import Plan
from reconciler.store.engine.database import Database
from reconciler.store.revisions.revisions import Via, list_attempts
from tests.support.clock import FakeClock
from tests.support.receiver import SECRET, VARIABLE, Receiver
from tests.support.rig import Rig, hash_of
from tests.support.signing import sign

TRIAGE = """\
apiVersion: autopilots/v1
kind: Agent
metadata: {name: bot}
spec:
  runtime: {type: worker}
---
apiVersion: autopilots/v1
kind: Autopilot
metadata: {name: triage}
spec:
  title: Issue triage
  description: Read the issues opened since yesterday and label them.
  assignee: {type: agent, id: bot}
  concurrencyPolicy: queue              # pushes come in bursts
  issueTitleTemplate: "Triage {{ date }}"
  triggers:
    - name: weekdays
      kind: schedule
      cron: "0 10 * * MON-FRI"
      timezone: Europe/Rome
    - name: hook
      kind: webhook
      signature:
        scheme: github
        secrets: [{env: AUTOPILOT_SECRET_DEFAULT__CI}]
      when: payload.ref == "refs/heads/main"
"""

CHORE = """\
apiVersion: autopilots/v1
kind: Autopilot
metadata: {name: chore-%d}
spec: {title: A chore, assignee: {type: agent, id: bot}}
"""

ADA = "ada"


class Team:
    """Some people with a folder of manifests, and the machine that they run."""

    def __init__(self, rig: Rig, folder: Path) -> None:
        self.rig = rig
        self.folder = folder
        self.hook = Receiver(rig, {VARIABLE: SECRET})

    def write(self, name: str, text: str) -> None:
        """Save a file."""
        (self.folder / name).write_text(text)

    def edit(self, name: str, old: str, new: str) -> None:
        """Change one place of a file."""
        text = (self.folder / name).read_text()
        assert text.count(old) == 1
        self.write(name, text.replace(old, new))

    def load(self) -> Desired:
        """What the files say."""
        database, folder = self.rig.database, self.folder
        return load_source(database, folder, source_id="default", policy=Policy()).desired

    def plan(self) -> Plan:
        """What applying them would change."""
        return plan_once(self.rig.database, self.load())

    def apply(self, confirm_deletes: int | None = None) -> Applied:
        """Make the database equal to the files."""
        request = ApplyRequest(actor=ADA, via=Via.CLI, confirmations=Confirmations(confirm_deletes))
        return apply_once(self.rig.database, self.load(), request, token_hash=hash_of)

    def try_to_apply(self) -> InvalidManifests:
        """Apply files that hold Problems: they are recorded, and nothing else happens."""
        with pytest.raises(InvalidManifests) as error:
            self.apply()
        request = ApplyRequest(actor=ADA, via=Via.CLI)
        revision = error.value.revision or Revision("unknown")
        record_failure(self.rig.database, "default", revision, error.value, request)
        return error.value

    def push(self, delivery: str, branch: str = "main", *, secret: str = SECRET) -> Answer:
        """GitHub tells of a push."""
        body = f'{{"ref": "refs/heads/{branch}", "after": "{delivery}"}}'.encode()
        return self.hook.send(body, sign("github", secret, body, self.rig.clock.now(), delivery))

    def work(self, result: str) -> str:
        """The worker claims one run, does it, and says so; answers the run's id."""
        self.rig.round()
        (held,) = self.rig.claim(most=1)
        self.rig.clock.advance(minutes=5)
        self.rig.complete(held, result=result)
        return held.run.id

    def history(self) -> list[str]:
        """Every run of triage in a few words, oldest first."""
        return [
            " ".join(filter(None, (run.source, run.status, run.reason))) for run in self.rig.runs()
        ]


@pytest.fixture
def team(database_url: str, tmp_path: Path) -> Iterator[Team]:
    """A team on a Monday morning, 08:00 UTC, on SQLite and on PostgreSQL."""
    folder = tmp_path / "autopilots"
    folder.mkdir()
    clock = FakeClock()
    with Database.open(database_url, clock=clock.now) as database:
        rig = Rig(database, clock)
        yield Team(rig, folder)
        rig.close()


def shown(plan: Plan) -> list[str]:
    """A plan as `create Autopilot triage`, and the fields that an update changes."""
    lines = []
    for change in plan.changes:
        lines.append(f"{type(change).__name__.lower()} {change.key.kind} {change.key.name}")
        if isinstance(change, Update):
            fields = fields_of(change)
            lines += [f"{field.path}: {field.before} -> {field.after}" for field in fields]
    return lines


def test_the_story(team: Team) -> None:
    rig = team.rig

    # A team writes down what it wants, and looks at what that would do: nothing is done yet.
    team.write("triage.yaml", TRIAGE)
    assert shown(team.plan()) == ["create Agent bot", "create Autopilot triage"]
    assert rig.database.read(list_attempts) == []

    # It is applied. Afterwards there is nothing left to do.
    team.apply()
    assert team.plan().is_empty
    assert rig.tick().runs == []

    # At ten in Rome, nine in UTC, the clock starts a run. A worker does it.
    (scheduled,) = rig.tick(hours=1).runs
    assert scheduled.title == "Triage 2026-11-02"
    assert team.work("3 labels") == scheduled.id
    assert rig.run_of(scheduled.id).result == "3 labels"

    # A push on main is signed by GitHub: it becomes a run. The next one waits its turn.
    first, second = team.push("d1"), team.push("d2")
    assert [answer.body["status"] for answer in (first, second)] == ["accepted", "accepted"]
    assert rig.run_of(second.body["runId"]).waiting_for == "queue"

    # GitHub sends the first one again, somebody forges one, and a branch is of no interest.
    assert team.push("d1").body == {**first.body, "status": "duplicate"}
    assert team.push("d3", secret="a guess").status == 401
    assert team.push("d4", branch="wip").body["status"] == "ignored"
    assert len(rig.runs()) == 3

    # The team has had enough of queues. One line is edited, and the plan says just that.
    team.edit("triage.yaml", "concurrencyPolicy: queue", "concurrencyPolicy: skip")
    assert shown(team.plan()) == [
        "update Autopilot triage",
        "spec.concurrencyPolicy: queue -> skip",
    ]
    team.apply()

    # From now on a push that finds a run at work is skipped, and says which one was in the way.
    third = team.push("d5")
    assert (third.status, third.body["status"], third.body["reason"]) == (202, "skipped", "overlap")
    assert rig.run_of(third.body["runId"]).blocked_by == first.body["runId"]

    # The one that waited before keeps its place: it is let in when the first one ends.
    assert team.work("1 label") == first.body["runId"]
    assert rig.run_of(second.body["runId"]).active
    assert team.work("2 labels") == second.body["runId"]

    # The machine is away from Monday to Thursday. What is half an hour late starts, the days
    # before are one interval and not forgotten.
    (late,) = rig.tick(days=3, minutes=20).runs
    assert late.scheduled_for is not None
    assert (late.scheduled_for.day, late.scheduled_for.hour) == (5, 9)
    (missed,) = rig.missed()
    assert (missed.reason, missed.count, missed.first.day, missed.last and missed.last.day) == (
        "missed", 2, 3, 4,
    )  # fmt: skip
    team.work("late, but done")

    # A typo is refused with its place and what was meant. What is in force stays in force.
    team.edit("triage.yaml", "timezone: Europe/Rome", "timezone: Europe/Roma")
    (problem,) = team.try_to_apply().problems
    assert str(problem).startswith("triage.yaml:20:17: spec.triggers[0].timezone:")
    assert "did you mean 'Europe/Rome'?" in problem.message
    assert rig.triggers()["weekdays"].document["timezone"] == "Europe/Rome"
    team.edit("triage.yaml", "timezone: Europe/Roma", "timezone: Europe/Rome")

    # Chores are added. Later somebody deletes too much by accident: that is refused.
    for number in range(4):
        team.write(f"chore-{number}.yaml", CHORE % number)
    team.apply()
    for path in team.folder.glob("chore-*.yaml"):
        path.unlink()
    autopilots = (team.folder / "triage.yaml").read_text()
    team.write("triage.yaml", autopilots.partition("---")[0])
    for confirmed in (None, 4):
        with pytest.raises(UnsafePlan, match="5"):
            team.apply(confirm_deletes=confirmed)
    assert not rig.live().switches.archived

    # It was meant: with the exact number they are archived. Nothing fires any more.
    assert len(team.apply(confirm_deletes=5).plan.changes) == 5
    assert rig.live().switches.archived
    assert rig.tick(days=1).runs == []
    assert team.push("d6").body["reason"] == "the autopilot is archived"

    # Its history is all there.
    assert team.history() == [
        "schedule completed",
        "webhook completed",
        "webhook completed",
        "webhook skipped overlap",
        "schedule completed",
    ]
    attempts = rig.database.read(list_attempts)[::-1]
    assert [str(one.result) for one in attempts] == [
        "applied", "applied", "failed", "applied", "refused", "refused", "applied",
    ]  # fmt: skip
    assert {one.actor for one in attempts} == {ADA}

    # And should it come back, it comes back with its history, under the same URL.
    team.write("triage.yaml", autopilots)
    assert shown(team.plan()) == ["restore Autopilot triage"]
    team.apply()
    assert team.push("d7").body["status"] == "accepted"
    assert len(team.history()) == 6

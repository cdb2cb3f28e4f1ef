"""The whole way, told once: YAML, plan, apply, clock, run, webhook, policy, removal, history."""

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.cli.rendering.text import render_text
from reconciler.control.reconcile import Asking, apply_once, plan_once
from reconciler.core.errors import InvalidManifests, UnsafePlan
from reconciler.core.guards import Confirmations
from reconciler.core.plan import Plan
from reconciler.core.report import report_of
from reconciler.core.run import Run, Source, Status
from reconciler.core.state import Desired
from reconciler.manifest.load import load_path
from reconciler.store.database import Database
from reconciler.store.revisions import Result, Via, list_attempts
from tests.support.clock import FakeClock
from tests.support.receiver import SECRET, VARIABLE, Receiver
from tests.support.rig import Rig, hash_of
from tests.support.signing import sign

AGENT = """\
apiVersion: autopilots/v1
kind: Agent
metadata: {name: triage-bot}
spec:
  runtime: {type: worker}
"""

TRIAGE = f"""\
apiVersion: autopilots/v1
kind: Autopilot
metadata:
  name: triage
spec:
  title: Nightly issue triage
  description: |
    Read the issues opened since yesterday and label them.
  assignee: {{type: agent, id: triage-bot}}
  issueTitleTemplate: "Triage {{{{ date }}}}"
  triggers:
    - name: weekdays
      kind: schedule
      cron: "0 9 * * MON-FRI"
      timezone: Europe/Rome
    - name: hook
      kind: webhook
      signature:
        scheme: github
        secrets: [{{env: {VARIABLE}}}]
      when: payload.action == "opened"
"""

OTHERS = """\
apiVersion: autopilots/v1
kind: Autopilot
metadata: {name: digest}
spec: {title: Weekly digest, assignee: {type: agent, id: triage-bot}}
---
apiVersion: autopilots/v1
kind: Autopilot
metadata: {name: notes}
spec: {title: Release notes, assignee: {type: agent, id: triage-bot}}
"""


class Story:
    """A folder of manifests, a database, a clock, and whoever acts on them."""

    def __init__(self, folder: Path, database: Database, clock: FakeClock) -> None:
        self.folder = folder
        self.clock = clock
        self.rig = Rig(database, clock)
        self.github = Receiver(self.rig)

    def write(self, name: str, text: str) -> None:
        """Somebody edits a file of the repository."""
        (self.folder / name).write_text(text)

    def load(self) -> Desired:
        """The manifests, if they are valid."""
        return load_path(self.folder, source_id="default")

    def plan(self) -> Plan:
        """What a pull request shows."""
        return plan_once(self.rig.database, self.load())

    def merge(self, deletes: int | None = None) -> None:
        """What CI does after the merge."""
        asking = Asking(actor="ci", via=Via.CLI, confirmations=Confirmations(deletes))
        apply_once(self.rig.database, self.load(), asking, token_hash=hash_of)

    def issue_opened(self, delivery: str, action: str = "opened") -> dict[str, object]:
        """GitHub posts a signed delivery; answers what it is told."""
        body = json.dumps({"action": action, "issue": {"number": 7}}).encode()
        headers = sign("github", SECRET, body, self.clock.now(), delivery)
        answer = self.github.send(body, headers)
        return {"code": answer.status, **answer.body}

    def work(self) -> Run:
        """The agent's worker claims one run and completes it."""
        self.rig.round()
        (held,) = self.rig.claim("triage-bot", most=1)
        assert "Read the issues" in held.prompt
        return self.rig.complete(held, result="labelled 3 issues")

    def runs(self) -> list[Run]:
        """The runs of the triage, oldest first."""
        return self.rig.runs()


@pytest.fixture
def story(tmp_path: Path, database_url: str) -> Iterator[Story]:
    """An empty repository, an empty database, a Monday at eight."""
    clock = FakeClock()
    folder = tmp_path / "autopilots"
    folder.mkdir()
    with Database.open(database_url, clock=clock.now) as database:
        told = Story(folder, database, clock)
        yield told
        told.rig.close()


def test_the_story(story: Story) -> None:
    # A team writes an agent and an autopilot. The plan says what will be.
    story.write("agents.yaml", AGENT)
    story.write("triage.yaml", TRIAGE)
    story.write("others.yaml", OTHERS)
    printed = render_text(report_of(story.plan()))
    assert "+ Autopilot default/triage  triage.yaml:1" in printed
    assert 'cron: "0 9 * * MON-FRI"  # At 09:00, Monday through Friday' in printed
    assert "Plan: 4 to create, 0 to update, 0 to move, 0 to archive." in printed

    # It is merged. The same manifests plan to nothing.
    story.merge()
    assert story.plan().is_empty

    # Nine o'clock in Rome is eight in UTC, and that has just been: the next one is tomorrow.
    assert story.rig.tick().runs == []
    story.rig.tick(days=1)
    (monday,) = story.runs()
    assert monday.source is Source.SCHEDULE
    assert monday.title == "Triage 2026-11-03"

    # The agent does the work, and the result stays on the run.
    done = story.work()
    assert (done.status, done.result) == (Status.COMPLETED, "labelled 3 issues")

    # An issue is opened: GitHub's delivery starts a run, once, however often it is sent.
    first = story.issue_opened("d-1")
    assert (first["code"], first["status"]) == (202, "accepted")
    again = story.issue_opened("d-1")
    assert (again["code"], again["status"]) == (200, "duplicate")
    assert again["runId"] == first["runId"]

    # What the condition does not want is ignored, and a forged signature is refused.
    assert story.issue_opened("d-2", action="closed")["status"] == "ignored"
    assert story.github.send(b"{}", {"x-hub-signature-256": "sha256=" + "0" * 64}).status == 401

    # The run is still active. The policy is skip: another one is used up, and says why.
    story.clock.advance(minutes=20)
    skipped = story.issue_opened("d-3")
    assert (skipped["status"], skipped["reason"]) == ("skipped", "overlap")
    *_, last = story.runs()
    assert last.blocked_by == first["runId"]

    # The team would rather queue. The plan is one line, and the next one waits its turn.
    story.write(
        "triage.yaml", TRIAGE.replace("  triggers:", "  concurrencyPolicy: queue\n  triggers:")
    )
    assert '"skip" -> "queue"' in render_text(report_of(story.plan()))
    story.merge()
    story.clock.advance(minutes=20)
    assert story.issue_opened("d-4")["status"] == "accepted"
    assert story.runs()[-1].waiting
    story.work()
    assert story.runs()[-1].active
    assert story.work().id == story.runs()[-1].id

    # A broken edit changes nothing, and every mistake is told with its place.
    story.write("triage.yaml", TRIAGE.replace("Europe/Rome", "Rome").replace("title:", "titel:"))
    with pytest.raises(InvalidManifests) as broken:
        story.load()
    assert [problem.code for problem in broken.value.problems] == [
        "field-missing",
        "field-unknown",
        "timezone-unknown",
    ]
    assert story.rig.triggers()["weekdays"].next_run_at is not None

    # Somebody deletes all but one file by accident. That many removals need to be meant.
    story.write("triage.yaml", "")
    story.write("others.yaml", textwrap.dedent(OTHERS.split("---")[0]))
    story.write("agents.yaml", AGENT)
    story.merge()
    (story.folder / "others.yaml").unlink()
    story.write("agents.yaml", AGENT.replace("triage-bot", "another-bot"))
    with pytest.raises(UnsafePlan) as refused:
        story.merge()
    assert "--confirm-deletes 2" in str(refused.value)
    story.merge(deletes=2)

    # What left is archived: its history is all there, and nothing fires any more.
    assert story.rig.tick(days=30).runs == []
    told = [(run.source.value, run.status.value) for run in story.runs()]
    assert told == [
        ("schedule", "completed"),
        ("webhook", "completed"),
        ("webhook", "skipped"),
        ("webhook", "completed"),
    ]
    attempts = story.rig.database.read(lambda tx: list_attempts(tx, source_id="default"))
    results = [one.result for one in reversed(attempts)]
    assert results == [Result.APPLIED] * 3 + [Result.REFUSED, Result.APPLIED]

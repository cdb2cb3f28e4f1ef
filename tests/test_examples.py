"""The examples are valid and together use what the format offers; their agent does its work."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from reconciler.control.apply.reconcile import plan_once
from reconciler.core.manifest.checks import Policy
from reconciler.core.manifest.model import MODELS, Agent, Autopilot, QueueKeep, Squad
from reconciler.core.manifest.runtime import CommandRuntime
from reconciler.core.manifest.trigger import ScheduleTrigger, WebhookTrigger
from reconciler.dispatch.command.usage_lines import told_usage
from reconciler.manifest.load.load import load, load_path, source_at
from reconciler.store.engine.database import Database
from tests.support.pages import ROOT

FOLDER = ROOT / "examples/autopilots"
AGENT = ROOT / "examples/agents/demo_agent.py"
FILES = sorted(FOLDER.glob("*.yaml"))
AS_RUN = Policy(allowed_commands=frozenset({"demo-agent"}))
"""What `make run` binds."""
DESIRED = load_path(FOLDER, source_id="default", policy=AS_RUN)
MANIFESTS = [MODELS[key.kind].model_validate(one.document) for key, one in DESIRED.objects.items()]
AUTOPILOTS = [one for one in MANIFESTS if isinstance(one, Autopilot)]
AGENTS = [one for one in MANIFESTS if isinstance(one, Agent)]
TRIGGERS = [trigger for one in AUTOPILOTS for trigger in one.spec.triggers]
SCHEDULES = [one for one in TRIGGERS if isinstance(one, ScheduleTrigger)]
HOOKS = [one for one in TRIGGERS if isinstance(one, WebhookTrigger)]


def test_they_plan_as_new_objects_of_several_workspaces(tmp_path: Path) -> None:
    with Database.open(f"sqlite:///{tmp_path}/none.db", create=False) as database:
        plan = plan_once(database, DESIRED)
    assert plan.summary.create == len(MANIFESTS) == len(plan.changes)
    assert not plan.blocked
    assert len({one.metadata.workspace for one in AUTOPILOTS}) >= 3


COVERED: dict[str, tuple[set[Any], set[Any]]] = {
    "kinds": ({Autopilot, Agent, Squad}, {type(one) for one in MANIFESTS}),
    "kinds of trigger": ({"schedule", "webhook", "api"}, {one.kind for one in TRIGGERS}),
    "kinds of schedule": (
        {"cron", "every", "at"},
        {name for one in SCHEDULES for name in ("cron", "every", "at") if getattr(one, name)},
    ),
    "catching up": ({"latest", "all", "none"}, {one.catch_up for one in SCHEDULES}),
    "modes": ({"create_session", "run_only"}, {one.spec.execution_mode for one in AUTOPILOTS}),
    "policies": ({"skip", "queue", "replace"}, {one.spec.concurrency_policy for one in AUTOPILOTS}),
    "assignees": ({"agent", "squad"}, {one.spec.assignee.type for one in AUTOPILOTS}),
    "strategies": (
        {"leader", "round_robin"},
        {one.spec.strategy for one in MANIFESTS if isinstance(one, Squad)},
    ),
    "schemes": ({"github", "standard", "none"}, {one.signature.scheme for one in HOOKS}),
    "switches": ({"active", "paused"}, {one.spec.status for one in AUTOPILOTS}),
    "enabled": ({True, False}, {one.enabled for one in TRIGGERS}),
}


@pytest.mark.parametrize("what", COVERED)
def test_together_they_use(what: str) -> None:
    wanted, found = COVERED[what]
    assert wanted <= found


@pytest.mark.parametrize(
    "used",
    [
        pytest.param([one for one in AUTOPILOTS if one.metadata.labels], id="labels"),
        pytest.param([one for one in AUTOPILOTS if one.spec.concurrency_key], id="keys"),
        pytest.param([one for one in AUTOPILOTS if one.spec.limits.per_hour], id="limits"),
        pytest.param([one for one in AUTOPILOTS if one.spec.retry.limit], id="retries"),
        pytest.param([one for one in SCHEDULES if one.timezone != "UTC"], id="time zones"),
        pytest.param([one for one in SCHEDULES if one.jitter], id="jitter"),
        pytest.param([one for one in HOOKS if one.when], id="conditions"),
        pytest.param([one for one in SCHEDULES if one.when], id="conditions of schedules"),
        pytest.param([one for one in AUTOPILOTS if one.spec.precheck], id="prechecks"),
        pytest.param([one for one in AUTOPILOTS if one.spec.expect], id="expectations"),
        pytest.param([one for one in AUTOPILOTS if one.spec.context], id="context"),
        pytest.param(
            [one for one in AUTOPILOTS if one.spec.queue_keep is QueueKeep.NEWEST],
            id="queues that keep the newest",
        ),
        pytest.param(
            [one for one in AUTOPILOTS if one.spec.description.startswith("# Release notes")],
            id="descriptions in files of their own",
        ),
        pytest.param(
            [one for one in AUTOPILOTS if "{{" in (one.spec.issue_title_template or "")],
            id="titles with CEL",
        ),
    ],
)
def test_at_least_one_uses(used: list[object]) -> None:
    assert used


def test_one_fires_every_minute() -> None:
    assert "* * * * *" in {one.cron for one in SCHEDULES}


def test_one_webhook_takes_a_request_that_was_pasted() -> None:
    """What `serve` prints as a curl line needs neither a signature nor a condition."""
    assert [one for one in HOOKS if one.signature.scheme == "none" and not one.when and one.enabled]


def test_agents_need_nothing_but_the_program_that_make_run_binds() -> None:
    runtimes = [one.spec.runtime for one in AGENTS]
    assert all(isinstance(one, CommandRuntime) for one in runtimes)
    makefile = (ROOT / "Makefile").read_text("utf-8")
    (program,) = re.findall(r"^AGENT\s*:=\s*(\S+)$", makefile, re.MULTILINE)
    assert ROOT / program == AGENT
    assert {one.program for one in runtimes if isinstance(one, CommandRuntime)} == {"demo-agent"}
    assert "--allow-command demo-agent=$(AGENT)" in makefile
    assert os.access(AGENT, os.X_OK)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_schema_that_its_first_line_names_accepts_it(file: Path) -> None:
    first, _, _ = file.read_text("utf-8").partition("\n")
    marker = "# yaml-language-server: $schema="
    assert first.startswith(marker)
    schema = json.loads((file.parent / first.removeprefix(marker)).read_text("utf-8"))
    documents = [one.document for one in DESIRED.objects.values() if one.origin.path == file.name]
    assert documents
    for document in documents:
        jsonschema.Draft202012Validator(schema).validate(document)


# The agent


def _work(role: str, run: object) -> subprocess.CompletedProcess[str]:
    line = run if isinstance(run, str) else json.dumps(run) + "\n"
    command = [sys.executable, str(AGENT), role]
    return subprocess.run(command, input=line, capture_output=True, text=True, timeout=30)


def _run(payload: Any = None) -> dict[str, Any]:
    return {"id": "019a3b5e-7c1d-7000-8000-00000000002a", "title": "A title", "payload": payload}


def _roles() -> Iterator[str]:
    for agent in AGENTS:
        assert isinstance(agent.spec.runtime, CommandRuntime)
        yield from agent.spec.runtime.args


@pytest.mark.parametrize("role", sorted(set(_roles())))
@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(None, id="no payload"),
        pytest.param({"text": "hello from curl"}, id="a text"),
        pytest.param({"pull_request": {"number": 7, "additions": 500}}, id="a pull request"),
        pytest.param([1, {"issues": [None, {"title": 3}]}, "x" * 10_000], id="something odd"),
    ],
)
def test_it_has_something_to_say(role: str, payload: Any) -> None:
    done = _work(role, _run(payload))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("# A title\n\n")
    assert 3 <= len(done.stdout.splitlines()) <= 40
    assert len(done.stdout) < 5_000


@pytest.mark.parametrize(
    ("id_", "source", "status", "line"),
    [
        pytest.param("0003", "schedule", 10, "no issue is new", id="a quiet night"),
        pytest.param("0003", "manual", 0, None, id="a hand is told of the samples"),
        pytest.param("0004", "schedule", 0, None, id="a night with something new"),
    ],
)
def test_the_precheck_says_whether_there_is_something_to_do(
    id_: str, source: str, status: int, line: str | None
) -> None:
    done = _work(
        "check", {**_run(), "id": f"019a3b5e-7c1d-7000-8000-00000000{id_}", "source": source}
    )
    assert done.returncode == status
    assert (done.stdout.strip() == line) is (line is not None)


def test_each_has_a_budget_a_timeout_and_somebody_who_hears_of_it() -> None:
    for autopilot in AUTOPILOTS:
        assert autopilot.spec.budget, autopilot.metadata.name
        assert {"budget", "timeout", "notify"} <= autopilot.spec.model_fields_set
        assert {rule.to for rule in autopilot.spec.notify or ()} == {"log"}


def test_nothing_is_warned_of_where_make_run_checks_them() -> None:
    now = datetime(2026, 12, 1, tzinfo=UTC)
    assert load(source_at(FOLDER), source_id="default", policy=AS_RUN, now=now).warnings == ()


@pytest.mark.parametrize("payload", [None, {"fail": True}], ids=["done", "failed"])
def test_the_agent_tells_what_its_budget_is_kept_by(payload: Any) -> None:
    told = told_usage(_work("watch", _run(payload)).stdout)
    assert told.note is None
    assert told.usage is not None
    assert 0 < (told.usage.cost_micros or 0) < 1000
    assert all(agent.spec.runtime.usage for agent in AGENTS)  # type: ignore[union-attr]


def test_what_triage_says_is_what_its_autopilot_expects() -> None:
    (triage,) = [one for one in AUTOPILOTS if one.metadata.name == "nightly-triage"]
    assert triage.spec.expect == 'result.contains("Start with:")'
    assert "Start with:" in _work("triage", _run()).stdout


def test_triage_reads_the_payload() -> None:
    issues = [{"title": "A typo in the docs"}, {"title": "It leaks a token"}]
    said = _work("triage", _run({"issues": issues})).stdout
    assert "Start with: It leaks a token" in said
    assert "p4 docs: A typo in the docs" in said


@pytest.mark.parametrize(
    ("role", "line", "status", "message"),
    [
        pytest.param(
            "digest", _run({"fail": True}), 1, "asked for a failure", id="it was asked to"
        ),
        pytest.param("cook", _run(), 2, "cannot work with this", id="a role that it has not"),
        pytest.param("triage", "not json\n", 2, "cannot work with this", id="no run at all"),
    ],
)
def test_it_fails_when(role: str, line: Any, status: int, message: str) -> None:
    done = _work(role, line)
    assert done.returncode == status
    assert message in done.stderr

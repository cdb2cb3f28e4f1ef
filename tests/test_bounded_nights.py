"""Nights without anybody, with bounds: money in a loop, a burst of pushes, a quota that resets.

Everything is real but the clock: a signed channel on loopback, webhooks, an agent behind HTTP, the
API, the metrics.
"""

import json
from collections.abc import Iterator

import pytest

from reconciler.core.runs.run import Completed, Run
from reconciler.core.runs.usage import Usage
from reconciler.store.engine.database import Database
from tests.support.clock import FakeClock
from tests.support.hooks import hook_server
from tests.support.http_agent import HttpAgent
from tests.support.notifying import send, tells, webhook_to
from tests.support.receiver import SECRET, VARIABLE, Receiver
from tests.support.rig import Rig, agent, autopilot, webhook
from tests.support.signing import sign
from tests.test_unattended import Morning


@pytest.fixture
def morning(database_url: str) -> Iterator[Morning]:
    """A system from a Monday morning at eight, on SQLite and on PostgreSQL."""
    clock = FakeClock()
    with Database.open(database_url, clock=clock.now) as database:
        rig = Rig(database, clock)
        yield Morning(rig)
        rig.close()


def spend(rig: Rig, run: Run, cents: int) -> None:
    """End a run that cost so much."""
    rig.end(run, Completed("again!", Usage(cost_micros=cents * 10_000)))


def test_a_loop_is_stopped_by_its_budget_and_told_once_with_the_count(morning: Morning) -> None:
    rig = morning.rig
    rig.apply(
        agent(),
        autopilot("triage", budget={"perRun": 0.5, "perDay": 1}, notify=[tells("over_budget")]),
    )
    with hook_server() as hook:
        channels = {"oncall": webhook_to(hook)}
        for _ in range(12):  # what each run does starts the next one
            rig.clock.advance(seconds=10)
            run = rig.launch()
            if run.active:
                spend(rig, run, 50)
        for _ in range(3):
            send(rig, channels)
            rig.clock.advance(minutes=5)
        (post,) = hook.posted
    assert (post.json["type"], post.json["data"]["heldBack"]) == ("run.over_budget", 9)
    assert "triage has spent $1.00 today" in post.json["data"]["run"]["failureReason"]
    assert morning.listed().count("over_budget") == 10
    assert any("a run would be skipped now" in why for why in morning.why())
    assert morning.counted("over_budget") == 10
    used = morning.ask("/v1/usage?from=2026-11-02T00:00:00Z&to=2026-11-03T00:00:00Z&by=autopilot")
    assert [item["costUsd"] for item in used["items"]] == [1]
    rig.clock.advance(days=1)
    assert rig.launch().active


def test_ten_pushes_to_one_pull_request_cost_two_runs(morning: Morning) -> None:
    rig = morning.rig
    hook = webhook(scheme="github")
    hook["signature"]["secrets"] = [{"env": VARIABLE}]
    rig.apply(
        agent(maxConcurrency=5),
        autopilot(
            "triage",
            hook,
            concurrencyPolicy="queue",
            queueKeep="newest",
            concurrencyKey="payload.number",
        ),
    )
    receiver = Receiver(rig, {VARIABLE: SECRET})

    def push(number: int, commit: int) -> str:
        body = json.dumps({"number": str(number), "commit": commit}).encode()
        signed = sign("github", SECRET, body, rig.clock.now(), f"{number}-{commit}")
        return str(receiver.send(body, signed).body["runId"])

    pushes = [push(7, 0)]
    rig.round()
    (held,) = rig.claim()
    pushes += [push(7, commit) for commit in range(1, 10)]
    other = push(8, 0)  # another pull request waits for none of these
    assert rig.run_of(other).active
    assert rig.complete(held).id == pushes[0]
    rig.round()
    done = [rig.complete(each).id for each in rig.claim()]
    assert sorted(done) == sorted([pushes[9], other])
    assert morning.listed().count("superseded") == 8
    assert all(pushes[9] in (rig.run_of(run).failure_reason or "") for run in pushes[8:9])
    assert any("[superseded]" in why for why in morning.why())
    assert morning.counted("superseded") == 8


def test_a_quota_that_resets_costs_time_and_no_run(morning: Morning) -> None:
    rig = morning.rig
    with HttpAgent() as http:
        rig.apply(
            agent(runtime={"type": "http", "url": http.url}),
            autopilot("triage", executionMode="run_only", timeout="5m", pauseAfterFailures=1),
        )
        http.answer(429, {}, {"Retry-After": "3600"})
        run = rig.launch()
        rig.round()
        waits = morning.ask(f"/v1/runs/{run.id}")
        assert (waits["status"], waits["waitingFor"]) == ("pending", "quota")
        assert "takes work again at 2026-11-02T09:00:00Z" in waits["note"]
        assert "pending (quota)" in morning.listed()
        assert any("has quota again; its timeout does not run" in why for why in morning.why())
        assert morning.waiting("quota") == 1
        http.answer(200, {"status": "completed", "result": "done"})
        rig.round(hours=1)
        rig.round()
    assert rig.run_of(run.id).status == "completed"
    assert morning.health() == "healthy"
    assert morning.waiting("quota") == 0

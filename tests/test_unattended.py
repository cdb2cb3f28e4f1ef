"""Nights without anybody: a "done" that is nothing, and a night on which there is nothing to do.

Everything is real but the clock: manifests, prechecks as programs, a worker, the API, the metrics.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from reconciler.cli.rendering.runs import run_table
from reconciler.control.counting import counting
from reconciler.control.dispatching.runner import run_once, settle
from reconciler.core.runs.run import Run
from reconciler.store.engine.database import Database
from tests.control.dispatching.test_runner import stationed
from tests.dispatch.builders import script
from tests.support.clock import FakeClock
from tests.support.eventually import eventually_async
from tests.support.rig import Rig, agent, autopilot, id_of, schedule
from tests.support.web import Web

EXPECT = "size(result.labelled) > 0"


class Morning:
    """What people can see of the autopilot `triage` in the morning."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.web = Web(rig)
        rig.database.observe = counting(self.web.context.metrics)

    def ask(self, path: str) -> Any:
        """What the API answers: JSON, or the text of the metrics."""

        async def send() -> Any:
            async with self.web.client() as client:
                answer = await client.get(path)
                assert answer.status_code == 200, answer.text
                return answer.text if path == "/metrics" else answer.json()

        return asyncio.run(send())

    def health(self) -> str:
        """The word that the list of autopilots shows."""
        return str(self.ask(f"/v1/autopilots/{id_of('triage')}")["status"]["health"])

    def why(self) -> list[str]:
        """The sentences about this moment."""
        steps = self.ask(f"/v1/autopilots/{id_of('triage')}/why")
        return [step["why"] for step in steps["items" if "items" in steps else "steps"]]

    def listed(self) -> str:
        """What `reconciler runs triage` shows."""
        return run_table(self.ask(f"/v1/autopilots/{id_of('triage')}/runs")["items"])

    def waiting(self, waiting_for: str) -> int:
        """How many runs the metrics count that wait for this."""
        return self.samples("reconciler_runs_waiting", waiting_for=waiting_for)

    def counted(self, reason: str) -> int:
        """How many runs the metrics count that ended for this reason."""
        return self.samples("reconciler_runs_total", reason=reason)

    def samples(self, name: str, **labels: str) -> int:
        """The sum of the samples of a metric that have these labels."""
        return sum(
            round(sample.value)
            for family in text_string_to_metric_families(self.ask("/metrics"))
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


class Night(Morning):
    """One autopilot that fires each hour, and what became of its runs."""

    def __init__(self, rig: Rig, folder: Path) -> None:
        super().__init__(rig)
        self.issues = folder / "issues"
        check = (
            f'test -s {self.issues} && cat {self.issues} && exit 0; echo "no new issue"; exit 10'
        )
        rig.commands = {"new-issues": script(folder, check, "new-issues")}
        rig.apply(
            agent(),
            autopilot(
                "triage",
                schedule("0 * * * *"),
                description="Label the issues that are new.",
                precheck={"program": "new-issues"},
                expect=EXPECT,
                context=["lastCompleted"],
                pauseAfterFailures=3,
            ),
        )

    def hour(self) -> Run:
        """The next hour strikes; return its run once the precheck has answered."""
        (run,) = self.rig.tick(hours=1).runs

        async def body() -> None:
            async with stationed(self.rig) as runner:

                async def answered() -> bool:
                    await run_once(runner)
                    await settle(runner)
                    current = self.rig.run_of(run.id)
                    return current.ended or not current.precheck_due

                await eventually_async(answered)

        asyncio.run(body())
        return self.rig.run_of(run.id)

    def work(self, result: Any) -> tuple[Run, str]:
        """The worker does what waits for it; return the run as it ended, and its prompt."""
        (held,) = self.rig.claim()
        return self.rig.complete(held, result=result), held.prompt


@pytest.fixture
def night(database_url: str, tmp_path: Path) -> Iterator[Night]:
    """A night, from a Monday morning at eight, on SQLite and on PostgreSQL."""
    clock = FakeClock()
    with Database.open(database_url, clock=clock.now) as database:
        rig = Rig(database, clock)
        yield Night(rig, tmp_path)
        rig.close()


def test_a_quiet_night_costs_nothing_and_is_no_failure(night: Night) -> None:
    runs = [night.hour() for _ in range(5)]
    assert {(run.status, run.reason) for run in runs} == {("skipped", "nothing_to_do")}
    assert night.rig.claim() == []
    listed = night.ask(f"/v1/autopilots/{id_of('triage')}/runs")["items"]
    assert [run["failureReason"] for run in listed] == ["precheck: no new issue"] * 5
    assert any("precheck: no new issue [nothing_to_do]" in why for why in night.why())
    assert night.listed().count("nothing_to_do") == 5
    assert night.counted("nothing_to_do") == 5
    assert night.health() == "healthy"


def test_a_done_that_is_nothing_is_seen_in_the_morning(night: Night) -> None:
    night.issues.write_text("#7 It crashes\n")
    for hour in range(3):
        night.hour()
        ended, prompt = night.work("All issues are triaged. Great success!")
        assert "#7 It crashes" in prompt
        assert (ended.status, ended.reason) == ("failed", "expectation_unmet")
        assert EXPECT in (ended.failure_reason or "")
        assert "Great success!" in (ended.failure_reason or "")
        assert night.counted("expectation_unmet") == hour + 1
    assert any("[expectation_unmet]" in why for why in night.why())
    assert night.health() == "failing"
    assert night.rig.tick(hours=1).runs[0].waiting_for == "agent"  # the probe, after the cool-down


def test_since_the_last_good_run_whatever_the_night_was(night: Night) -> None:
    night.issues.write_text("#7 It crashes\n")
    night.hour()
    good, prompt = night.work('{"labelled": [7]}')
    assert good.status == "completed"
    assert "No run of this automation has completed yet." in prompt
    night.hour()
    night.work("Nothing came to my mind.")
    night.issues.unlink()
    night.hour()
    night.issues.write_text("#8 It is slow\n")
    night.hour()
    last, prompt = night.work({"labelled": [8]})
    assert last.status == "completed"
    assert "ended at 2026-11-02T09:00:00Z" in prompt
    assert '{"labelled": [7]}' in prompt
    assert "Nothing came to my mind." not in prompt
    assert night.health() == "healthy"

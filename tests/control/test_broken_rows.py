"""Whatever somebody writes by hand into one column of one row, all other rows go on.

Each column that a round reads is broken in a row of its own, in every state that a run may be in;
then a server does all of its rounds.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Column, Table, select, text
from structlog.testing import capture_logs

from reconciler.control.dispatching.context import RunnerSettings
from reconciler.control.notify.log_channel import LogChannel
from reconciler.control.prune import prune_once
from reconciler.core.notify.entry import NotificationStatus
from reconciler.core.runs.ahead import RunMoments
from reconciler.core.runs.run import Completed, Reason, Run, Status
from reconciler.dispatch.base import Ended, Handle, Job, Started, Stopped, Working
from reconciler.server.clock_check import ClockCheck
from reconciler.store.engine.database import Tx
from reconciler.store.revisions.revisions import list_attempts
from reconciler.store.runs.rows import tell_unreadable
from reconciler.store.runs.runs import request_cancel
from reconciler.store.tables import agent as agents
from reconciler.store.tables import autopilot as autopilots
from reconciler.store.tables import (
    autopilot_run,
    autopilot_trigger,
    notification,
    revision,
    workspace_turn,
)
from reconciler.telemetry import Metrics
from tests.control.dispatching.test_proof import HTTP, Agents, rounds, runner
from tests.control.test_prune import KEPT
from tests.support.notifying import outbox, send, tells
from tests.support.rig import Rig, agent, autopilot, id_of, schedule
from tests.support.vandal import break_column, garbage

WHOSE = {"id", "autopilot_id", "trigger_id", "spec_digest", "workspace_id", "name",
         "applied_digest", "webhook_token"}  # fmt: skip
"""Columns that say which row it is, and of what: with another value it is another row."""
CHECKED = {"source", "status", "reason", "waiting_for", "completed_at", "kind", "assignee_type",
           "execution_mode", "concurrency_policy"}  # fmt: skip
"""A constraint keeps anything else out of these."""


def readable_columns(table: Table) -> list[Column[Any]]:
    """The columns that somebody may break."""
    return [column for column in table.c if column.name not in WHOSE | CHECKED]


BROKEN = readable_columns(autopilot_run)


class Willing(Agents):
    """Agents that begin at once, and are done once they are told to be."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(rig.clock, [], [Stopped()])
        self.done = False

    async def start(self, job: Job, record: Any) -> Started:
        await record(handle := Handle(f"s-{job.run_id}", {"pid": 1}))
        return Started(handle)

    async def observe(self, jobs: Sequence[tuple[Job, Handle]]) -> dict[str, Any]:
        seen = Ended(Completed("done")) if self.done else Working()
        return {job.run_id: seen for job, _ in jobs}


class World:
    """An autopilot with a run for each way to break one, and a neighbour whose rows stay."""

    def __init__(
        self, rig: Rig, columns: Sequence[Column[Any]] = BROKEN, at_once: int = 100
    ) -> None:
        self.rig, self.agents = rig, Willing(rig)
        self.ways = ways_to_break(rig, columns)
        self.logs: list[Any] = []
        self.allow(at_once)

    def allow(self, at_once: int) -> None:
        """Let so many runs of each be active."""
        spec = {"notify": [tells("completed", "failed")], "timeout": "1h", "queueTtl": "30m",
                "concurrencyPolicy": "queue", "queueLimit": 500, "context": ["lastCompleted"],
                "maxConcurrency": at_once, "maxActive": at_once}  # fmt: skip
        bot = agent(runtime=HTTP, maxConcurrency=1000)
        self.rig.apply(bot, autopilot("triage", **spec), autopilot("other", **spec))

    def launch(self) -> tuple[list[Run], Run]:
        """The runs that will be broken, and that of the neighbour, which is the last in line."""
        return [self.rig.launch() for _ in self.ways], self.rig.launch("other")

    def vandalize(self, runs: Sequence[Run]) -> None:
        """Break each in another way."""
        for run, (column, value) in zip(runs, self.ways, strict=True):
            break_column(self.rig, column, value, run.id)

    def tells_of(self, run: Run) -> bool:
        """Whether somebody was told of it."""
        told = [entry for entry in self.logs if entry["event"] == "notification"]
        return any(run.id in str(entry) for entry in told)

    def serve(self, **options: Any) -> None:
        """All rounds of a server."""
        self.logs += serve(self.rig, self.agents, **options)


def ways_to_break(rig: Rig, columns: Sequence[Column[Any]]) -> list[tuple[Column[Any], str]]:
    """Each of these columns with each of the values, as SQL, that cannot be read from it."""
    return [(column, value) for column in columns for value in garbage(column, rig.database.name)]


def serve(
    rig: Rig, agents: Willing, *, done: bool = True, owner: str = "here", sends: bool = True
) -> list[Any]:
    """All rounds of a server; return what it logged."""

    async def body() -> None:
        async with runner(rig, agents) as context:
            context.owner = owner
            context.settings = RunnerSettings(max_active_runs=1000)
            await rounds(context)
            agents.done = done
            await rounds(context)

    with capture_logs() as logs:
        rig.tick()
        asyncio.run(body())
        rig.tick()
        prune_once(rig.database, KEPT)
        if sends:
            send(rig, {"oncall": LogChannel()})
    return [*logs]


def test_runs_that_wait_for_their_agent(rig: Rig) -> None:
    world = World(rig)
    broken, run = world.launch()
    world.vandalize(broken)
    world.serve()
    assert rig.run_of(run.id).status is Status.COMPLETED


def test_runs_that_are_under_way(rig: Rig) -> None:
    world = World(rig)
    broken, run = world.launch()
    world.serve(done=False)
    world.vandalize(broken)
    world.serve()
    assert rig.run_of(run.id).status is Status.COMPLETED
    assert world.tells_of(run)


def test_a_run_that_cannot_be_read_is_logged_once_and_goes_on_once_it_can(rig: Rig) -> None:
    rig.apply(agent(runtime=HTTP), autopilot("triage"))
    run, bots = rig.launch(), Willing(rig)
    break_column(rig, autopilot_run.c.cancel_reason, "'whim'", run.id)
    logs = [*serve(rig, bots), *serve(rig, bots)]
    assert [entry["why"] for entry in logs if entry.get("run") == run.id] == [
        "its column cancel_reason holds 'whim'"
    ]
    break_column(rig, autopilot_run.c.cancel_reason, "NULL", run.id)
    serve(rig, bots)
    assert rig.run_of(run.id).status is Status.COMPLETED


def test_many_runs_that_cannot_be_read_are_logged_once_each() -> None:
    """Somebody forgot a WHERE; rounds come to all of them again and again."""
    ids = [f"{uuid4()}" for _ in range(2_000)]
    with capture_logs() as logs:
        for id_ in (*ids, *ids):
            tell_unreadable(id_, "its column title holds 5")
    assert [entry["run"] for entry in logs] == ids


def test_runs_that_have_ended(rig: Rig) -> None:
    """What is still told of them, and what later runs are told of the last one."""
    world = World(rig, [*BROKEN, autopilot_run.c.completed_at])
    broken, run = world.launch()
    world.serve(sends=False)
    world.vandalize(broken)
    world.serve()
    assert world.tells_of(run)
    later = rig.launch("other")
    world.serve()
    assert rig.run_of(later.id).status is Status.COMPLETED


def test_runs_whose_server_died(rig: Rig) -> None:
    world = World(rig)
    broken, run = world.launch()
    world.serve(done=False, owner="gone")
    rig.clock.advance(minutes=1)
    world.vandalize(broken)
    world.serve()
    assert rig.run_of(run.id).status is Status.COMPLETED


def test_runs_while_the_clock_is_put_right(rig: Rig) -> None:
    """As a server starts, and after a suspension."""
    moments = [column for column in BROKEN if column.name in RunMoments.__dataclass_fields__]
    world = World(rig, moments)
    broken, run = world.launch()
    deadline = rig.run_of(run.id).deadline_at
    assert deadline is not None
    world.vandalize(broken)
    check = ClockCheck(rig.database, rig.clock, "here", Metrics())
    asyncio.run(check.begin())
    rig.clock.jump(hours=9)
    asyncio.run(check.check())
    assert rig.run_of(run.id).deadline_at == deadline + timedelta(hours=9)


def test_runs_past_their_deadline(rig: Rig) -> None:
    world = World(rig)
    broken, run = world.launch()
    world.vandalize(broken)
    rig.clock.advance(hours=1)
    world.serve()
    assert rig.run_of(run.id).reason == "target_unavailable"


def test_runs_that_are_to_stop(rig: Rig) -> None:
    world = World(rig)
    broken, run = world.launch()
    now = rig.clock.now()

    def cancel(tx: Tx) -> None:
        for each in (*broken, run):
            assert request_cancel(tx, each.id, now, Reason.CANCELLED, "")

    rig.database.write(cancel)
    world.vandalize(broken)
    world.serve()
    assert rig.run_of(run.id).reason == "cancelled"


def test_runs_that_wait_for_their_turn(rig: Rig) -> None:
    world = World(rig, at_once=1)
    rig.launch("triage"), rig.launch("other")
    broken, run = world.launch()
    own = rig.launch("triage")
    world.vandalize(broken)
    world.allow(100)
    world.serve()
    assert [rig.run_of(each.id).status for each in (run, own)] == [Status.COMPLETED] * 2


def test_runs_whose_turn_did_not_come_in_time(rig: Rig) -> None:
    world = World(rig, at_once=1)
    rig.launch("triage"), rig.launch("other")
    broken, run = world.launch()
    world.vandalize(broken)
    rig.clock.advance(minutes=30)
    world.serve()
    assert rig.run_of(run.id).reason == "expired"


def test_schedules(rig: Rig) -> None:
    ways = ways_to_break(rig, readable_columns(autopilot_trigger))
    clocks = [schedule(name=f"clock-{number}") for number, _ in enumerate(ways)]
    rig.apply(
        agent(), autopilot("triage", *clocks, maxConcurrency=100), autopilot("other", schedule())
    )
    triggers = rig.triggers()
    rig.clock.advance(minutes=1)
    for clock, (column, value) in zip(clocks, ways, strict=True):
        break_column(rig, column, value, triggers[clock["name"]].id)
    for _ in range(2):
        with capture_logs():
            rig.tick()
        rig.clock.advance(minutes=1)
    assert len(rig.runs("other")) == 2
    reasons = {trigger.stalled_reason for trigger in rig.triggers().values()}
    assert any("cursor was edited by hand" in (reason or "") for reason in reasons)


def test_revisions(rig: Rig) -> None:
    """Metrics, and what the pages of everybody follow, read the last ones."""
    rig.apply(agent())
    (attempt,) = rig.database.read(list_attempts)
    for value in garbage(revision.c.problems, rig.database.name):
        break_column(rig, revision.c.problems, value, attempt.id)
        assert rig.database.read(list_attempts) == [attempt]


def test_agents(rig: Rig) -> None:
    ways = ways_to_break(rig, readable_columns(agents))
    names = [f"bot-{number}" for number, _ in enumerate(ways)]
    bots = [agent(name, runtime=HTTP) for name in (*names, "bot")]
    rig.apply(*bots, *(autopilot(name, assignee={"type": "agent", "id": name}) for name in names),
              autopilot("other"))  # fmt: skip
    for name in names:
        rig.launch(name)
    run = rig.launch("other")
    ids = rig.database.read(
        lambda tx: dict(map(tuple, tx.execute(select(agents.c.name, agents.c.id))))
    )
    for name, (column, value) in zip(names, ways, strict=True):
        break_column(rig, column, value, ids[name])
    serve(rig, Willing(rig))
    assert rig.run_of(run.id).status is Status.COMPLETED


def test_autopilots(rig: Rig) -> None:
    ways = ways_to_break(rig, readable_columns(autopilots))
    names = [f"broken-{number}" for number, _ in enumerate(ways)]
    spec = {"concurrencyPolicy": "queue", "maxConcurrency": 1, "pauseAfterFailures": 1}
    everybody = [autopilot(name, schedule(), **spec) for name in (*names, "other")]
    rig.apply(agent(runtime=HTTP, maxConcurrency=1000), *everybody)
    for name in (*names, "other"):
        rig.launch(name)
        rig.launch(name)
    for name, (column, value) in zip(names, ways, strict=True):
        break_column(rig, column, value, id_of(name))
    rig.clock.advance(minutes=1)
    bots = Willing(rig)
    for _ in range(3):
        serve(rig, bots)
    assert [run.status for run in rig.runs("other")] == [Status.COMPLETED] * 3


MANIFESTS = ["'[1]'", "'5'", "'{}'", """'{"spec": {}}'"""]


class Keeping:
    """Runs that wait, and others that wait for those, of manifests that are broken then."""

    def __init__(self, rig: Rig, **bot: Any) -> None:
        self.rig = rig
        broken = [*MANIFESTS, "'{'"] if rig.database.name == "sqlite" else MANIFESTS
        names = [f"broken-{number}" for number, _ in enumerate(broken)]
        spec = {"concurrencyPolicy": "queue", "queueTtl": "30m", "timeout": "1h"}
        # Titles of their own: what a digest names is remembered, and must be none of other tests.
        title = f"{rig.ids.new(rig.clock.now())}"
        rig.apply(
            agent(**bot),
            *(autopilot(name, title=f"{name} {title}", **spec) for name in (*names, "other")),
        )
        self.first = [rig.launch(name) for name in (*names, "other")]
        self.second = [rig.launch(name) for name in (*names, "other")]
        for run, value in zip(self.first, broken, strict=False):
            break_manifest(rig, run, value)

    def reasons(self) -> list[str | None]:
        """How the runs of the autopilot ended whose manifest can be read."""
        return [run.reason or run.status for run in self.rig.runs("other")]


def break_manifest(rig: Rig, run: Run, value: str) -> None:
    """Write this SQL in the place of what the run keeps."""
    statement = f"UPDATE manifest SET document = {value} WHERE digest = :digest"  # noqa: S608
    bound = text(statement).bindparams(digest=run.spec_digest)
    rig.database.write(lambda tx: tx.execute(bound))


def test_manifests_of_runs_that_begin_and_of_those_that_wait_for_them(rig: Rig) -> None:
    keeping, bots = Keeping(rig, runtime=HTTP), Willing(rig)
    for _ in range(3):
        serve(rig, bots)
    assert keeping.reasons() == ["completed"] * 2


def test_manifests_of_runs_that_wait_too_long(rig: Rig) -> None:
    keeping = Keeping(rig, runtime=HTTP)
    rig.clock.advance(hours=1)
    serve(rig, Willing(rig))
    assert keeping.reasons() == ["target_unavailable", "expired"]


def test_manifests_of_runs_that_are_to_stop(rig: Rig) -> None:
    keeping, now = Keeping(rig, runtime=HTTP), rig.clock.now()

    def cancel(tx: Tx) -> None:
        for run in keeping.first:
            assert request_cancel(tx, run.id, now, Reason.CANCELLED, "")

    rig.database.write(cancel)
    serve(rig, Willing(rig))
    assert keeping.reasons() == ["cancelled", "completed"]


def test_manifests_of_runs_that_a_worker_claims_one_at_a_time(rig: Rig) -> None:
    keeping = Keeping(rig)
    for _ in range(2):
        serve(rig, Willing(rig))
        with capture_logs():
            (held,) = rig.claim("bot", most=1)
        rig.complete(held)
    assert keeping.reasons() == ["completed"] * 2


def test_notifications(rig: Rig) -> None:
    where = [column for column in readable_columns(notification) if column.name != "channel"]
    ways = ways_to_break(rig, where)
    names = [f"broken-{number}" for number, _ in enumerate(ways)]
    told = {"notify": [tells("completed")]}
    rig.apply(agent(), *(autopilot(name, **told) for name in (*names, "other")))
    runs = [rig.launch(name) for name in (*names, "other")]
    for run in runs:
        rig.end(run, Completed("done"))
    entries = {entry.run_id: entry for entry in outbox(rig)}
    for run, (column, value) in zip(runs, ways, strict=False):
        break_column(rig, column, value, entries[run.id].id)
    serve(rig, Willing(rig))
    (entry,) = outbox(rig, run_id=runs[-1].id)
    assert entry.status is NotificationStatus.SENT
    assert len(outbox(rig)) < len(runs)


def test_what_came_from_a_manifest_is_put_back_by_the_next_apply(rig: Rig) -> None:
    manifests = [agent(), autopilot("triage", schedule()), autopilot("other", title="Mine")]
    rig.apply(*manifests)
    (clock,) = rig.triggers().values()
    for value in garbage(autopilots.c.title, rig.database.name):
        break_column(rig, autopilots.c.title, value, id_of("triage"))
        break_column(rig, autopilot_trigger.c.cron_expression, value, clock.id)
        rig.apply(*manifests[:2], autopilot("other", title=value))
        assert rig.live("other").title == value
        assert rig.live("triage").title == "Triage"
        assert rig.triggers()["clock"].document == clock.document


def test_the_turn_of_a_workspace(rig: Rig) -> None:
    rig.apply(agent(runtime=HTTP), autopilot("other"))
    bots = Willing(rig)
    for column in (workspace_turn.c.served, workspace_turn.c.held_since):
        for value in garbage(column, rig.database.name):
            run = rig.launch("other")
            serve(rig, bots)
            broken = text(f"UPDATE workspace_turn SET {column.name} = {value}")  # noqa: S608
            assert rig.database.write(lambda tx, edit=broken: tx.execute(edit).rowcount)  # type: ignore[misc]
            again = rig.launch("other", force=True)
            serve(rig, bots)
            ended = [rig.run_of(each.id).status for each in (run, again)]
            assert ended == [Status.COMPLETED] * 2

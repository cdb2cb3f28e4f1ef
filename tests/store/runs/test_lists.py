"""Lists of runs: the same on both databases, and each page of them along one index."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.core.runs.run import Failed, Reason, Run, Source, Status
from reconciler.store.engine.database import Database, Tx
from reconciler.store.runs.lists import RunFilter, list_runs
from reconciler.store.runs.runs import insert_runs
from tests.support.plans import plan_of
from tests.support.rig import Document, Rig, agent, autopilot

MICROSECOND = timedelta(microseconds=1)
SPACES = ("red", "green", "blue")
RED, GREEN = frozenset({"red"}), frozenset({"green"})
BOTH = RED | GREEN
EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)


def within(workspace: str, document: Document) -> Document:
    """The same manifest in a workspace."""
    return {**document, "metadata": {**document["metadata"], "workspace": workspace}}


@pytest.fixture
def runs(rig: Rig) -> list[Run]:
    """Nine runs, a microsecond apart, of three workspaces in turn; every other one is running."""
    rig.apply(*(within(one, document) for one in SPACES for document in (agent(), autopilot())))
    made = []
    for number in range(9):
        made.append(a_run(rig, SPACES[number % 3], number))
        rig.clock.advance(microseconds=1)
    rig.database.write(lambda tx: insert_runs(tx, made))
    return made


def a_run(rig: Rig, workspace: str, number: int) -> Run:
    """A run of this moment."""
    now, live = rig.clock.now(), rig.live(workspace=workspace)
    return Run(
        id=rig.ids.new(now),
        autopilot_id=live.id,
        workspace=live.workspace,
        autopilot=live.name,
        source=Source.MANUAL,
        status=Status.RUNNING if number % 2 else Status.PENDING,
        triggered_at=now,
        created_at=now,
        admitted_at=now,
        spec_digest=live.digest,
    )


def pages(rig: Rig, where: RunFilter, limit: int = 2) -> list[str]:
    """The ids of a whole list, read page by page."""
    seen: list[str] = []

    def following(tx: Tx) -> list[Run]:
        return list_runs(tx, where, limit=limit, before=seen[-1] if seen else None)

    while found := rig.database.read(following):
        seen += [run.id for run in found]
    return seen


@pytest.mark.parametrize(
    "workspaces",
    [
        pytest.param(RED, id="one workspace"),
        pytest.param(BOTH, id="two are merged"),
        pytest.param(BOTH | {"none"}, id="one of them has no runs"),
        pytest.param(RED | {f"w{n}" for n in range(60)}, id="more than are merged"),
        pytest.param(frozenset[str](), id="none at all"),
    ],
)
@pytest.mark.parametrize("status", [None, Status.RUNNING])
def test_pages_of_workspaces_neither_repeat_nor_leave_out(
    rig: Rig, runs: list[Run], workspaces: frozenset[str], status: Status | None
) -> None:
    expected = [
        run.id
        for run in reversed(runs)
        if run.workspace in workspaces and status in (None, run.status)
    ]
    assert pages(rig, RunFilter(workspaces=workspaces, status=status)) == expected


@pytest.mark.parametrize("workspaces", [None, RED, BOTH])
def test_what_has_not_ended_is_listed_page_by_page(
    rig: Rig, runs: list[Run], workspaces: frozenset[str] | None
) -> None:
    ended = [run for number, run in enumerate(runs) if number % 4 == 0]
    for run in ended:
        rig.end(run, Failed(Reason.LOST, "gone"))
    expected = [
        run.id
        for run in reversed(runs)
        if run not in ended and (workspaces is None or run.workspace in workspaces)
    ]
    assert pages(rig, RunFilter(is_open=True, workspaces=workspaces)) == expected


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        pytest.param(3, None, slice(3, 9), id="since is inclusive, to the microsecond"),
        pytest.param(None, 3, slice(0, 4), id="until too"),
        pytest.param(3, 3, slice(3, 4), id="one microsecond"),
        pytest.param(5, 3, slice(0, 0), id="the wrong way round"),
        pytest.param(EARLIEST, LATEST, slice(0, 9), id="all that can be written"),
        pytest.param(None, EARLIEST, slice(0, 0), id="before there were ids"),
        pytest.param(LATEST, None, slice(0, 0), id="in the year 9999"),
    ],
)
@pytest.mark.parametrize("workspaces", [None, BOTH | {"blue"}])
def test_times_bound_the_moment_of_the_trigger(
    rig: Rig,
    runs: list[Run],
    since: int | datetime | None,
    until: int | datetime | None,
    expected: slice,
    workspaces: frozenset[str] | None,
) -> None:
    start, end = (
        runs[0].triggered_at + one * MICROSECOND if isinstance(one, int) else one
        for one in (since, until)
    )
    where = RunFilter(since=start, until=end, workspaces=workspaces)
    assert pages(rig, where) == [run.id for run in runs[expected]][::-1]


@pytest.fixture
def sqlite_file(sqlite_template: Path) -> Iterator[Database]:
    """The empty tables, whose planner knows no statistics, as in a database that has just begun."""
    with Database.open(f"sqlite:///{sqlite_template}") as database:
        yield database


@pytest.mark.parametrize(
    ("where", "index"),
    [
        pytest.param(RunFilter(), "sqlite_autoindex_autopilot_run_1", id="nothing"),
        pytest.param(RunFilter(since=EARLIEST, until=LATEST), "(id>? AND id<?)", id="times"),
        pytest.param(RunFilter(status="failed"), "ix_run_status", id="status"),
        pytest.param(RunFilter(source="api"), "ix_run_source", id="source"),
        pytest.param(RunFilter(reason="lost"), "ix_run_reason", id="reason"),
        pytest.param(RunFilter(agent="a"), "ix_run_of_agent", id="agent"),
        pytest.param(
            RunFilter(agent="a", status="failed", workspaces=RED),
            "ix_run_of_agent",
            id="an agent of a workspace",
        ),
        pytest.param(RunFilter(workspaces=RED), "ix_run_workspace", id="workspace"),
        pytest.param(RunFilter(workspaces=BOTH), "ix_run_workspace", id="workspaces"),
        pytest.param(RunFilter(autopilot_id="a"), "ix_run_autopilot", id="autopilot"),
        pytest.param(
            RunFilter(autopilot_id="a", status="failed", workspaces=BOTH),
            "ix_run_autopilot",
            id="what is of one autopilot is few",
        ),
        pytest.param(
            RunFilter(status="running", workspaces=RED, source="api"),
            "ix_run_status",
            id="what has not ended is few",
        ),
        pytest.param(
            RunFilter(status="failed", workspaces=RED, since=EARLIEST),
            "ix_run_workspace",
            id="what has ended is much",
        ),
    ],
)
def test_a_page_is_read_along_one_index_and_never_sorted(
    sqlite_file: Database, where: RunFilter, index: str
) -> None:
    for before in (None, "0197"):
        plan = plan_of(
            sqlite_file,
            lambda tx, last=before: list_runs(tx, where, before=last),  # type: ignore[misc]
        )
        assert any(index in line for line in plan), plan
        scans = [line for line in plan if line.startswith("SCAN autopilot_run")]
        assert not scans or (where == RunFilter() and before is None), plan
        if len(where.workspaces or ()) < 2:  # of several the newest of each are sorted
            assert not any("B-TREE" in line for line in plan), plan


@pytest.mark.parametrize("more", [{}, {"autopilot_id": "a"}, {"workspaces": BOTH, "agent": "b"}])
def test_what_has_not_ended_is_found_by_its_status(
    sqlite_file: Database, more: dict[str, object]
) -> None:
    where = RunFilter(is_open=True, **more)  # type: ignore[arg-type]
    plan = plan_of(sqlite_file, lambda tx: list_runs(tx, where))
    assert any("ix_run_status" in line for line in plan), plan
    assert not any(line.startswith("SCAN autopilot_run") for line in plan), plan

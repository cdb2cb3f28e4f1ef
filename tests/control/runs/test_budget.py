"""Budgets at admission: what is skipped, what waits, what force passes, and what never happens."""

import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.control.runs.admit import Firing, admit_all
from reconciler.control.shared_settings import share_settings
from reconciler.core.calendar.days import day_of
from reconciler.core.manifest.budget import Budget
from reconciler.core.runs.run import Completed, Failed, Reason, Run, Source, Status
from reconciler.core.runs.usage import Usage
from reconciler.store.engine.database import Database, Tx
from reconciler.store.runs.occupancy import lock_autopilots
from tests.control.conftest import Fresh
from tests.support.clock import FakeClock
from tests.support.eventually import eventually
from tests.support.rig import COOLDOWN, Document, Rig, agent, autopilot, id_of, manifest

PER_RUN = {"perRun": 0.5}
MANY: Document = {
    "concurrencyPolicy": "queue",
    "maxConcurrency": 50,
    "maxActive": 50,
    "queueLimit": 50,
}


def spend(rig: Rig, run: Run, dollars: float) -> None:
    """End a run that cost so much."""
    rig.end(run, Completed("x", Usage(cost_micros=round(dollars * 1_000_000))))


def admitted(run: Run) -> bool:
    return run.admitted_at is not None


def test_what_would_pass_the_budget_is_skipped_with_the_sums(rig: Rig) -> None:
    rig.apply(agent(), autopilot(budget={"perDay": 1, "perRun": 0.4}))
    spend(rig, rig.launch(), 0.3)
    spend(rig, rig.launch(), 0.4)
    skipped = rig.launch()
    assert (skipped.status, skipped.reason) == (Status.SKIPPED, Reason.OVER_BUDGET)
    assert skipped.failure_reason == (
        "autopilot default/triage has spent $0.70 today and this run may cost $0.40; "
        "budget.perDay is $1.00 until 2026-11-03T00:00:00Z"
    )


def test_the_next_day_begins_anew_and_the_month_does_not(rig: Rig) -> None:
    rig.apply(agent(), autopilot(budget={"perDay": 1, "perMonth": 1.5}))
    spend(rig, rig.launch(), 1)
    assert rig.launch().reason is Reason.OVER_BUDGET
    rig.clock.advance(days=1)
    spend(rig, rig.launch(), 0.5)
    over = rig.launch()
    assert "this month; budget.perMonth is $1.50 until 2026-12-01" in (over.failure_reason or "")
    rig.clock.advance(days=30)
    assert admitted(rig.launch())


def test_days_are_those_of_the_time_zone_that_the_server_shares(rig: Rig) -> None:
    share_settings(rig.database, "Asia/Tokyo", {})
    rig.apply(agent(), autopilot(budget={"perDay": 1}))
    spend(rig, rig.launch(), 1)
    over = rig.launch()
    assert "until 2026-11-02T15:00:00Z" in (over.failure_reason or "")
    rig.clock.advance(hours=7)
    assert admitted(rig.launch())


def test_what_active_runs_may_cost_is_reserved(rig: Rig) -> None:
    rig.apply(agent(), autopilot(budget={"perDay": 1, "perRun": 0.4}, **MANY))
    first, second = rig.launch(), rig.launch()
    assert admitted(second)
    assert rig.launch().reason is Reason.OVER_BUDGET
    spend(rig, first, 0.1)
    assert admitted(rig.launch())


def test_a_run_that_waits_is_judged_when_it_is_admitted(rig: Rig) -> None:
    rig.apply(agent(), autopilot(budget={"perDay": 1}, concurrencyPolicy="queue"))
    first, second = rig.launch(), rig.launch()
    assert second.waiting
    spend(rig, first, 1)
    ended = rig.run_of(second.id)
    assert (ended.status, ended.reason) == (Status.SKIPPED, Reason.OVER_BUDGET)


def test_a_run_that_waits_and_is_within_the_budget_is_admitted(rig: Rig) -> None:
    rig.apply(agent(), autopilot(budget={"perDay": 1, **PER_RUN}, concurrencyPolicy="queue"))
    first, second = rig.launch(), rig.launch()
    spend(rig, first, 0.5)
    assert rig.run_of(second.id).allowance_micros == 500_000


def test_nothing_is_stopped_for_a_run_that_would_be_skipped(rig: Rig) -> None:
    rig.apply(agent(), autopilot(budget={"perDay": 1, "perRun": 1}, concurrencyPolicy="replace"))
    first, second = rig.launch(), rig.launch()
    assert second.reason is Reason.OVER_BUDGET
    assert rig.run_of(first.id).cancel_requested_at is None


def test_runs_that_are_let_in_together_share_what_is_left(rig: Rig) -> None:
    spec: Document = {"concurrencyPolicy": "queue", "budget": {"perDay": 1, "perRun": 1}}
    rig.apply(agent(), autopilot(**spec))
    first, second, third = [rig.launch() for _ in range(3)]
    rig.apply(agent(), autopilot(maxConcurrency=3, **spec))
    spend(rig, first, 0)
    assert rig.run_of(second.id).active
    assert rig.run_of(third.id).reason is Reason.OVER_BUDGET


def test_force_passes_and_says_so(rig: Rig) -> None:
    rig.apply(agent(), autopilot(budget={"perDay": 1}))
    spend(rig, rig.launch(), 1)
    forced = rig.launch(force=True)
    assert admitted(forced)
    assert (forced.note or "").startswith("forced past a budget: autopilot default/triage has")


def test_a_run_that_failed_has_spent_its_money_too(rig: Rig) -> None:
    rig.apply(agent(), autopilot(budget={"perDay": 1}))
    rig.end(rig.launch(), Failed(Reason.AGENT_FAILED, "no", usage=Usage(cost_micros=1_000_000)))
    assert rig.launch().reason is Reason.OVER_BUDGET


def test_what_runs_cost_is_remembered_when_they_are_deleted(rig: Rig) -> None:
    rig.apply(agent(), autopilot(budget={"perMonth": 1}))
    spend(rig, rig.launch(), 1)
    rig.database.write(lambda tx: tx.exec_driver_sql("DELETE FROM autopilot_run"))
    assert rig.launch().reason is Reason.OVER_BUDGET


@pytest.mark.parametrize(
    ("documents", "shared", "owner"),
    [
        pytest.param(
            [agent(budget={"perDay": 1}), autopilot("one"), autopilot("two")],
            {},
            "agent default/bot",
            id="agent",
        ),
        pytest.param(
            [agent(), autopilot("one"), autopilot("two")],
            {"workspace/default": {"perDay": 1}},
            "workspace default",
            id="workspace",
        ),
        pytest.param(
            [agent(), autopilot("one"), autopilot("two")],
            {"server": {"perDay": 1}},
            "the server",
            id="server",
        ),
        pytest.param(
            [
                agent(budget={"perDay": 1}),
                agent("other"),
                manifest("Squad", "team", {"members": ["other", "bot"]}),
                autopilot("one"),
                autopilot("two", assignee={"type": "squad", "id": "team"}),
            ],
            {},
            "agent default/bot",
            id="a squad whose member it is",
        ),
    ],
)
def test_budgets_that_autopilots_share(
    rig: Rig, documents: list[Document], shared: dict[str, Any], owner: str
) -> None:
    share_settings(rig.database, "UTC", {k: Budget.model_validate(v) for k, v in shared.items()})
    rig.apply(*documents)
    run = rig.launch("one")
    rig.round()
    (held,) = rig.claim()
    spend(rig, held.run, 1)
    assert run.id == held.run.id
    over = rig.launch("two")
    assert over.reason is Reason.OVER_BUDGET
    of_all = owner == "the server"  # whose sums are not for one workspace
    why = f"budget.perDay of {owner} has no room" if of_all else f"{owner} has spent $1.00 today"
    assert (over.failure_reason or "").startswith(why)


def test_a_workspace_is_not_held_to_the_budget_of_another(rig: Rig) -> None:
    share_settings(rig.database, "UTC", {"workspace/other": Budget.model_validate({"perDay": 1})})
    rig.apply(agent(), autopilot())
    spend(rig, rig.launch(), 5)
    run = rig.launch()
    assert admitted(run)
    assert run.allowance_micros is None


# Whatever the order of events, no limit is passed by runs that keep to what they may cost.

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["start", "start", "start", "end", "cancel", "hours"]),
        st.integers(0, 2),
        st.sampled_from([500_000, 500_000, 499_999, 1, 0]),  # mostly all that it may
    ),
    min_size=6,
    max_size=40,
)
AMOUNTS = st.sampled_from([0.5, 0.75, 1, 2])
LATE = datetime(2026, 10, 31, 20, 0, tzinfo=UTC)


@st.composite
def budgets(draw: st.DrawFn) -> list[Document]:
    """For the agent, the workspace, the server and the autopilots; one of them has no room for
    three runs."""
    limits = st.fixed_dictionaries(PER_RUN_ONLY, optional={"perDay": AMOUNTS, "perMonth": AMOUNTS})
    money = [draw(limits) for _ in range(6)]
    money[draw(st.integers(1, 5))] |= draw(st.sampled_from([{"perDay": 0.5}, {"perMonth": 1}]))
    return money


PER_RUN_ONLY: dict[str, st.SearchStrategy[Any]] = {"perRun": st.just(0.5)}


def _play(rig: Rig, money: list[Document], steps: list[tuple[str, int, int]]) -> None:
    bot, workspace, server, *own = money
    share_settings(
        rig.database,
        "Europe/Rome",
        {
            "server": Budget.model_validate(server),
            "workspace/default": Budget.model_validate(workspace),
        },
    )
    rig.apply(
        agent(budget=bot),
        *(autopilot(f"a{n}", budget=each, **MANY) for n, each in enumerate(own)),
    )
    spent: Counter[tuple[str, str]] = Counter()
    for what, which, cost in steps:
        runs = [run for n in range(3) for run in rig.runs(f"a{n}") if run.active]
        match what:
            case "start":
                rig.launch(f"a{which}")
            case "end" | "cancel" if runs:
                run = runs[which % len(runs)]
                usage = Usage(cost_micros=cost)
                stopped = Failed(Reason.CANCELLED, "x", usage=usage)
                rig.end(run, stopped if what == "cancel" else Completed("x", usage))
                day = day_of(rig.clock.now(), "Europe/Rome").isoformat()
                for scope in ("server", "workspace", "agent", run.autopilot):
                    spent[scope, day] += cost
                    spent[scope, day[:7]] += cost
            case "hours":
                rig.clock.advance(hours=which + 1)
    limits = {"server": server, "workspace": workspace, "agent": bot}
    limits |= {f"a{n}": each for n, each in enumerate(own)}
    for (scope, period), micros in spent.items():
        if scope == "agent":
            continue  # nobody claimed: that these runs are the agent's is only reserved
        limit = limits[scope].get("perMonth" if len(period) == 7 else "perDay")
        assert limit is None or micros <= limit * 1_000_000, (scope, period)


@given(budgets(), STEPS)
@settings(max_examples=30, deadline=None)
def test_no_order_of_events_passes_a_budget(
    on_sqlite: Fresh, money: list[Document], steps: list[tuple[str, int, int]]
) -> None:
    with on_sqlite(LATE) as rig:
        _play(rig, money, steps)


@pytest.mark.postgres
@given(budgets(), STEPS)
@settings(max_examples=4, deadline=None)
def test_no_order_of_events_passes_a_budget_on_postgresql(
    on_postgres: Fresh, money: list[Document], steps: list[tuple[str, int, int]]
) -> None:
    with on_postgres(LATE) as rig:
        _play(rig, money, steps)


@pytest.fixture
def two(rig: Rig, database_url: str) -> Iterator[list[Rig]]:
    """Two processes on one database."""
    clock = FakeClock()
    with Database.open(database_url, clock=clock.now) as database:
        other = Rig(database, clock, rig.evaluator)
        yield [rig, other]


@pytest.mark.parametrize("shared", [True, False], ids=["one of the server", "one of an autopilot"])
def test_two_that_admit_at_the_same_time_pass_no_budget(two: list[Rig], shared: bool) -> None:
    limits = {"perDay": 2, "perRun": 0.25}
    if shared:
        server = Budget.model_validate(limits)
        share_settings(two[0].database, "UTC", {"server": server})
    names = [f"a{n}" for n in range(4)]
    own: Document = {} if shared else {"budget": limits}
    two[0].apply(agent(), *(autopilot(name, **own, **MANY) for name in names))
    runs: list[Run] = []
    begin = threading.Barrier(4)

    def work(number: int) -> None:
        begin.wait()
        for step in range(12):
            name = names[(number + step) % 4] if shared else names[0]
            runs.append(two[number % 2].launch(name))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(run.reason for run in runs) == {None: 8, Reason.OVER_BUDGET: 40}


@pytest.mark.postgres
@pytest.mark.parametrize("shared", [True, False], ids=["one of the server", "one of an autopilot"])
def test_an_admission_waits_for_another_under_the_same_budget(
    on_postgres: Fresh, shared: bool
) -> None:
    """Both would see the same sums, and both be admitted."""
    limits = {"perDay": 1, "perRun": 1}
    with on_postgres(LATE) as rig:
        share_settings(
            rig.database, "UTC", {"server": Budget.model_validate(limits)} if shared else {}
        )
        own: Document = {} if shared else {"budget": limits}
        rig.apply(agent(), *(autopilot(f"a{n}", **own, **MANY) for n in range(2)))
        late: list[Run] = []
        thread = threading.Thread(target=lambda: late.append(rig.launch("a1" if shared else "a0")))

        def admit_and_linger(tx: Tx) -> None:
            lives = lock_autopilots(tx, [id_of("a0")])
            now = rig.clock.now()
            firing = Firing(rig.ids.new(now), id_of("a0"), Source.MANUAL, now, "first")
            (run,) = admit_all(tx, [firing], now, COOLDOWN, lives)
            assert admitted(run)
            thread.start()
            eventually(lambda: late or _waits_for_a_lock(rig))

        rig.database.write(admit_and_linger)
        thread.join()
        assert [run.reason for run in late] == [Reason.OVER_BUDGET]


def _waits_for_a_lock(rig: Rig) -> bool:
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    return bool(rig.database.read(lambda tx: tx.exec_driver_sql(query).scalar_one()))


def test_a_deadline_far_away_keeps_its_reservation(rig: Rig) -> None:
    """What a run that is under way overnight may still cost counts for the next day as well."""
    rig.apply(agent(), autopilot(budget={"perDay": 1, "perRun": 1}, timeout="2d", **MANY))
    first = rig.launch()
    rig.clock.advance(days=1)
    assert rig.launch().reason is Reason.OVER_BUDGET
    spend(rig, first, 1)
    assert rig.launch().reason is Reason.OVER_BUDGET
    rig.clock.advance(days=1)
    assert admitted(rig.launch())

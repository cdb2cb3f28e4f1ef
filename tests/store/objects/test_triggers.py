"""Schedule triggers: due by index, held while they are decided, advanced by cursor."""

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.core.schedule.decide import Next
from reconciler.store.engine.database import Database
from reconciler.store.objects.triggers import (
    Advance,
    DueTrigger,
    advance,
    count_due,
    due_triggers,
    hold_unmoved,
    list_triggers,
    next_due,
    soonest_triggers,
    stall,
    webhook_triggers,
)
from tests.support.rig import Rig, agent, autopilot, id_of, schedule, webhook


def at(hour: int, minute: int = 0) -> datetime:
    """A moment of the day on which the tests begin."""
    return datetime(2026, 11, 2, hour, minute, tzinfo=UTC)


@pytest.fixture
def three(rig: Rig) -> Rig:
    """Schedules that are due at 09:00, 10:00 and 11:00, and some that never are."""
    rig.apply(
        agent(),
        autopilot("nine", schedule("0 9 * * *"), webhook()),
        autopilot("ten", schedule("0 10 * * *"), schedule("0 6 * * *", "off", enabled=False)),
        autopilot("eleven", schedule("0 11 * * *"), {"name": "call", "kind": "api"}),
    )
    return rig


def due(rig: Rig, now: datetime, limit: int = 10) -> list[DueTrigger]:
    """What is due."""
    return rig.database.read(lambda tx: due_triggers(tx, now, limit))


def owners(rig: Rig, actual: list[DueTrigger]) -> list[str]:
    """The names of the autopilots."""
    names = {id_of(name): name for name in ("nine", "ten", "eleven")}
    return [names[entry.autopilot_id] for entry in actual]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param(at(8, 59), [], id="nothing yet"),
        pytest.param(at(9), ["nine"], id="to the second"),
        pytest.param(at(23), ["nine", "ten", "eleven"], id="the longest overdue first"),
    ],
)
def test_what_is_due(three: Rig, now: datetime, expected: list[str]) -> None:
    assert owners(three, due(three, now)) == expected
    assert three.database.read(lambda tx: count_due(tx, now)) == len(expected)


def test_no_more_than_asked_for(three: Rig) -> None:
    assert owners(three, due(three, at(23), 2)) == ["nine", "ten"]


def test_when_the_next_one_is_due(three: Rig) -> None:
    assert three.database.read(next_due) == at(9)
    soonest = three.database.read(lambda tx: soonest_triggers(tx, 2))
    assert [(owner, entry.next_run_at) for owner, entry in soonest] == [
        ("default/nine", at(9)), ("default/ten", at(10)),
    ]  # fmt: skip


def test_nothing_is_due_where_there_is_nothing(rig: Rig) -> None:
    assert rig.database.read(next_due) is None
    assert rig.database.read(lambda tx: soonest_triggers(tx, 5)) == []


def test_the_document_is_the_manifests(three: Rig) -> None:
    (entry, *_) = due(three, at(9))
    document = entry.definition.document()
    assert (document["name"], document["cron"], document["timezone"]) == (
        "clock", "0 9 * * *", "UTC",
    )  # fmt: skip
    assert (entry.cursor, entry.next_run_at) == (three.clock.now(), at(9))


def test_triggers_are_listed_in_the_order_of_the_manifest_without_removed_ones(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule(name="b"), webhook("c"), schedule(name="a")))
    assert [*rig.triggers()] == ["b", "c", "a"]
    rig.apply(agent(), autopilot("triage", schedule(name="a"), webhook("c")))
    assert [*rig.triggers()] == ["a", "c"]


def test_webhooks_in_use(three: Rig) -> None:
    def urls() -> list[tuple[str, str]]:
        actual = three.database.read(lambda tx: webhook_triggers(tx, 10))
        return [(owner, entry.name) for owner, entry in actual]

    assert urls() == [("default/nine", "hook")]
    three.apply(agent(), autopilot("ten"), autopilot("eleven"))
    assert urls() == []


def test_an_advance_moves_cursor_and_next(three: Rig) -> None:
    (entry,) = due(three, at(9))
    following = Next(at(9) + timedelta(days=1), at(9) + timedelta(days=1, seconds=5))
    step = Advance(at(9), following, at(9, 1))
    three.database.write(lambda tx: advance(tx, {entry.id: step}))
    (actual,) = three.database.read(lambda tx: list_triggers(tx, id_of("nine")))[:1]
    assert (actual.next_run_at, actual.last_fired_at) == (following.run_at, at(9, 1))
    assert due(three, at(9)) == []


def test_an_advance_without_news_keeps_what_was(three: Rig) -> None:
    (entry,) = due(three, at(9))
    write = three.database.write
    write(lambda tx: advance(tx, {entry.id: Advance(at(9), Next(at(9), at(9)), at(9, 1))}))
    write(lambda tx: advance(tx, {entry.id: Advance(None, Next(at(9), at(9)), None)}))
    (same,) = due(three, at(9))
    assert same.cursor == at(9)
    assert three.triggers("nine")["clock"].last_fired_at == at(9, 1)


def test_the_end_of_a_schedule_is_never_due(three: Rig) -> None:
    (entry,) = due(three, at(9))
    three.database.write(lambda tx: advance(tx, {entry.id: Advance(at(9), None)}))
    assert owners(three, due(three, at(23))) == ["ten", "eleven"]
    three.database.write(lambda tx: advance(tx, {}))


class TestHolding:
    def test_what_nobody_moved_is_held(self, three: Rig) -> None:
        actual = due(three, at(23))
        held = three.database.write(lambda tx: hold_unmoved(tx, actual))
        assert held == {entry.id for entry in actual}

    def test_what_somebody_moved_is_not(self, three: Rig) -> None:
        actual = due(three, at(23))
        moved = Advance(at(9), Next(at(12), at(12)))
        three.database.write(lambda tx: advance(tx, {actual[0].id: moved}))
        held = three.database.write(lambda tx: hold_unmoved(tx, actual))
        assert held == {entry.id for entry in actual[1:]}

    def test_what_is_edited_meanwhile_is_not(self, three: Rig) -> None:
        (actual, *_) = due(three, at(23))
        three.apply(agent(), autopilot("nine"), autopilot("ten"), autopilot("eleven"))
        assert three.database.write(lambda tx: hold_unmoved(tx, [actual])) == set()

    @pytest.mark.postgres
    def test_what_another_server_holds_is_passed_over(self, three: Rig) -> None:
        if three.database.name == "sqlite":
            return  # there one transaction at a time writes
        actual, url = due(three, at(23)), three.database._backend._url  # type: ignore[attr-defined]
        with Database.open(url.render_as_string(hide_password=False)) as other:

            def hold_and_look(tx: object) -> set[str]:
                hold_unmoved(tx, actual[:1])  # type: ignore[arg-type]
                return other.write(lambda theirs: hold_unmoved(theirs, actual))

            held = three.database.write(hold_and_look)
        assert held == {entry.id for entry in actual[1:]}


def test_a_stalled_trigger_is_out_of_the_loop_and_says_why(three: Rig) -> None:
    (entry,) = due(three, at(9))
    three.database.write(lambda tx: stall(tx, entry.id, at(9), "nonsense"))
    assert due(three, at(9)) == []
    assert three.triggers("nine")["clock"].stalled_reason == "nonsense"

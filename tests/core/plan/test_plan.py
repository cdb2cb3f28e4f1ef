"""A plan counts, and its digest says exactly what it depends on."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.core.base.errors import StalePlan
from reconciler.core.manifest.state import Current
from reconciler.core.plan.footprint import check_digest, check_still_holds
from reconciler.core.plan.plan import Plan, Summary, make_plan, semantic_plan
from tests.support.worlds import SOURCE, agent, archived, autopilot, current, desired, row

ROWS = current(
    row(agent()),
    row(agent("old")),
    row(agent("changed")),
    row(agent("gone")),
    row(agent("theirs"), source="other"),
    archived(agent("back")),
)
WANTED = desired(
    agent(),
    agent("new", formerNames=["old"]),
    agent("changed", limit=3),
    agent("theirs"),
    agent("back"),
    agent("fresh"),
)


def test_a_plan_counts_every_object() -> None:
    plan = make_plan(ROWS, WANTED)
    assert plan.summary == Summary(
        create=1, update=1, move=1, archive=1, restore=1, blocked=1, unchanged=1
    )
    assert [blocked.key.name for blocked in plan.blocked] == ["theirs"]
    assert not plan.is_empty


def test_the_digest_of_an_empty_plan_is_stable() -> None:
    empty = make_plan(current(row(agent())), desired(agent()))
    assert empty.is_empty
    assert empty.digest == make_plan(Current(), desired()).digest
    assert empty.digest == "b55a06119eef02f7afd25d15bdb020d46a1f89caea610676185cc7cc1705e0c9"


@pytest.mark.parametrize(
    ("before", "wanted"),
    [
        pytest.param(
            ROWS, replace(WANTED, revision=desired(revision="r9").revision), id="revision"
        ),
        pytest.param(
            ROWS,
            desired(
                *(replace(d, origin=replace(d.origin, line=99)) for d in WANTED.objects.values())
            ),
            id="places in files",
        ),
        pytest.param(
            replace(ROWS, objects=dict(sorted(ROWS.objects.items(), reverse=True))),
            WANTED,
            id="order of rows",
        ),
        pytest.param(
            replace(ROWS, objects={**ROWS.objects, **current(row(agent("z"), source="o")).objects}),
            WANTED,
            id="rows that it does not touch",
        ),
    ],
)
def test_no_part_of_the_digest(before: Current, wanted: Any) -> None:
    assert make_plan(before, wanted).digest == make_plan(ROWS, WANTED).digest


def moved(*rows: Any) -> Plan:
    """The same manifests planned after these rows took the place of what was there."""
    actual = current(*rows)
    objects = {**ROWS.objects, **actual.objects}
    return make_plan(replace(ROWS, objects=objects), WANTED)


@pytest.mark.parametrize(
    ("fresh", "message"),
    [
        pytest.param(
            moved(row(agent("fresh", limit=7))),
            "Agent default/fresh: was create, is now update",
            id="an object was made meanwhile",
        ),
        pytest.param(
            moved(row(agent("changed", limit=3))),
            "Agent default/changed: was update, is now no change",
            id="somebody applied the same",
        ),
        pytest.param(
            moved(row(agent("changed"), now=agent("changed", limit=8))),
            "Agent default/changed: still update, but the stored object has changed",
            id="a row drifted meanwhile",
        ),
        pytest.param(
            moved(row(agent("gone"), source="other")),
            "Agent default/gone: was archive, is now no change",
            id="a row changed hands",
        ),
        pytest.param(
            make_plan(ROWS, desired(*WANTED.objects.values(), agent("more"))),
            "Agent default/more: was no change, is now create",
            id="more is wanted",
        ),
        pytest.param(
            make_plan(
                ROWS,
                desired(*{**WANTED.objects, agent("fresh").key: agent("fresh", limit=2)}.values()),
            ),
            "Agent default/fresh: still create, but to another content",
            id="another content is wanted",
        ),
        pytest.param(
            moved(row(agent("x1")), row(agent("x2"), source="other")),
            "Agent default/x1: was no change, is now archive",
            id="there is more to remove",
        ),
        pytest.param(
            make_plan(ROWS, replace(WANTED, source_id="other")),
            "it was made for source 'default', not for 'other'",
            id="another source",
        ),
    ],
)
def test_a_plan_whose_objects_moved_is_stale(fresh: Plan, message: str) -> None:
    saved = make_plan(ROWS, WANTED)
    with pytest.raises(StalePlan) as stale:
        check_still_holds(saved, fresh)
    assert message in str(stale.value)
    with pytest.raises(StalePlan):
        check_digest(saved.digest, fresh)


def test_the_number_of_rows_counts_where_something_is_removed() -> None:
    remaining = desired(agent())
    few = make_plan(current(row(agent()), row(agent("gone"))), remaining)
    many_rows = current(row(agent()), row(agent("gone")), row(agent("more"), id="m"))
    more = make_plan(many_rows, desired(agent(), agent("more")))
    with pytest.raises(StalePlan, match="the number of objects that the source owns has changed"):
        check_still_holds(few, more)


def test_many_moved_objects_are_not_all_named() -> None:
    saved = make_plan(Current(), desired(*(agent(f"a{number}") for number in range(15))))
    with pytest.raises(StalePlan, match="and 5 more"):
        check_still_holds(saved, make_plan(Current(), desired()))


def test_a_plan_that_holds_is_let_through() -> None:
    plan, fresh = make_plan(ROWS, WANTED), make_plan(ROWS, WANTED)
    check_still_holds(plan, fresh)
    check_digest(plan.digest, fresh)


@pytest.mark.parametrize("digest", ["", "x" * 64, "Ä"])
def test_a_digest_that_is_not_known_is_stale(digest: str) -> None:
    with pytest.raises(StalePlan):
        check_digest(digest, make_plan(ROWS, WANTED))


def test_a_semantic_plan_needs_no_database() -> None:
    base = desired(agent(), autopilot("x"), revision="r1")
    head = desired(agent(), autopilot("x", title="Other"), revision="r2")
    plan = semantic_plan(base, head)
    assert plan.summary == Summary(update=1, unchanged=1)
    assert (plan.revision.id, plan.source_id) == ("r2", SOURCE)

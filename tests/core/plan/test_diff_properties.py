"""Whatever is declared, in whatever order it comes: planning ends where the manifests say."""

from dataclasses import replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.manifest.state import Current, Desired
from reconciler.core.plan.diff import diff
from reconciler.core.plan.plan import Plan, make_plan
from tests.support.strategies import desired_sets
from tests.support.worlds import apply_to, row

histories = st.lists(desired_sets(), min_size=1, max_size=5)


def applied(before: Current, wanted: Desired) -> Current | None:
    """Current after the plan; None if it is blocked."""
    plan = make_plan(before, wanted)
    return None if plan.blocked else apply_to(before, plan)


@settings(max_examples=50)
@given(histories)
def test_a_plan_after_apply_is_empty(history: list[Desired]) -> None:
    world = Current()
    for wanted in history:
        after = applied(world, wanted)
        if after is None:
            continue
        again = make_plan(after, wanted)
        assert again.is_empty
        assert again.refreshes == ()
        assert set(after.objects) == set(wanted.objects)
        world = after


@settings(max_examples=50)
@given(histories)
def test_a_database_rebuilt_from_git_has_the_same_ids(history: list[Desired]) -> None:
    world = Current()
    for wanted in history:
        world = applied(world, wanted) or world
        last = {key: declared.id for key, declared in wanted.objects.items()}
        if not make_plan(world, wanted).changes:
            assert {key: stored.id for key, stored in world.objects.items()} == last


@settings(max_examples=50)
@given(desired_sets("other"), histories, st.booleans())
def test_rows_of_others_are_never_touched(
    others: Desired, history: list[Desired], owned: bool
) -> None:
    theirs = {
        key: replace(row(declared), source_id="other" if owned else None)
        for key, declared in others.objects.items()
    }
    world = Current(objects=theirs)
    for wanted in history:
        world = applied(world, wanted) or world
    assert {key: world.objects[key] for key in theirs} == theirs


@settings(max_examples=50)
@given(histories, st.randoms(use_true_random=False))
def test_the_order_of_objects_and_rows_is_no_part_of_a_plan(
    history: list[Desired], random: Random
) -> None:
    world = Current()
    for wanted in history:
        plan = make_plan(world, wanted)
        other = make_plan(_shuffled_rows(world, random), _shuffled(wanted, random))
        assert other.digest == plan.digest
        assert _told(other) == _told(plan)
        world = applied(world, wanted) or world


@settings(max_examples=50)
@given(histories)
def test_a_plan_made_twice_is_equal(history: list[Desired]) -> None:
    world = Current()
    for wanted in history:
        assert make_plan(world, wanted) == make_plan(world, wanted)
        world = applied(world, wanted) or world


@settings(max_examples=50)
@given(desired_sets(), desired_sets())
def test_what_drifted_is_put_back_or_left_alone(wanted: Desired, hand: Desired) -> None:
    world = applied(Current(), wanted)
    if world is None:
        return
    rows = {
        key: replace(stored, document=now.document, digest=now.digest)
        if (now := hand.objects.get(key))
        else stored
        for key, stored in world.objects.items()
    }
    drifted = replace(world, objects=rows)
    assert diff(drifted, wanted, self_heal=False) == ()
    healed = apply_to(drifted, make_plan(drifted, wanted))
    assert healed.objects == world.objects


def _told(plan: Plan) -> list[tuple[str, str]]:
    return [(change.action, str(change.key)) for change in plan.changes]


def _shuffled(wanted: Desired, random: Random) -> Desired:
    items = list(wanted.objects.items())
    random.shuffle(items)
    return replace(wanted, objects=dict(items))


def _shuffled_rows(world: Current, random: Random) -> Current:
    items = list(world.objects.items())
    random.shuffle(items)
    return replace(world, objects=dict(items))

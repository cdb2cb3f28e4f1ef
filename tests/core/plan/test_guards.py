"""Nothing is deleted by accident, as a table."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.core.base.errors import Blocked, Refused, UnsafePlan
from reconciler.core.manifest.state import Current
from reconciler.core.plan.guards import Confirmations, RemovalLimit, objections, require_safe
from reconciler.core.plan.plan import Plan, make_plan
from tests.support.worlds import agent, archived, autopilot, current, desired, row

OTHER = "other"


def removing(gone: int, of: int, **options: Any) -> Plan:
    """A plan that removes `gone` of the `of` rows that the source has."""
    rows = [row(agent(f"a{number}")) for number in range(of)]
    others = [row(agent(f"o{number}"), source=OTHER) for number in range(20)]
    past = [archived(agent(f"p{number}")) for number in range(20)]
    wanted = desired(*(agent(f"a{number}") for number in range(gone, of)), **options)
    return make_plan(current(*rows, *others, *past), wanted)


def codes(plan: Plan, *fields: Any, **options: Any) -> list[str]:
    return [objection.code for objection in objections(plan, *fields, **options)]


@pytest.mark.parametrize(
    ("gone", "of", "deletes", "allowed"),
    [
        pytest.param(0, 10, None, True, id="no removal"),
        pytest.param(3, 10, None, True, id="three of ten"),
        pytest.param(3, 4, None, True, id="three of four, which is many but few"),
        pytest.param(4, 10, None, False, id="four of ten"),
        pytest.param(4, 13, None, False, id="four of thirteen, just above 30 %"),
        pytest.param(4, 14, None, True, id="four of fourteen, just below 30 %"),
        pytest.param(30, 100, None, True, id="exactly 30 %"),
        pytest.param(31, 100, None, False, id="one above 30 %"),
        pytest.param(31, 100, 31, True, id="the exact number was named"),
        pytest.param(31, 100, 30, False, id="a smaller number was named"),
        pytest.param(31, 100, 32, False, id="a larger number was named"),
        pytest.param(31, 100, 0, False, id="zero was named"),
        pytest.param(1, 1, None, False, id="the only one"),
        pytest.param(3, 3, None, False, id="all of three"),
        pytest.param(3, 3, 3, True, id="all of three, which was named"),
        pytest.param(2, 10, 5, True, id="a number where none is needed"),
    ],
)
def test_removals(gone: int, of: int, deletes: int | None, allowed: bool) -> None:
    actual = codes(removing(gone, of), Confirmations(deletes=deletes))
    assert actual == ([] if allowed else ["removals"])


@pytest.mark.parametrize(
    ("gone", "of", "recent", "allowed"),
    [
        pytest.param(3, 10, 0, True, id="nothing left before"),
        pytest.param(1, 9, 3, False, id="with the three before, four of twelve"),
        pytest.param(1, 11, 3, True, id="with the three before, four of fourteen"),
        pytest.param(0, 9, 9, True, id="nothing leaves now"),
    ],
)
def test_where_a_folder_is_followed_recent_removals_count(
    gone: int, of: int, recent: int, allowed: bool
) -> None:
    limit = RemovalLimit(followed=True, recent=recent)
    actual = codes(removing(gone, of), limit=limit)
    assert actual == ([] if allowed else ["removals"])


def test_a_server_has_no_flag_and_says_what_to_run() -> None:
    (objection,) = objections(removing(5, 10), limit=RemovalLimit(followed=True))
    command = "reconciler apply PATH --confirm-deletes 5"
    assert objection.message.endswith(f"if that is meant, run `{command}` beside the server")


def test_a_shallow_clone_is_told_to_fetch_its_history() -> None:
    plan = make_plan(current(row(agent())), desired(agent(limit=3)), descends="shallow")
    (objection,) = objections(plan)
    assert objection.code == "rewrite"
    assert "fetch-depth: 0" in objection.message
    assert objections(plan, Confirmations(allow_rewrites=True)) == ()


def test_the_objection_names_the_flag_and_the_exact_number() -> None:
    (objection,) = objections(removing(31, 100), Confirmations(deletes=30))
    assert objection.confirm == "--confirm-deletes 31"
    assert "31 of the 100 objects of source 'default'" in objection.message
    assert objection.message.endswith("--confirm-deletes 31, not 30")


def test_moves_restores_and_updates_are_no_removals() -> None:
    rows = [row(agent(f"a{number}")) for number in range(5)]
    wanted = desired(*(agent(f"b{number}", formerNames=[f"a{number}"]) for number in range(5)))
    require_safe(make_plan(current(*rows), wanted))


def test_the_limit_can_be_set() -> None:
    plan = removing(4, 10)
    assert codes(plan, limit=RemovalLimit(number=4)) == []
    assert codes(plan, limit=RemovalLimit(percent=40)) == []
    assert codes(removing(1, 10), limit=RemovalLimit(0, 0)) == ["removals"]


@pytest.mark.parametrize(
    ("files", "rows", "deletes", "expected"),
    [
        pytest.param(False, 0, None, ["empty-source"], id="no files, nothing applied"),
        pytest.param(False, 2, None, ["empty-source", "removals"], id="no files, all would go"),
        pytest.param(False, 2, 2, ["empty-source"], id="no files, whatever was confirmed"),
        pytest.param(True, 0, None, ["empty-source"], id="files that say nothing at all"),
        pytest.param(True, 2, None, ["removals"], id="files that say nothing any more"),
        pytest.param(True, 2, 2, [], id="files that say nothing any more, confirmed"),
    ],
)
def test_an_empty_source(files: bool, rows: int, deletes: int | None, expected: list[str]) -> None:
    options: dict[str, Any] = {} if files else {"files": ()}
    assert codes(removing(rows, rows, **options), Confirmations(deletes=deletes)) == expected


PROTECTED = autopilot("x", deletionPolicy="protect")
PLAIN = autopilot("x")


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        pytest.param(row(PROTECTED), ["protected"], id="as it was last applied"),
        pytest.param(row(PLAIN), [], id="not protected"),
        pytest.param(row(PROTECTED, now=PLAIN), ["protected"], id="lifted by hand, not by git"),
        pytest.param(row(PLAIN, now=PROTECTED), ["protected"], id="set by hand"),
        pytest.param(row(PROTECTED, applied=False), ["protected"], id="adopted, never applied"),
    ],
)
def test_protection_is_what_the_row_says(stored: Any, expected: list[str]) -> None:
    remaining = [agent(), autopilot("y"), autopilot("z")]
    plan = make_plan(current(stored, *map(row, remaining)), desired(*remaining))
    assert [change.action for change in plan.changes] == ["archive"]
    assert codes(plan, Confirmations(deletes=1)) == expected


def test_a_protected_object_may_move_change_and_lose_its_protection() -> None:
    wanted = desired(autopilot("y", former=["x"], deletionPolicy="archive"))
    require_safe(make_plan(current(row(PROTECTED)), wanted))


@pytest.mark.parametrize(
    ("descends", "allow", "expected"),
    [
        pytest.param(None, False, [], id="nothing to compare with"),
        pytest.param(True, False, [], id="a descendant"),
        pytest.param(False, False, ["rewrite"], id="not a descendant"),
        pytest.param(False, True, [], id="not a descendant, allowed"),
    ],
)
def test_history_is_not_rewritten(descends: bool | None, allow: bool, expected: list[str]) -> None:
    plan = make_plan(current(row(agent())), desired(agent()), descends=descends)
    assert codes(plan, Confirmations(allow_rewrites=allow)) == expected


def test_all_objections_are_raised_at_once() -> None:
    rows = [row(PROTECTED), *(row(agent(f"a{number}")) for number in range(5))]
    plan = make_plan(current(*rows), desired(agent("a0")), descends=False)
    with pytest.raises(UnsafePlan) as unsafe:
        require_safe(plan)
    assert [o.code for o in unsafe.value.objections] == ["removals", "protected", "rewrite"]
    assert unsafe.value.exit_code == 4


def test_what_is_blocked_is_raised_with_the_other_objections_and_no_flag_lifts_it() -> None:
    plan = make_plan(current(row(agent(), source=OTHER)), desired(agent()), descends=False)
    with pytest.raises(Blocked) as blocked:
        require_safe(plan)
    first, second = blocked.value.objections
    assert (first.code, first.subject, first.confirm) == (
        "owned-elsewhere",
        "Agent default/bot",
        None,
    )
    assert second.code == "rewrite"
    assert "Agent default/bot: source 'other' owns it" in str(blocked.value)
    with pytest.raises(Refused):
        require_safe(plan, Confirmations(allow_rewrites=True))


def test_a_first_apply_is_safe() -> None:
    require_safe(make_plan(Current(), desired(agent(), autopilot("x"))))


def test_an_archived_row_is_not_counted_as_owned() -> None:
    plan = replace(removing(1, 2))
    assert plan.facts.owned == 2

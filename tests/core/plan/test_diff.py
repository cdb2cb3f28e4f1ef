"""What becomes of each object, as a table."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.core.base.identity import Key, object_id
from reconciler.core.manifest.state import Current, Desired
from reconciler.core.plan.changes import Blocked, Move
from reconciler.core.plan.diff import between, compare, diff
from reconciler.core.plan.drift import drift_of
from tests.support.worlds import (
    agent,
    archived,
    autopilot,
    current,
    desired,
    row,
    schedule,
    squad,
)

OTHER = "other"


def actions(before: Current, wanted: Desired) -> list[str]:
    return [
        f"{change.action} {change.key.name}"
        if not isinstance(change, Blocked)
        else f"{change.code} {change.key.name}"
        for change in diff(before, wanted)
    ]


BOT = row(agent())


@pytest.mark.parametrize(
    ("rows", "objects", "expected"),
    [
        pytest.param([], [agent()], ["create bot"], id="a new object is created"),
        pytest.param([BOT], [agent()], [], id="the same object is no change"),
        pytest.param([BOT], [agent(limit=10)], [], id="a default that is written out is no change"),
        pytest.param([BOT], [agent(line=7)], [], id="another line is no change"),
        pytest.param([BOT], [agent(limit=3)], ["update bot"], id="another value is an update"),
        pytest.param([BOT], [], ["archive bot"], id="what left the source is archived"),
        pytest.param(
            [BOT, row(autopilot("x", triggers=[schedule("a"), schedule("b")]))],
            [agent(), autopilot("x", triggers=[schedule("b"), schedule("a")])],
            [],
            id="the order of triggers is no change",
        ),
        pytest.param(
            [BOT, row(autopilot("x"))],
            [agent(), autopilot("x", status="archived")],
            ["update x"],
            id="spec.status archived is an update like any other",
        ),
        pytest.param(
            [archived(agent())], [agent()], ["restore bot"], id="an archived object comes back"
        ),
        pytest.param(
            [archived(agent())],
            [agent(limit=3)],
            ["restore bot"],
            id="an archived object comes back with other values",
        ),
        pytest.param(
            [archived(agent("old"))],
            [agent("new", formerNames=["old"])],
            ["restore new"],
            id="an archived object comes back under another name",
        ),
        pytest.param(
            [archived(agent(), source=OTHER)],
            [agent()],
            ["restore bot"],
            id="an object that another source gave up is taken over with its history",
        ),
        pytest.param(
            [archived(agent("new", formerNames=["old"]))],
            [agent("new")],
            ["create new"],
            id="an archived object that had the name is not this one, which has another id",
        ),
        pytest.param(
            [archived(agent(), id="legacy", source=None)],
            [agent()],
            ["restore bot"],
            id="an archived object with an id from elsewhere is known by its name",
        ),
        pytest.param([row(agent(), archived=False)], [agent()], [], id="a row that lives is left"),
        pytest.param(
            [row(agent(), now=agent(limit=99))],
            [agent()],
            ["update bot"],
            id="drift is put back",
        ),
        pytest.param(
            [row(agent(), now=agent(limit=3))],
            [agent(limit=3)],
            [],
            id="drift that the manifest now says too is no change",
        ),
        pytest.param([row(agent(), source=OTHER)], [], [], id="other sources' rows are not pruned"),
        pytest.param([row(agent(), source=None)], [], [], id="rows of no source are not pruned"),
        pytest.param(
            [row(agent(), source=OTHER)],
            [agent()],
            ["owned-elsewhere bot"],
            id="another source's row is blocked although nothing differs",
        ),
        pytest.param(
            [row(agent(), source=None)],
            [agent()],
            ["not-adopted bot"],
            id="a row without a source needs adopt",
        ),
        pytest.param(
            [row(agent(), id="legacy")],
            [agent(limit=3)],
            ["update bot"],
            id="an adopted row keeps an id that never came from git",
        ),
    ],
)
def test_what_becomes_of_an_object(
    rows: list[Any], objects: list[Any], expected: list[str]
) -> None:
    assert actions(current(*rows), desired(*objects)) == expected


OLD, NEW = row(agent("old")), agent("new", formerNames=["old"])


@pytest.mark.parametrize(
    ("rows", "objects", "expected"),
    [
        pytest.param([OLD], [NEW], ["move new"], id="a former name is a move"),
        pytest.param(
            [OLD],
            [agent("new", formerNames=["old"], limit=3)],
            ["move new"],
            id="a move and other values are one change",
        ),
        pytest.param(
            [row(NEW)],
            [agent("newest", formerNames=["old", "new"])],
            ["move newest"],
            id="a second move is found by its id",
        ),
        pytest.param([row(NEW)], [agent("old")], ["move old"], id="a move is undone"),
        pytest.param([row(NEW)], [NEW], [], id="formerNames that stay are no change"),
        pytest.param(
            [row(agent("old"), id="legacy")],
            [NEW],
            ["move new"],
            id="an adopted row is found by its former name",
        ),
        pytest.param(
            [row(NEW)],
            [agent("newest", formerNames=["new"])],
            ["identity-changed newest"],
            id="a first name that was dropped from formerNames would change the id",
        ),
        pytest.param(
            [row(NEW)],
            [agent("new")],
            ["identity-changed new"],
            id="formerNames that were dropped would change the id",
        ),
        pytest.param(
            [row(agent("new"))],
            [NEW],
            ["identity-changed new"],
            id="formerNames that come too late would change the id",
        ),
        pytest.param(
            [OLD],
            [NEW, agent("old")],
            ["former-name-in-use new"],
            id="a former name that is still in use is refused",
        ),
        pytest.param(
            [row(agent("a")), row(agent("b"))],
            [agent("a", formerNames=["b"]), agent("b", formerNames=["a"])],
            ["move a", "move b"],
            id="a swap",
        ),
        pytest.param(
            [row(agent("a")), row(agent("b"))],
            [agent("b", formerNames=["a"]), agent("c", formerNames=["b"])],
            ["move b", "move c"],
            id="a chain",
        ),
        pytest.param(
            [row(agent("a")), row(agent("b"))],
            [agent("b", formerNames=["a"])],
            ["move b", "archive b"],
            id="a name that a removal frees",
        ),
        pytest.param(
            [row(NEW)],
            [agent("old"), agent("new")],
            ["create new", "move old"],
            id="a name that a move back frees",
        ),
        pytest.param(
            [row(NEW), row(agent("b", formerNames=["c"]))],
            [agent("b", formerNames=["old", "new"]), agent("new", formerNames=["c", "b"])],
            ["move b", "move new"],
            id="a swap of objects that moved before",
        ),
        pytest.param(
            [row(agent("a"), id="1"), row(agent("b"), id="2")],
            [agent("a", formerNames=["b"]), agent("b", formerNames=["a"])],
            ["former-name-in-use a", "former-name-in-use b"],
            id="a swap of rows whose ids never came from git is refused",
        ),
        pytest.param(
            [OLD],
            [NEW, agent("other", formerNames=["old"])],
            ["former-name-claimed new", "former-name-claimed other"],
            id="only one object can have had a name",
        ),
        pytest.param(
            [row(agent("a"), id="1"), row(agent("b"), id="2")],
            [agent("c", formerNames=["a", "b"])],
            ["former-name-in-use c"],
            id="two rows cannot become one",
        ),
        pytest.param(
            [row(agent("old"), source=OTHER)],
            [NEW],
            ["owned-elsewhere new"],
            id="another source's row cannot be moved",
        ),
        pytest.param(
            [OLD, row(agent("new"), source=OTHER)],
            [NEW],
            ["name-taken new"],
            id="a move onto another source's row is refused",
        ),
        pytest.param(
            [row(agent("old", workspace="p"))],
            [agent("new", workspace="q", formerNames=["old"])],
            ["create new", "archive old"],
            id="between workspaces there are no moves",
        ),
    ],
)
def test_moves(rows: list[Any], objects: list[Any], expected: list[str]) -> None:
    assert actions(current(*rows), desired(*objects)) == expected


USER = autopilot("user", assignee=("agent", "old"))


@pytest.mark.parametrize(
    ("rows", "objects", "expected"),
    [
        pytest.param(
            [OLD, row(USER, source=OTHER)],
            [],
            ["in-use old"],
            id="what another source uses is not removed",
        ),
        pytest.param(
            [OLD, row(USER, source=None)],
            [],
            ["in-use old"],
            id="what a row of no source uses is not removed",
        ),
        pytest.param(
            [OLD, row(squad("s", "old"), source=OTHER)],
            [NEW],
            ["in-use new"],
            id="what another source's squad uses keeps its name",
        ),
        pytest.param(
            [OLD, row(USER)],
            [],
            ["archive user", "archive old"],
            id="what only leaving objects use is removed after them",
        ),
        pytest.param(
            [OLD, row(USER)],
            [USER],
            ["in-use old"],
            id="what this source still uses is not removed",
        ),
        pytest.param(
            [OLD, row(USER)],
            [NEW, autopilot("user", assignee=("agent", "new"))],
            ["move new", "update user"],
            id="a move that its users follow is made",
        ),
        pytest.param(
            [row(squad("old", "bot")), row(agent("old", workspace="q")), row(USER, source=OTHER)],
            [],
            ["archive old", "archive old"],
            id="objects of the same name in another kind or workspace are not used",
        ),
    ],
)
def test_what_is_in_use(rows: list[Any], objects: list[Any], expected: list[str]) -> None:
    assert actions(current(*rows), desired(*objects)) == expected


def test_agents_squads_autopilots_then_removals_in_reverse_then_what_is_blocked() -> None:
    before = current(
        row(agent("z-gone")),
        row(squad("z-gone", "z-gone")),
        row(autopilot("z-gone", assignee=("agent", "z-gone"))),
        row(autopilot("a-gone")),
        row(agent("m"), source=OTHER),
    )
    wanted = desired(
        autopilot("b", workspace="w"),
        autopilot("c"),
        squad("s", "bot"),
        agent("bot"),
        agent("a", workspace="w"),
        agent("m"),
    )
    assert [(c.action, c.key.kind, c.key.name) for c in diff(before, wanted)] == [
        ("create", "Agent", "bot"),
        ("create", "Agent", "a"),
        ("create", "Squad", "s"),
        ("create", "Autopilot", "c"),
        ("create", "Autopilot", "b"),
        ("archive", "Autopilot", "a-gone"),
        ("archive", "Autopilot", "z-gone"),
        ("archive", "Squad", "z-gone"),
        ("archive", "Agent", "z-gone"),
        ("blocked", "Agent", "m"),
    ]


def test_a_moved_row_keeps_its_id() -> None:
    (move,) = diff(current(OLD), desired(NEW))
    assert isinstance(move, Move)
    assert (move.id, move.before.key.name, move.key.name) == (OLD.id, "old", "new")
    assert move.id == move.after.id == object_id("Agent", "default", "old")


@pytest.mark.parametrize(
    ("rows", "objects", "message"),
    [
        pytest.param(
            [row(agent(), source=None)],
            [agent()],
            "reconciler adopt Agent default/bot",
            id="how to adopt",
        ),
        pytest.param([row(agent(), source=OTHER)], [agent()], "'other'", id="who owns it"),
        pytest.param(
            [row(NEW)],
            [agent("newest", formerNames=["new"])],
            "write formerNames: [old, new]",
            id="which formerNames to write",
        ),
        pytest.param(
            [row(NEW)], [agent("new")], "write formerNames: [old]", id="which one was dropped"
        ),
        pytest.param(
            [row(NEW)],
            [agent("old", formerNames=["new"])],
            "remove formerNames",
            id="that the first name needs none",
        ),
        pytest.param(
            [OLD, row(USER, source=OTHER)],
            [],
            "Autopilot default/user of source 'other'",
            id="who uses it",
        ),
        pytest.param(
            [
                OLD,
                *(
                    row(autopilot(f"u{n}", assignee=("agent", "old")), source=None)
                    for n in range(9)
                ),
            ],
            [],
            "Autopilot default/u4 of no source, …;",
            id="the first of many who use it",
        ),
    ],
)
def test_what_is_blocked_says_how_to_mend_it(
    rows: list[Any], objects: list[Any], message: str
) -> None:
    (blocked,) = diff(current(*rows), desired(*objects))
    assert isinstance(blocked, Blocked)
    assert message in blocked.message


def test_without_self_heal_drift_stays_until_the_manifest_changes() -> None:
    drifted = current(row(agent(), now=agent(limit=99)))
    assert diff(drifted, desired(agent()), self_heal=False) == ()
    (change,) = diff(drifted, desired(agent(limit=5)), self_heal=False)
    assert change.action == "update"


def test_drift_is_listed_by_field_and_by_source() -> None:
    before = current(
        row(autopilot("x"), now=autopilot("x", title="By hand")),
        row(agent("y"), source=OTHER, now=agent("y", limit=99)),
        row(agent("z")),
        archived(agent("w"), now=agent("w", limit=99)),
    )
    assert [drift.key.name for drift in drift_of(before)] == ["y", "x"]
    (drift,) = drift_of(before, "default")
    (field,) = drift.fields
    assert (field.path, field.before, field.after) == ("spec.title", "A title", "By hand")


@pytest.mark.parametrize(
    ("stored", "refreshed"),
    [
        pytest.param(row(agent()), False, id="nothing moved"),
        pytest.param(row(agent(line=9)), True, id="the line moved"),
        pytest.param(row(agent(), origin=None), True, id="the origin was not known"),
        pytest.param(row(agent(), applied=False), True, id="it was adopted"),
        pytest.param(
            row(agent(limit=3), now=agent()), True, id="it was changed by hand to what is now said"
        ),
        pytest.param(
            row(agent(), origin=replace(agent().origin, revision="r0")), False, id="a new revision"
        ),
    ],
)
def test_what_only_has_to_be_noted(stored: Any, refreshed: bool) -> None:
    actual = compare(current(stored), desired(agent()))
    assert actual.changes == ()
    assert [refresh.before for refresh in actual.refreshes] == ([stored] if refreshed else [])


def test_two_revisions_are_compared_without_a_database() -> None:
    base = desired(agent(), autopilot("x"), autopilot("gone"))
    head = desired(agent(), autopilot("y", former=["x"]), autopilot("new"))
    assert [(c.action, c.key) for c in between(base, head)] == [
        ("create", Key("Autopilot", "default", "new")),
        ("move", Key("Autopilot", "default", "y")),
        ("archive", Key("Autopilot", "default", "gone")),
    ]

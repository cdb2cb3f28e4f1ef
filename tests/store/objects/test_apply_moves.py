"""Names that are freed and taken in one revision: swaps and chains, on both databases."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.manifest.state import Declared
from reconciler.core.plan.plan import make_plan
from reconciler.store.engine.database import Database
from tests.support.applying import apply, current_of
from tests.support.health import SHARED_FIXTURE
from tests.support.worlds import agent, autopilot, desired, schedule

BEFORE = ("a", "b", "c")


def ids_by_name(database: Database, kind: str) -> dict[str, str]:
    objects = current_of(database).objects
    return {key.name: row.id for key, row in objects.items() if key.kind == kind}


def made(kind: str, name: str, **metadata: Any) -> Declared:
    if kind == "Agent":
        return agent(name, **metadata)
    former = metadata.get("formerNames", ())
    return autopilot(name, former=former, triggers=[schedule("s", "0 9 * * *")])


@pytest.mark.parametrize("kind", ["Agent", "Autopilot"])
@pytest.mark.parametrize(
    "renames",
    [
        pytest.param({"a": "b", "b": "a", "c": "c"}, id="a swap"),
        pytest.param({"a": "b", "b": "c", "c": "d"}, id="a chain"),
        pytest.param({"a": "b", "b": "c", "c": "a"}, id="a ring"),
        pytest.param({"a": "b", "c": "c"}, id="onto a name whose object is removed"),
    ],
)
def test_objects_keep_their_ids_under_each_others_names(
    database: Database, kind: str, renames: dict[str, str]
) -> None:
    bot = agent()
    apply(database, desired(bot, *(made(kind, name) for name in BEFORE)))
    before = ids_by_name(database, kind)
    wanted = desired(
        bot,
        *(
            made(kind, new, **({"formerNames": [old]} if old != new else {}))
            for old, new in renames.items()
        ),
    )
    apply(database, wanted)
    after = ids_by_name(database, kind)
    assert {new: after[new] for new in renames.values()} == {
        new: before[old] for old, new in renames.items()
    }
    assert make_plan(current_of(database), wanted).is_empty


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=SHARED_FIXTURE,
)
@given(st.lists(st.permutations(["a", "b", "c", "d"]), min_size=1, max_size=4))
def test_any_history_of_renames_is_applied(database: Database, history: list[list[str]]) -> None:
    """An object's id stays what its first name gave it, also where it is back at that name."""
    first_names = ["a", "b", "c", "d"]
    apply(database, desired(*(agent(name) for name in first_names)))
    before = ids_by_name(database, "Agent")
    for order in history:
        wanted = desired(
            *(
                agent(name, formerNames=[first]) if name != first else agent(name)
                for first, name in zip(first_names, order, strict=True)
            )
        )
        apply(database, wanted)
        after = ids_by_name(database, "Agent")
        assert {after[name]: name for name in order} == dict(
            zip((before[first] for first in first_names), order, strict=True)
        )
        assert make_plan(current_of(database), wanted).is_empty
    apply(database, desired(*(agent(name) for name in first_names)))
    assert ids_by_name(database, "Agent") == before

"""Random sets of manifests: small names, so that moves, collisions and returns are common."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from reconciler.core.base.identity import Key
from reconciler.core.manifest.state import Declared, Desired
from tests.support.worlds import SOURCE, agent, autopilot, desired, schedule, squad

NAMES = ("a", "b", "c", "d")
WORKSPACES = ("p", "q")


@st.composite
def former(draw: st.DrawFn, name: str) -> list[str]:
    """Names that an object had before, often none."""
    others = [other for other in NAMES if other != name]
    return draw(st.one_of(st.just([]), st.lists(st.sampled_from(others), unique=True, max_size=2)))


@st.composite
def agents(draw: st.DrawFn, workspace: str) -> Declared:
    """An agent of the workspace."""
    name = draw(st.sampled_from(NAMES))
    limit = draw(st.integers(1, 2))
    return agent(name, limit=limit, workspace=workspace, formerNames=draw(former(name)))


@st.composite
def autopilots(draw: st.DrawFn, workspace: str, assignee: str) -> Declared:
    """An autopilot of the workspace that is assigned to `assignee`."""
    name = draw(st.sampled_from(NAMES))
    triggers = draw(st.lists(st.sampled_from(("x", "y")), unique=True))
    return autopilot(
        name,
        workspace=workspace,
        former=draw(former(name)),
        assignee=("agent", assignee),
        title=draw(st.sampled_from(("One", "Two"))),
        line=draw(st.integers(1, 3)),
        triggers=[schedule(trigger) for trigger in triggers],
    )


@st.composite
def desired_sets(draw: st.DrawFn, source: str = SOURCE) -> Desired:
    """What a source might say: references resolve, former names may be nonsense."""
    objects: dict[Key, Declared] = {}
    for workspace in WORKSPACES:
        found = draw(st.lists(agents(workspace), max_size=3))
        objects.update({each.key: each for each in found})
        names = sorted({each.key.name for each in found})
        if names:
            objects.update(draw(_users(workspace, names)))
    return desired(*draw(st.permutations(list(objects.values()))), source=source)


@st.composite
def _users(draw: st.DrawFn, workspace: str, names: list[str]) -> Mapping[Key, Declared]:
    users = draw(
        st.lists(
            st.sampled_from(names).flatmap(lambda name: autopilots(workspace, name)), max_size=4
        )
    )
    members = draw(st.lists(st.sampled_from(names), unique=True, max_size=2))
    if members:
        users.append(squad(draw(st.sampled_from(NAMES)), *members, workspace=workspace))
    return {each.key: each for each in users}


HOSTILE = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("\n\r\t`~<>&@|*_#-+!\x1b\x9b\u202e\u2066\u200b\u2028\ufeff"),
    ),
    max_size=60,
)
"""Text that tries to break out of where it is shown."""

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), HOSTILE),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(HOSTILE, inner, max_size=3)
    ),
    max_leaves=6,
)
"""Any JSON value."""

"""Which member of a squad gets the run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.runs.squad import Chosen, NobodyAvailable, choose

MEMBERS = ("ada", "bob", "cyd")


@pytest.mark.parametrize(
    ("strategy", "turn", "busy", "expected"),
    [
        pytest.param("leader", 0, "", Chosen("ada", 1), id="leader: the first"),
        pytest.param("leader", 2, "", Chosen("ada", 1), id="leader: whoever's turn it is"),
        pytest.param(
            "leader", 0, "ada", Chosen("bob", 2, "passed over ada: busy"), id="leader: the next"
        ),
        pytest.param("round_robin", 1, "", Chosen("bob", 2), id="round robin: by turn"),
        pytest.param("round_robin", 2, "", Chosen("cyd", 0), id="round robin: begins again"),
        pytest.param("round_robin", 7, "", Chosen("bob", 2), id="round robin: members left"),
        pytest.param(
            "round_robin", 1, "bob cyd", Chosen("ada", 1, "passed over bob: busy; cyd: busy"),
            id="round robin: around the end",
        ),
    ],
)  # fmt: skip
def test_choose(strategy: str, turn: int, busy: str, expected: Chosen) -> None:
    def unavailable(member: str) -> str | None:
        return "busy" if member in busy.split() else None

    assert choose(MEMBERS, strategy, turn, unavailable) == expected


def test_nobody_is_available_and_each_one_says_why() -> None:
    found = choose(MEMBERS[:2], "leader", 0, lambda member: f"{member} is away")
    assert found == NobodyAvailable("ada: ada is away; bob: bob is away")


@given(members=st.integers(1, 6), runs=st.integers(0, 40), turn=st.integers(0, 9))
def test_round_robin_is_even(members: int, runs: int, turn: int) -> None:
    names = [f"m{number}" for number in range(members)]
    got = dict.fromkeys(names, 0)
    for _ in range(runs):
        chosen = choose(names, "round_robin", turn, lambda _: None)
        assert isinstance(chosen, Chosen)
        got[chosen.agent] += 1
        turn = chosen.turn
    assert max(got.values()) - min(got.values()) <= 1

"""What is kept of many Problems: few of them, and the number of the others."""

from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.base.capped import MOST_PROBLEMS, capped
from reconciler.core.base.errors import Problem


def problem(line: int, message: str = "wrong") -> Problem:
    return Problem("a.yaml", line, 1, "spec.title", message, "field-type")


def test_few_problems_are_kept_whole() -> None:
    kept = capped([problem(1), problem(2)])
    assert kept.problems == (problem(1), problem(2))
    assert (kept.total, kept.more, kept.remark) == (2, 0, "")


def test_of_sixty_thousand_the_first_are_kept_and_the_others_counted() -> None:
    kept = capped(problem(line) for line in range(60_000))
    assert kept.problems == tuple(problem(line) for line in range(MOST_PROBLEMS))
    assert kept.remark == "… and 59,900 more"
    assert kept.total == 60_000


@given(st.lists(st.text(max_size=300), max_size=50), st.integers(1, 60), st.integers(0, 2000))
def test_what_is_kept_is_bounded_and_nothing_is_lost_from_the_count(
    messages: list[str], most: int, characters: int
) -> None:
    problems = [problem(line, message) for line, message in enumerate(messages)]
    kept = capped(problems, most=most, characters=characters)
    assert list(kept.problems) == problems[: len(kept.problems)]
    assert kept.total == len(problems)
    assert len(kept.problems) <= most
    sizes = [len(p.path) + len(p.field) + len(p.message) for p in kept.problems]
    assert len(kept.problems) <= 1 or sum(sizes) <= characters
    assert bool(kept.problems) == bool(problems)

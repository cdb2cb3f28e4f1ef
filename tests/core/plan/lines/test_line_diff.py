"""Line diffs can be undone, and nothing stretches the time that they take."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.plan.lines.line_diff import DiffLine, line_diff

lines = st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=30)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param("a\n", "a\n", [], id="nothing"),
        pytest.param("", "a\n", [("@", "-0,0 +1,1"), ("+", "a")], id="all is new"),
        pytest.param("a\n", "", [("@", "-1,1 +0,0"), ("-", "a")], id="all is gone"),
        pytest.param(
            "a\nb",
            "a\nb\n",
            [
                ("@", "-1,3 +1,2"),
                (" ", "a"),
                (" ", "b"),
                ("-", "\\ no line break at the end"),
            ],
            id="only the last line break differs",
        ),
        pytest.param(
            "1\n2\n3\n4\n5\n6\n7\n8\n9\n",
            "1\nx\n3\n4\n5\n6\n7\n8\ny\n",
            [
                ("@", "-1,9 +1,9"),
                *[(" ", "1"), ("-", "2"), ("+", "x"), (" ", "3"), (" ", "4"), (" ", "5")],
                *[(" ", "6"), (" ", "7"), (" ", "8"), ("-", "9"), ("+", "y")],
            ],
            id="two changes close to each other are one hunk",
        ),
    ],
)
def test_line_diff(before: str, after: str, expected: list[DiffLine]) -> None:
    assert line_diff(before, after) == expected


def test_changes_far_apart_are_hunks_of_their_own() -> None:
    old = [str(number) for number in range(30)]
    new = ["x", *old[1:29], "y"]
    hunks = [
        text
        for mark, text in line_diff("\n".join(old) + "\n", "\n".join(new) + "\n")
        if mark == "@"
    ]
    assert hunks == ["-1,4 +1,4", "-27,4 +27,4"]


def patched(before: str, diff: list[DiffLine]) -> list[str]:
    """`before` with the diff applied, checking every line and number in it."""
    old = _lines(before)
    new: list[str] = []
    at = 0
    for mark, text in diff:
        if mark == "@":
            start, count = map(int, text.split()[0][1:].split(","))
            begin = start - 1 if count else start
            new += old[at:begin]
            at = begin
        elif mark == "+":
            new.append(text)
        else:
            assert old[at] == text
            at += 1
            new += [text] if mark == " " else []
    return new + old[at:]


def _lines(text: str) -> list[str]:
    if not text:
        return []
    ends = text.endswith("\n")
    return text.removesuffix("\n").split("\n") + ([] if ends else ["\\ no line break at the end"])


@given(lines.map("\n".join), lines.map("\n".join))
def test_the_diff_leads_from_one_text_to_the_other(before: str, after: str) -> None:
    diff = line_diff(before, after)
    assert patched(before, diff) == _lines(after)
    assert bool(diff) == (before != after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("a\n" * 50_000, "b\n" * 50_000, id="all lines differ"),
        pytest.param(
            "\n".join(map(str, range(20_000))),
            "\n".join(map(str, reversed(range(20_000)))),
            id="all lines moved",
        ),
        pytest.param("a\nb\n" * 25_000, "b\na\n" * 25_000, id="few lines, often"),
    ],
)
def test_hostile_texts_take_linear_time(before: str, after: str) -> None:
    start = time.process_time()
    diff = line_diff(before, after)
    assert time.process_time() - start < 2
    assert patched(before, diff) == _lines(after)

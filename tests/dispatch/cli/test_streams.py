"""What the supervisor keeps of an agent's output: lines that matter, bounded, apart from stderr."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.dispatch.command.ending import first_line, read_answer
from reconciler.dispatch.command.supervisor import ANSWER, ANSWER_LIMIT, Lines, Tail

MARK = b'"type":"result"'


def tail(folder: Path) -> Tail:
    made = Tail(str(folder / ANSWER), ANSWER_LIMIT, pinned=True)
    made.open()
    return made


def pieces(text: bytes, cuts: list[int]) -> Iterator[bytes]:
    ends = sorted({*(cut % (len(text) + 1) for cut in cuts), len(text)})
    for start, end in zip([0, *ends], ends, strict=False):
        yield text[start:end]


WORDS = st.lists(st.sampled_from([MARK, b"noise", b"", MARK + b"x", b"\xff"]), max_size=8)


@given(WORDS, st.lists(st.integers(0, 200), max_size=5))
def test_lines_are_whole_however_the_stream_is_cut(
    tmp_path_factory: pytest.TempPathFactory, words: list[bytes], cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("run")
    lines = Lines([MARK], tail(folder))
    for piece in pieces(b"\n".join(words), cuts):
        lines.keep(piece)
    lines.end()
    expected = [word for word in words if MARK in word]
    assert read_answer(folder) == b"".join(word + b"\n" for word in expected)
    assert first_line(folder) == (expected[0] + b"\n" if expected else b"")


def test_memory_and_disk_are_bounded_and_the_first_line_stays(tmp_path: Path) -> None:
    kept = tail(tmp_path)
    lines = Lines([MARK], kept)
    lines.keep(b"first " + MARK + b"\n")
    for number in range(80):
        lines.keep(b"%d " % number + MARK + b"x" * 100_000 + b"\n")
    assert len(kept.data) <= 2 * ANSWER_LIMIT
    kept.settle()
    answer = read_answer(tmp_path)
    assert len(answer) <= ANSWER_LIMIT + 100
    assert answer.startswith(b"first ")
    assert answer.splitlines()[-1].startswith(b"79 ")


def test_a_line_without_an_end_is_dropped_and_not_held(tmp_path: Path) -> None:
    lines = Lines([MARK], tail(tmp_path))
    for _ in range(40):
        lines.keep(MARK * 10_000)
        assert len(lines.open) <= ANSWER_LIMIT
    lines.keep(b"\nafter " + MARK + b"\n")
    assert read_answer(tmp_path) == b"after " + MARK + b"\n"

"""What a program has written, read while it goes on writing."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.dispatch.base import Elsewhere, Handle, Written
from reconciler.dispatch.cli.adapter import shown_lines
from reconciler.dispatch.cli.claude import CLAUDE
from reconciler.dispatch.command.processes import Leader, Tree, identify
from reconciler.dispatch.command.recipe import shown_plainly
from reconciler.dispatch.command.supervisor import ANSWER, OUTPUT, TAIL_LIMIT, Tail
from reconciler.dispatch.command.written import read_written

RUN = "019a3b5e-7c1d-7000-8000-000000000001"
CHUNKS = st.lists(
    st.one_of(st.text(max_size=30).map(str.encode), st.just(b"x" * (TAIL_LIMIT // 2 + 7))),
    max_size=12,
)


@pytest.fixture(scope="module")
def handle() -> Handle:
    """A start of this run on this host, whose supervisor is pid 2 or whoever that is."""
    leader = identify(1)
    tree = Tree(replace(leader, pid=3), Leader(2, "1", leader.boot, leader.host), f"{RUN}.ab12")
    return Handle(None, tree.detail())


def read(root: Path, handle: Handle, after: str | None = None) -> Written:
    written = read_written(root, RUN, handle, after, shown_plainly)
    assert isinstance(written, Written)
    return written


def opened(root: Path, name: str, *, pinned: bool = False) -> Tail:
    folder = root / f"{RUN}.ab12"
    folder.mkdir(exist_ok=True)
    tail = Tail(str(folder / name), TAIL_LIMIT, pinned=pinned)
    tail.open()
    return tail


@given(CHUNKS, st.lists(st.booleans(), min_size=12, max_size=12))
def test_a_reader_gets_all_that_was_written_once_or_is_told_of_the_gap(
    tmp_path_factory: pytest.TempPathFactory,
    handle: Handle,
    chunks: list[bytes],
    polls: list[bool],
) -> None:
    root = tmp_path_factory.mktemp("runs")
    tail = opened(root, OUTPUT)
    text, position = "", None
    for chunk, is_read in zip(chunks, polls, strict=False):
        for half in (chunk[: len(chunk) // 2], chunk[len(chunk) // 2 :]):  # amid a character
            tail.keep(half)
            if is_read:
                written = read(root, handle, position)
                text, position = ("" if written.cut else text) + written.text, written.position
    written = read(root, handle, position)
    text = ("" if written.cut else text) + written.text
    whole = b"".join(chunks).decode().replace("\x00", "\ufffd")
    assert whole.endswith(text)
    assert text == whole or len(text.encode()) >= TAIL_LIMIT - 4
    assert read(root, handle, written.position) == Written("", written.position)


def test_half_a_character_is_held_back_until_it_is_whole(tmp_path: Path, handle: Handle) -> None:
    tail = opened(tmp_path, OUTPUT)
    tail.keep("é".encode()[:1])
    first = read(tmp_path, handle)
    tail.keep("é".encode()[1:])
    assert (first.text, read(tmp_path, handle, first.position).text) == ("", "é")


@pytest.mark.parametrize("position", ["", "nonsense", "9.9", "-1.0", "1" * 90, "٣.٣"])
def test_a_position_of_somebody_elses_begins_anew(
    tmp_path: Path, handle: Handle, position: str
) -> None:
    opened(tmp_path, OUTPUT).keep(b"abc")
    assert read(tmp_path, handle, position).text == "abc"


def test_an_agents_lines_become_what_it_says(tmp_path: Path, handle: Handle) -> None:
    opened(tmp_path, OUTPUT).keep(b"warning: slow\n")
    answer = opened(tmp_path, ANSWER, pinned=True)
    for line in (
        b'{"type":"system","subtype":"init","session_id":"s"}\n',
        b'{"type":"assistant","message":{"content":[{"type":"text","text":"Reading."}]}}\n',
        b'not json "type":"assistant"\n',
        b'{"type":"result","is_error":false,"permission_denials":[{"tool_name":"Bash"}]}\n',
    ):
        answer.keep(line)

    def shown(output: bytes, lines: bytes) -> str:
        return shown_lines(CLAUDE, output, lines)

    written = read_written(tmp_path, RUN, handle, None, shown)
    assert isinstance(written, Written)
    assert written.text == "Reading.\n[denied: Bash]\nwarning: slow\n"


def test_what_is_on_another_host_is_said_to_be_there(tmp_path: Path, handle: Handle) -> None:
    there = Handle(None, {**handle.detail, "host": "other"})
    assert read_written(tmp_path, RUN, there, None, shown_plainly) == Elsewhere("other")


@pytest.mark.parametrize("folder", ["../etc", f"{RUN}.", f"{RUN}.../x", "other.ab12"])
def test_a_folder_that_is_not_of_this_run_is_not_read(
    tmp_path: Path, handle: Handle, folder: str
) -> None:
    opened(tmp_path, OUTPUT).keep(b"abc")
    forged = Handle(None, {**handle.detail, "folder": folder})
    assert read_written(tmp_path, RUN, forged, None, shown_plainly) is None

"""What a command used, told in lines of its output, where its manifest says that it tells it."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.runs.run import Completed, Failed, Reason
from reconciler.core.runs.usage import Usage
from reconciler.dispatch.base import Ended, Handle, Stopped
from reconciler.dispatch.command.ending import Ending
from reconciler.dispatch.command.metering import Watched
from reconciler.dispatch.command.recipe import PlainCommand
from reconciler.dispatch.command.runtime import Commands
from reconciler.dispatch.command.supervisor import OUTPUT, TAIL_LIMIT, Tail
from reconciler.dispatch.command.usage_lines import NOT_TOLD, Told, UsageLines, told_usage
from tests.dispatch.builders import Recorder, a_job, command, poll, script
from tests.dispatch.cli.test_streams import pieces
from tests.support.eventually import eventually_async

CENT = Usage(cost_micros=10_000)
WORKS_UNTIL_IT_IS_STOPPED = """
import signal, sys
def stop(*_):
    print('{"usage": {"costUsd": 0.01}}')
    sys.exit(1)
signal.signal(signal.SIGTERM, stop)
print("half", flush=True)
signal.pause()
"""


@pytest.mark.parametrize(
    ("output", "told"),
    [
        pytest.param('done\n{"usage": {"costUsd": 0.01}}\n', Told("done\n", CENT), id="told"),
        pytest.param('{"usage":{"costUsd":0.01}}', Told("", CENT), id="and nothing else"),
        pytest.param(
            'done\r\n{"usage": {"costUsd": 0.01}}\r\n \n', Told("done\r\n", CENT), id="blank lines"
        ),
        pytest.param(
            'done\n{"usage": {"costUsd": -1}}\n',
            Told(
                "done\n",
                note="the usage that the agent reported is ignored: "
                "costUsd must be from 0 to 1000000",
            ),
            id="a cost that cannot be",
        ),
        pytest.param('done\n{"usage": {}}\n', Told("done\n", note=NOT_TOLD), id="says nothing"),
        pytest.param("done\n", Told("done\n", note=NOT_TOLD), id="no such line"),
        pytest.param("", Told("", note=NOT_TOLD), id="no output"),
        pytest.param(
            '{"usage": {"costUsd": 0.01}}\ndone\n',
            Told("done\n", CENT),
            id="not the last line",
        ),
        pytest.param(
            'a\n{"usage": {"costUsd": 2}}\nb\n\n{"usage": {"turns": 3, "costUsd": 0.01}}\n\n',
            Told("a\nb\n\n", Usage(cost_micros=2_000_000, turns=3)),
            id="the highest of each number counts",
        ),
        pytest.param(
            '{"usage": {"costUsd": 0.01}}\n{"usage": {"costUsd": "1"}}\n',
            Told(
                "",
                CENT,
                "the usage that the agent reported is ignored: costUsd must be a number",
            ),
            id="the last one that can be",
        ),
        pytest.param(
            '{"usage": {"costUsd": 1}, "text": "hi"}',
            Told('{"usage": {"costUsd": 1}, "text": "hi"}', note=NOT_TOLD),
            id="a result that has a usage",
        ),
        pytest.param("[" * 100_000, Told("[" * 100_000, note=NOT_TOLD), id="deep"),
    ],
)
def test_lines_of_usage_are_read_and_taken_off(output: str, told: Told) -> None:
    assert told_usage(output) == told


def test_a_failure_has_cost_as_much() -> None:
    ending = Ending(1, True, 0, None, 'no\n{"usage": {"costUsd": 0.01}}\n')
    ended = PlainCommand().ended(a_job(command(usage="lastLine")), ending, b"")
    message = "agent exited with status 1"
    assert ended == Ended(Failed(Reason.AGENT_FAILED, message, "no\n", usage=CENT))


def test_only_where_the_manifest_says_so() -> None:
    output = 'done\n{"usage": {"costUsd": 0.01}}\n'
    ended = PlainCommand().ended(a_job(command()), Ending(0, True, 0, None, output), b"")
    assert ended == Ended(Completed(output))


@pytest.mark.anyio
async def test_a_program_that_is_stopped_tells_what_it_has_used_until_then(tmp_path: Path) -> None:
    text = f"#!{sys.executable}\n{WORKS_UNTIL_IT_IS_STOPPED}"
    commands = Commands({"agent": script(tmp_path, text)}, folder=tmp_path / "runs")
    job, recorder = a_job(command(usage="lastLine")), Recorder()
    await commands.start(job, recorder)
    handle: Handle = recorder.last
    output = tmp_path / "runs" / handle.detail["folder"] / "output"

    async def begun() -> bool:
        return output.exists() and "half" in output.read_text()

    await eventually_async(begun)
    assert await commands.stop(job, handle) == Stopped("half\n", CENT)
    assert await poll(commands, job, handle) == Ended(
        Failed(Reason.AGENT_FAILED, "agent exited with status 1", "half\n", usage=CENT)
    )
    await commands.close()


REPORTS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "costUsd": st.integers(0, 5), "inputTokens": st.integers(0, 5),
            "outputTokens": st.integers(0, 5), "cachedTokens": st.integers(0, 5),
            "turns": st.integers(0, 5), "model": st.sampled_from(["small", "large"]),
        },
    ),
    max_size=6,
)  # fmt: skip


@given(REPORTS, st.data())
def test_a_run_with_a_budget_has_used_what_one_without_has(
    reports: list[dict[str, Any]], data: st.DataObject
) -> None:
    """With one, lines are read and recorded while the program works; without, only at its end."""
    lines = [f"{json.dumps({'usage': report})}\n" for report in reports]
    meter, recorded, at = UsageLines(), Usage(), 0
    while at < len(lines):
        upto = data.draw(st.integers(at + 1, len(lines)))
        meter.take("".join(lines[at:upto]).encode())
        recorded, at = (meter.used or Usage()).over(recorded.document()), upto
    used = told_usage("".join(lines)).usage or Usage()
    assert (
        used.over(recorded.document())
        == used
        == Usage(
            cost_micros=highest(reports, "costUsd", 1_000_000),
            input_tokens=highest(reports, "inputTokens"),
            output_tokens=highest(reports, "outputTokens"),
            cached_tokens=highest(reports, "cachedTokens"),
            turns=highest(reports, "turns"),
            model=next((report["model"] for report in reports[::-1] if "model" in report), None),
        )
    )


def highest(reports: list[dict[str, Any]], name: str, unit: int = 1) -> int | None:
    """The highest number that was reported under this name."""
    return max((report[name] * unit for report in reports if name in report), default=None)


LINES = st.lists(
    st.sampled_from([b"half", b"", b'{"usage": {}}', b'{"usage": {"turns": 1', b"\xff"])
    | st.integers(0, 9).map(lambda turns: b'{"usage": {"turns": %d}}' % turns),
    max_size=12,
)


@given(LINES, st.lists(st.integers(0, 400), max_size=4), st.sampled_from([20, TAIL_LIMIT]))
def test_what_is_told_meanwhile_is_read_once_however_the_output_is_cut(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], cuts: list[int], limit: int
) -> None:
    folder = tmp_path_factory.mktemp("run")
    output, reading = Tail(str(folder / OUTPUT), limit), Reading()
    output.open()
    watched = Watched(reading)
    written = b"".join(line + b"\n" for line in lines)
    for piece in pieces(written, cuts):
        output.keep(piece)
        used = watched.used(folder)
    told = told_usage(written.decode("utf-8", "replace")).usage
    if limit == TAIL_LIMIT:
        assert reading.taken == written
        assert used == told
    else:  # what was dropped before it was read is lost; nothing is made up
        assert len(reading.taken) <= len(written)
        assert used is None or used.turns in range(10)


class Reading(UsageLines):
    """Remembers what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = b""

    def take(self, lines: bytes) -> None:
        self.taken += lines
        super().take(lines)

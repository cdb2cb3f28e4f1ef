"""On a terminal: the plan before the question, colour where it is welcome, progress wiped away."""

import codecs
import fcntl
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reconciler.cli.progress import progress
from tests.support.cli import BOT, Cli, autopilot, environment
from tests.support.eventually import eventually

SECONDS = 60


@dataclass
class Terminal:
    """A process whose three streams are one terminal."""

    process: subprocess.Popen[bytes]
    side: int
    text: str = ""
    # a character of several bytes may come in two readings
    decoder: codecs.IncrementalDecoder = field(
        default_factory=codecs.getincrementaldecoder("utf-8")
    )

    def until(self, expected: str) -> str:
        """Everything that was shown up to `expected`."""
        deadline = time.monotonic() + SECONDS
        while expected not in self.text and time.monotonic() < deadline:
            if not self._more():
                break
        assert expected in self.text
        return self.text

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self.side, keys.encode())

    def interrupt(self) -> int:
        """Press Ctrl-C until it is heard: Python may be about to wait for a line just then."""
        while self.process.poll() is None:
            self.type("\x03")
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(1)
        return self.end()

    def end(self) -> int:
        """Read to the end; answers the exit code."""
        while self._more():
            pass
        return self.process.wait(SECONDS)

    def _more(self) -> bool:
        try:
            part = os.read(self.side, 65536)
        except OSError:  # Linux says so when the other side is closed
            return False
        self.text += self.decoder.decode(part)
        return bool(part)


@contextmanager
def terminal(
    *arguments: str, folder: Path, env: Mapping[str, str] | None = None
) -> Iterator[Terminal]:
    """Run a command on a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "reconciler", *arguments],
        cwd=folder,
        env=environment({"TERM": "xterm", **(env or {})}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=_take_terminal,
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _take_terminal() -> None:
    """Runs in the child: Ctrl-C on the terminal is a signal to it.

    A shell that starts the tests in its background has them, and what they start, ignore it.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.fixture
def folder(cli: Cli) -> Path:
    """Two manifests that are not applied."""
    cli.write(agent=BOT, one=autopilot("one"))
    return cli.folder


@pytest.mark.parametrize(
    ("keys", "code", "says"),
    [
        pytest.param("y\r", 0, "applied revision", id="yes"),
        pytest.param("n\r", 0, "nothing was changed", id="no"),
        pytest.param("\r", 0, "nothing was changed", id="no is what enter means"),
    ],
)
def test_the_plan_is_shown_before_the_question(
    folder: Path, keys: str, code: int, says: str
) -> None:
    with terminal("apply", "autopilots", folder=folder) as shown:
        before = shown.until("Apply these changes? [y/N]")
        assert before.index("Plan: 2 to create") < before.index("Apply these changes?")
        assert not (folder / ".reconciler").exists()
        shown.type(keys)
        assert shown.end() == code
    assert says in shown.text
    assert (folder / ".reconciler" / "state.db").exists() is (keys == "y\r")


def test_an_interrupt_at_the_question_changes_nothing(folder: Path) -> None:
    with terminal("apply", "autopilots", folder=folder) as shown:
        shown.until("Apply these changes? [y/N]")
        assert shown.interrupt() == 130
    assert "interrupted; nothing more was done" in shown.text
    assert "Traceback" not in shown.text
    assert not (folder / ".reconciler").exists()


def test_what_is_refused_is_not_asked_about(folder: Path, cli: Cli) -> None:
    cli.apply()
    cli.remove("one")
    cli.write(agent=BOT.replace("bot", "other"))
    with terminal("apply", "autopilots", folder=folder) as shown:
        assert shown.end() == 4
    assert "Apply these changes?" not in shown.text
    assert "--confirm-deletes 2" in shown.text


def test_an_answer_is_for_the_question_that_was_shown(folder: Path, cli: Cli) -> None:
    cli.apply()
    run = cli("run", "one", "-o", "json").json["id"]

    def ask(question: str) -> None:
        with closing(sqlite3.connect(cli.database)) as connection, connection:
            connection.execute("DELETE FROM approval")
            connection.execute(
                "INSERT INTO approval (run_id, question, answer_at, reported, asked_at) "
                "VALUES (?, ?, '', 0, '2026-01-01T00:00:00.000000Z')",
                [run, question],
            )

    ask("may I read the issues?")
    with terminal("runs", "approve", run, folder=folder) as shown:
        before = shown.until("Approve it? [y/N]")
        assert f"run {run} asks: may I read the issues?" in before
        ask("may I push to main?")
        shown.type("y\r")
        assert shown.end() == 1
    assert "asks something else now: may I push to main?" in " ".join(shown.text.split())
    with terminal("runs", "reject", run, folder=folder) as shown:
        shown.until("Reject it? [y/N]")
        shown.type("\r")
        assert shown.end() == 0
    assert "nothing was answered" in shown.text
    note = cli("runs", "show", run, "-o", "json").json["note"]
    assert not note or "approved" not in note


@pytest.mark.parametrize(
    ("env", "colored"),
    [
        pytest.param({}, True, id="a terminal"),
        pytest.param({"NO_COLOR": "1"}, False, id="NO_COLOR"),
        pytest.param({"TERM": "dumb"}, False, id="a dumb terminal"),
    ],
)
@pytest.mark.parametrize("words", [["plan", "autopilots"], ["--help"], ["plan"]], ids=str)
def test_colour(folder: Path, words: list[str], env: dict[str, str], colored: bool) -> None:
    with terminal(*words, folder=folder, env=env) as shown:
        shown.end()
    assert bool(re.search(r"\x1b\[[0-9;]*3[0-9]m", shown.text)) is colored


class _Screen:
    def __init__(self, *, terminal: bool) -> None:
        self.parts: list[str] = []
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal

    def write(self, text: str) -> None:
        self.parts.append(text)

    def flush(self) -> None:
        """Nothing is held back."""


class TestProgress:
    """What takes long is said, and wiped away."""

    @staticmethod
    def shown(monkeypatch: pytest.MonkeyPatch, *, terminal: bool, patience: float) -> list[str]:
        screen = _Screen(terminal=terminal)
        monkeypatch.setattr("reconciler.cli.progress._PATIENCE", patience)
        monkeypatch.setattr("reconciler.cli.progress._STEP", 0.01)
        monkeypatch.setattr(sys, "stderr", screen)
        with progress("applying 2 changes"):
            if terminal and not patience:
                eventually(lambda: screen.parts)
        monkeypatch.undo()
        return screen.parts

    def test_on_a_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        parts = self.shown(monkeypatch, terminal=True, patience=0)
        assert "applying 2 changes" in parts[0]
        assert parts[-1] == "\r\x1b[K"

    @pytest.mark.parametrize(
        ("terminal", "patience"),
        [
            pytest.param(True, 60.0, id="what is quick says nothing"),
            pytest.param(False, 0.0, id="nor is anything said to a file"),
        ],
    )
    def test_nothing(
        self, monkeypatch: pytest.MonkeyPatch, terminal: bool, patience: float
    ) -> None:
        assert self.shown(monkeypatch, terminal=terminal, patience=patience) == []

"""The command line in this process: arguments in, exit code and both outputs back."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.main import run_cli

BOT = """\
apiVersion: autopilots/v1
kind: Agent
metadata: {name: bot}
spec:
  runtime: {type: worker}
"""


def autopilot(name: str, *, title: str = "A title", more: str = "", metadata: str = "") -> str:
    """A manifest; `more` is added to its spec, `metadata` to its metadata, each line indented."""
    return (
        "apiVersion: autopilots/v1\n"
        "kind: Autopilot\n"
        "metadata:\n"
        f"  name: {name}\n{metadata}"
        "spec:\n"
        f"  title: {title}\n"
        "  assignee: {type: agent, id: bot}\n"
        f"{more}"
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its stdout as JSON."""
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class Cli:
    """Runs commands in a folder of its own, with no settings but those that a test gives."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch

    @classmethod
    def make(cls, folder: Path, monkeypatch: pytest.MonkeyPatch) -> "Cli":
        """Enter the folder and forget the settings of whoever runs the tests."""
        monkeypatch.chdir(folder)
        for name in [name for name in os.environ if name.upper().startswith("RECONCILER_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("COLUMNS", "100")
        return cls(folder, monkeypatch)

    def __call__(self, *arguments: str, stdin: str = "") -> Answer:
        """Run one command to its end."""
        out, err = io.StringIO(), io.StringIO()
        self.monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        with redirect_stdout(out), redirect_stderr(err):
            code = run_cli(arguments)
        return Answer(code, out.getvalue(), err.getvalue())

    def write(self, **files: str) -> None:
        """Write `autopilots/NAME.yaml` for each keyword; the name may be a path with `__`."""
        for name, text in files.items():
            path = self.folder / "autopilots" / f"{name.replace('__', '/')}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def remove(self, *names: str) -> None:
        """Remove `autopilots/NAME.yaml` for each name."""
        for name in names:
            (self.folder / "autopilots" / f"{name}.yaml").unlink()

    def apply(self, *arguments: str) -> Answer:
        """Apply what is in `autopilots`; it has to work."""
        answer = self("apply", "autopilots", "--yes", *arguments)
        assert answer.code == 0, answer.err
        return answer

    @property
    def database(self) -> Path:
        """Where the database is by default."""
        return self.folder / ".reconciler" / "state.db"


def reconciler(
    *arguments: str, folder: Path, env: Mapping[str, str] | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own, from outside."""
    return subprocess.run(
        [sys.executable, "-m", "reconciler", *arguments],
        cwd=folder,
        env=environment(env),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of a process: ours without settings, the package on its path."""
    kept = {name: v for name, v in os.environ.items() if not name.startswith("RECONCILER_")}
    root = str(Path(__file__).parents[2])
    return {**kept, "PYTHONPATH": root, "COLUMNS": "100", **(more or {})}

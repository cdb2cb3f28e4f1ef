"""Files and folders that may not be read or written: a sentence, and never a traceback."""

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import BOT, environment, reconciler
from tests.support.each_command import run_each

READING = (
    ["plan", "autopilots"],
    ["drift"],
    ["export"],
    ["history"],
    ["runs"],
    ["next", "one"],
    ["why", "one"],
    ["webhook", "url", "one/ci"],
)
WRITING = (
    ["apply", "autopilots", "--yes"],
    ["run", "one"],
    ["pause", "--all"],
    ["adopt", "Agent", "bot"],
    ["serve", "autopilots", "--port", "0"],
)
_PR_CAPBSET_DROP = 24
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1, 2


def _obey() -> None:
    """Runs in the child: root obeys permissions, too, from the next exec on."""
    if os.getuid() == 0:
        for capability in (_DAC_OVERRIDE, _DAC_READ_SEARCH):
            ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Manifests that are applied; permissions are given back at the end."""
    (tmp_path / "autopilots").mkdir()
    (tmp_path / "autopilots" / "bot.yaml").write_text(BOT)
    assert reconciler("apply", "autopilots", "--yes", folder=tmp_path).returncode == 0
    yield tmp_path
    (tmp_path / ".reconciler").chmod(0o755)


def refused(folder: Path) -> dict[str, str]:
    """What each command says, all of which fail."""
    ended = run_each((*READING, *WRITING), folder, before=_obey)
    for typed, command in ended.items():
        assert command.code == 1, (typed, command.out, command.err)
        assert "Traceback" not in command.err, command.err
    return {typed: command.err for typed, command in ended.items()}


def test_a_database_that_may_only_be_read(folder: Path) -> None:
    for file in (folder / ".reconciler").iterdir():
        file.chmod(0o400)
    (folder / ".reconciler").chmod(0o500)
    for typed, told in refused(folder).items():
        assert "read-only for this user" in told or typed.startswith("serve")


def test_a_database_in_a_folder_that_may_not_be_entered(folder: Path) -> None:
    (folder / ".reconciler").chmod(0)
    for told in refused(folder).values():
        assert "Permission denied" in told


def test_manifests_that_may_not_be_read(folder: Path) -> None:
    (folder / "autopilots" / "bot.yaml").chmod(0)
    done = subprocess.run(
        [sys.executable, "-m", "reconciler", "validate", "autopilots"],
        cwd=folder,
        env=environment(),
        preexec_fn=_obey,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (3, False)

"""Whole processes, timed: the best of several, since other work can only make them slower."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

PYTHON = sys.executable
RECONCILER = (PYTHON, "-m", "reconciler")
_DROPPED = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")
"""An installed program has its bytecode, and its output is buffered."""


class Best(NamedTuple):
    """The least seconds of several processes, and the most memory that one of them had, in MiB."""

    seconds: float
    peak: float


def best_of(
    times: int,
    command: Sequence[str],
    *,
    folder: Path | None = None,
    before: Callable[[], None] = lambda: None,
    codes: Sequence[int] = (0,),
) -> Best:
    """Run a command several times; output goes nowhere. `before` runs before each."""
    took = []
    for _ in range(times):
        before()
        took.append(_run(command, folder, codes))
    return Best(min(one.seconds for one in took), max(one.peak for one in took))


def _run(command: Sequence[str], folder: Path | None, codes: Sequence[int]) -> Best:
    with tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=_environment(), stdout=subprocess.DEVNULL, stderr=errors
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        assert process.returncode in codes, (command, process.returncode, errors.read()[-2000:])
        return Best(seconds, usage.ru_maxrss / 1024)


def _environment() -> dict[str, str]:
    """Our variables without settings, and the package on the path."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _DROPPED and not name.startswith("RECONCILER_")
    }
    cache = Path(tempfile.gettempdir()) / "reconciler-bench-bytecode"
    return {
        **kept,
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "PYTHONPYCACHEPREFIX": str(cache),
    }

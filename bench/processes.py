"""Whole processes, timed: the best of several, since other work can only make them slower."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

PYTHON = sys.executable
RECONCILER = (PYTHON, "-m", "reconciler")
_DROPPED = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")
"""An installed program has its bytecode, and its output is buffered."""


def best_of(
    times: int,
    command: Sequence[str],
    *,
    folder: Path | None = None,
    before: Callable[[], None] = lambda: None,
    codes: Sequence[int] = (0,),
) -> float:
    """The least seconds that a command took; output goes nowhere. `before` runs before each."""
    took = []
    for _ in range(times):
        before()
        began = time.perf_counter()
        done = subprocess.run(
            command,
            cwd=folder,
            env=_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        took.append(time.perf_counter() - began)
        assert done.returncode in codes, (command, done.returncode, done.stderr[-2000:])
    return min(took)


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

"""The server's own environment: read once, then secrets are taken out of it (decision 0074).

What a process was started with stands in `/proc/PID/environ` as long as it lives, whatever it does
to its variables, and every program of the same user may read it. So the block itself is emptied.
"""

import ctypes
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from reconciler.core.manifest.checks.secrets import is_secret_variable

_OURS = "RECONCILER_"
_ENV_START = 47
_ENV_END = 48
"""Fields 50 and 51 of /proc/PID/stat, counted after the name."""
_PR_SET_DUMPABLE = 4


def take_secrets() -> Mapping[str, str]:
    """Return the environment as it was, and leave nothing secret of it in this process.

    Call it once the settings are read and before there are threads: variables are moved. What
    stays (HOME, PATH, PG… and the like) is what git, libpq and the zone data may need.
    """
    environment = dict(os.environ)
    for name, value in environment.items():
        if is_secret_variable(name) or name.upper().startswith(_OURS):
            del os.environ[name]
        else:
            os.environ[name] = value  # moved to the heap: the first block is emptied below
    _empty_first_block()
    _keep_memory_private()
    return environment


def _empty_first_block() -> None:
    """Overwrite what the kernel shows as our environment; on Linux only."""
    with suppress(OSError, IndexError, ValueError):
        fields = Path("/proc/self/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        start, end = int(fields[_ENV_START]), int(fields[_ENV_END])
        shown = Path("/proc/self/environ").read_bytes()
        # Only memory that is what we take it for is written to.
        if start and len(shown) == end - start and ctypes.string_at(start, end - start) == shown:
            ctypes.memset(start, 0, end - start)


def _keep_memory_private() -> None:
    """Let no other process of this user read our memory and open files; root still can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)

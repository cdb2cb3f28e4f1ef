"""Processes by their pid, whoever started them."""

from contextlib import suppress

import psutil


def is_gone(pid: int) -> bool:
    """Whether a process has ended, whether or not somebody asked how.

    One whose parent has ended too stays a zombie until the first process of the machine looks.
    """
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True

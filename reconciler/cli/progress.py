"""Says on a terminal what takes long, and wipes it away when it is done."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_PATIENCE = 0.7
"""Seconds before anything is shown: most work is done by then."""
_STEP = 0.1
_FRAMES = "|/-\\"
_WIPE = "\r\x1b[K"


@contextmanager
def progress(what: str) -> Iterator[None]:
    """Show `what` and the seconds gone by on stderr, where that is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    done = threading.Event()
    shown = threading.Thread(target=_show, args=(what, done), daemon=True)
    shown.start()
    try:
        yield
    finally:
        done.set()
        shown.join()


def _show(what: str, done: threading.Event) -> None:
    began = time.monotonic()
    if done.wait(_PATIENCE):
        return
    frame = 0
    while True:
        seconds = time.monotonic() - began
        sys.stderr.write(f"{_WIPE}{_FRAMES[frame % len(_FRAMES)]} {what} {seconds:.0f} s")
        sys.stderr.flush()
        frame += 1
        if done.wait(_STEP):
            sys.stderr.write(_WIPE)
            sys.stderr.flush()
            return

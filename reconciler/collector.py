"""How often Python's collector of cycles walks through everything that is alive."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_THRESHOLDS = 50_000, 1_000, 1_000
"""What is new is walked through after each 50,000 objects, so that cycles of errors go; what is
older is not."""
_lock = Lock()
_inside = 0
_before: tuple[int, int, int] = (0, 0, 0)


@contextmanager
def collecting_rarely() -> Iterator[None]:
    """Let the collector alone while many values without a cycle are made.

    Manifests and rows of a large source are millions of objects in trees. With the thresholds that
    Python starts with a third of the time goes into walking through them in vain. Any number of
    threads may be inside; the last one to leave puts the thresholds back.
    """
    global _inside, _before
    with _lock:
        if _inside == 0:
            _before = gc.get_threshold()
            # A caller that collects nothing, or even more rarely, is left alone.
            if gc.isenabled() and 0 < _before[0] < _THRESHOLDS[0]:
                gc.set_threshold(*_THRESHOLDS)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                gc.set_threshold(*_before)


def spare_what_lives() -> None:
    """Leave all that is alive now out of every later walk.

    A server calls this once it is built: its modules are hundreds of thousands of objects that live
    as long as the process, and each full walk through them would take a tenth of a second.
    """
    gc.freeze()

"""Memory that a round of reconciling needed goes back to the system after it."""

import ctypes
import gc
import sys


def release_memory() -> None:
    """Collect cycles and give free pages back, where the C library can (glibc).

    Manifests and rows of a large source take a hundred megabytes for some seconds. The allocator
    would keep them for ever, as they lie between what stays.
    """
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)

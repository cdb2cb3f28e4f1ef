"""Notices that files below a folder changed, and says "look"."""

from collections.abc import Callable
from pathlib import Path

from watchfiles import Change, awatch

from reconciler.manifest.files import SUFFIXES

QUIET = 200
"""Milliseconds without another change, after which a burst of them is taken to be over."""


async def watch_path(path: Path, look: Callable[[], None]) -> None:
    """Call `look` after each burst of changes to manifests below `path`, for ever."""

    def is_manifest(_change: Change, name: str) -> bool:
        return name.endswith(SUFFIXES)

    async for _changes in awatch(path, watch_filter=is_manifest, debounce=1000, step=QUIET):
        look()

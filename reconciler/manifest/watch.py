"""Notices that something below a folder changed, and says "look".

What changed does not matter: a folder may be renamed, or a mounted ConfigMap may turn a link
round, without a manifest's name among the changes. Looking once too often is harmless.
"""

from collections.abc import Callable
from pathlib import Path

from watchfiles import Change, awatch

QUIET = 200
"""Milliseconds without another change, after which a burst of them is taken to be over."""


async def watch_path(path: Path, notify: Callable[[], None]) -> None:
    """Call `look` after each burst of changes below `path`, for ever.

    What git does to its own folder is not looked at: a fetch writes there and changes no file.
    """

    def outside_git(_change: Change, name: str) -> bool:
        return ".git" not in Path(name).parts

    async for _changes in awatch(path, watch_filter=outside_git, debounce=1000, step=QUIET):
        notify()

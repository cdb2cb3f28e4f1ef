"""Changes below a folder are noticed."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.manifest.watch import watch_path

Change = Callable[[Path], object]


async def noticed(folder: Path, change: Change) -> bool:
    """Whether a change is noticed within some seconds, repeating it until the watch stands."""
    looked = asyncio.Event()
    watch = asyncio.create_task(watch_path(folder, looked.set))
    try:
        for _ in range(50):
            change(folder)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(looked.wait(), 0.2)
                return True
        return False
    finally:
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch


def edit(folder: Path) -> None:
    (folder / "a.yaml").write_text("a: 1\n")


def rename_a_folder(folder: Path) -> None:
    one, other = folder / "one", folder / "other"
    one, other = (other, one) if other.exists() else (one, other)
    one.mkdir(exist_ok=True)
    one.rename(other)


def turn_a_link(folder: Path) -> None:
    link = folder / "..data"
    new = folder / "..new"
    new.symlink_to("..2026" if not link.exists() else "..2027")
    new.rename(link)


@pytest.mark.parametrize("change", [edit, rename_a_folder, turn_a_link])
def test_noticed(tmp_path: Path, change: Change) -> None:
    assert asyncio.run(noticed(tmp_path, change))

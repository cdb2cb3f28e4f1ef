"""One changed file among thousands, pushed or written: how long until a server has applied it.

A bare repository, a clone that pushes, and `reconciler serve --git` in processes of their own. Each
round commits and pushes an edit of one file and calls `POST /v1/reconcile`, as a forge does. Beside
it the least that anybody needs for it: the same `git fetch` into a bare clone. Then the same files
as a folder that is watched, where each round writes one file.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from bench.scale import write_folder
from bench.webhooks import _used, running
from tests.support.git import GitFolder
from tests.support.ports import free_port

PATIENCE = 120.0
PAUSE = 0.05
"""Seconds between two questions: more of them would cost the server more than the push."""
ONE = Path("autopilots") / "team-1" / "a00001.yaml"
"""The file that is edited."""


def applied(base: str) -> str:
    """The revision in force."""
    sources = httpx.get(f"{base}/v1/status", timeout=60).json().get("sources") or [{}]
    return str((sources[0].get("applied") or {}).get("revision"))


def await_applied(base: str, commit: str) -> float:
    """Seconds until this commit is in force."""
    began = time.monotonic()
    while applied(base) != commit:
        assert time.monotonic() - began < PATIENCE, f"{commit} was not applied"
        time.sleep(PAUSE)
    return time.monotonic() - began


def await_another(base: str, before: str) -> str:
    """Wait until another revision than this one is in force; return it."""
    began = time.monotonic()
    while (now := applied(base)) in (before, "None"):
        assert time.monotonic() - began < PATIENCE, f"nothing but {before} was applied"
        time.sleep(PAUSE)
    return now


def fetched(mirror: Path) -> float:
    """Seconds of a `git fetch`."""
    began = time.monotonic()
    command = ["git", "fetch", "--quiet", "origin", "+main:main"]
    subprocess.run(command, cwd=mirror, check=True)
    return time.monotonic() - began


def shown(what: str, seconds: list[float]) -> str:
    """The middle one and the latest of a hundred."""
    ordered = sorted(seconds)
    p50, p99 = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
    return f"{what:<34} p50 {p50 * 1e3:6.0f} ms  p99 {p99 * 1e3:6.0f} ms"


@contextmanager
def serving(folder: Path, *source: str) -> Iterator[tuple[psutil.Process, str]]:
    """A server that follows this source, and its address."""
    port, site = free_port(), folder / f"site-{free_port()}"
    site.mkdir()
    command = [sys.executable, "-m", "reconciler", "serve", *source, "--port", str(port)]
    settings = {
        "RECONCILER_DATABASE": f"sqlite:///{site}/state.db",
        "RECONCILER_KEY_FILE": f"{site}/server.key",
        "RECONCILER_GIT_DIR": f"{folder}/mirrors",
        "RECONCILER_LOG_FORMAT": "json",
    }
    with running(command, port, site, **settings) as process:
        yield process, f"http://127.0.0.1:{port}"


def edit(path: Path, number: int) -> None:
    """Change a title."""
    path.write_text(path.read_text().replace("title: ", f"title: {number} ", 1))


def pushed(folder: Path, work: GitFolder, pushes: int) -> None:
    """Print the figures of a repository."""
    remote = GitFolder.bare(folder / "remote.git")
    work.git("remote", "add", "origin", str(remote.folder))
    work.git("push", "--quiet", "origin", "main")
    mirror = folder / "mirror"
    clone = ["git", "clone", "--quiet", "--bare", str(remote.folder), str(mirror)]
    subprocess.run(clone, check=True)
    url = f"file://{remote.folder}"
    with serving(folder, "--git", url, "--path", "autopilots") as (process, base):
        await_applied(base, work.git("rev-parse", "HEAD"))
        ours, least = [], []
        used = _used(process)
        for number in range(pushes):
            edit(work.folder / ONE, number)
            work.git("commit", "--quiet", "-a", "-m", f"edit {number}")
            work.git("push", "--quiet", "origin", "main")
            httpx.post(f"{base}/v1/reconcile", timeout=60).raise_for_status()
            ours.append(await_applied(base, work.git("rev-parse", "HEAD")))
            least.append(fetched(mirror))
        took = (_used(process) - used) / pushes
        resident = process.memory_info().rss / 2**20
    print(shown("pushed until applied", ours))
    print(shown("git fetch of the same push", least))
    ratio = sorted(ours)[len(ours) // 2] / sorted(least)[len(least) // 2]
    held = sum(file.stat().st_size for file in (folder / "mirrors").rglob("*") if file.is_file())
    print(
        f"{ratio:.1f} x the fetch; {took:.2f} s CPU a push; {resident:.0f} MiB of memory afterwards"
    )
    print(f"the mirror: {held / 2**20:.1f} MiB on the disk")


def written(folder: Path, work: GitFolder, edits: int) -> None:
    """Print the figures of a folder."""
    with serving(folder, str(work.folder / "autopilots")) as (process, base):
        before = await_another(base, "None")
        ours = []
        used = _used(process)
        for number in range(edits):
            edit(work.folder / ONE, number)
            began = time.monotonic()
            before = await_another(base, before)
            ours.append(time.monotonic() - began)
        took = (_used(process) - used) / edits
    print(shown("written until applied", ours) + f"  {took:.2f} s CPU an edit")


def measure(folder: Path, autopilots: int, rounds: int) -> None:
    """Print the figures."""
    work = GitFolder.make(folder / "work")
    write_folder(work.folder / "autopilots", autopilots)
    work.git("add", "-A")
    work.git("commit", "--quiet", "-m", "all of them")
    pushed(folder, work, rounds)
    written(folder, work, rounds)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--autopilots", type=int, default=10_000)
    parser.add_argument("--pushes", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        measure(Path(name), options.autopilots, options.pushes)


if __name__ == "__main__":
    main()

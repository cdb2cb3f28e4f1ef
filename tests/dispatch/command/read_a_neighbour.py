"""Two processes of one user: one is a server, the other one tries to read what it holds.

Run as root by test_choices.py; both become `nobody`.
"""

import ctypes
import os
from pathlib import Path

from reconciler.control.access.environment import take_secrets

NOBODY = 65534
_PR_SET_DUMPABLE = 4


def _become_nobody() -> None:
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)  # as a process that began as nobody


def _read(pid: int, name: str) -> str:
    try:
        with Path(f"/proc/{pid}/{name}").open("rb") as file:
            if name == "mem":
                return "read"
            return "read, the secret is there" if b"s3cret-value" in file.read() else "read"
    except OSError as error:
        return type(error).__name__


def _neighbour(server: int, when: str) -> None:
    if (pid := os.fork()) == 0:
        _become_nobody()
        for name in ("environ", "mem"):
            print(f"{when} {name}: {_read(server, name)}", flush=True)  # noqa: T201
        os._exit(0)
    os.waitpid(pid, 0)


def main() -> None:
    """The parent stays root; the server is a child, told by pipes when to go on."""
    ready, into_ready = os.pipe()
    go, into_go = os.pipe()
    if (server := os.fork()) == 0:
        _become_nobody()
        os.write(into_ready, b"1")
        os.read(go, 1)
        take_secrets()
        os.write(into_ready, b"2")
        os.read(go, 1)
        print(f"HOME={os.environ['HOME']}", flush=True)  # noqa: T201
        os._exit(0)
    os.read(ready, 1)
    _neighbour(server, "before")
    os.write(into_go, b"1")
    os.read(ready, 1)
    _neighbour(server, "after")
    shown = Path(f"/proc/{server}/environ").read_bytes().strip(b"\0")
    print(f"after as root: {len(shown)} bytes but NUL", flush=True)  # noqa: T201
    os.write(into_go, b"2")
    os.waitpid(server, 0)


if __name__ == "__main__":
    main()

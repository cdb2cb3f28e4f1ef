"""Runs the `git` program: never asks, never waits for ever, starts nothing that a repository names.

Only plumbing is used on what a repository holds: porcelain such as `git log` may start programs
that the repository's own configuration names. The repository is always named, never discovered by
git: a folder of manifests may hold what looks like one (docs/plan.md#git).
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

from reconciler.core.base.errors import Unavailable
from reconciler.core.base.masking import mask
from reconciler.manifest.load.checkpoint import Checkpoint, proceed

LOCAL_SECONDS = 60.0
REMOTE_SECONDS = 300.0
_CHECK_SECONDS = 0.25
"""Between two calls of a checkpoint while git works."""
_PROTOCOLS = "file:git:http:https:ssh"
_CONFIG = (
    "safe.bareRepository=explicit",
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.pager=cat",
    "core.attributesFile=/dev/null",
    "core.alternateRefsCommand=true",
    "core.quotePath=false",
    "gc.autoDetach=false",
    "maintenance.autoDetach=false",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
)
_LOCAL_CONFIG = ("protocol.allow=never", "credential.helper=", "core.sshCommand=false")
"""A command that needs no network reaches none, whatever remote the repository names."""
# A hook that calls us has these set for another repository.
_FOREIGN = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_CEILING_DIRECTORIES",
    "GIT_EXTERNAL_DIFF",
    "GIT_TRACE",
)


class GitFailed(Unavailable):
    """git does not do what was asked; the message is what it said, without credentials."""

    code = "git-failed"

    def __init__(self, message: str, status: int = -1) -> None:
        self.status = status
        super().__init__(mask(message))


def git(
    git_dir: Path,
    *arguments: str,
    remote: bool = False,
    seconds: float = LOCAL_SECONDS,
    checkpoint: Checkpoint = proceed,
    variables: Mapping[str, str] = {},
) -> bytes:
    """What git prints about the repository whose `.git` folder is `git_dir`.

    Only with `remote` may it speak with others; `variables` go into its environment. Raises
    GitFailed, also when git takes longer than `seconds`. What `checkpoint` raises ends git.
    """
    variables = {**variables, **_pinned(git_dir)}
    return _output(
        git_dir, arguments, variables, remote=remote, seconds=seconds, checkpoint=checkpoint
    )


def git_at(top: Path, *arguments: str) -> bytes:
    """What git prints in a folder that has a `.git` of its own; it looks no further up.

    Here git checks who owns the repository (`safe.directory`), which it does not where `GIT_DIR`
    names it. Raises GitFailed.
    """
    ceiling = {"GIT_CEILING_DIRECTORIES": str(top.parent)}
    return _output(top, arguments, ceiling, remote=False, seconds=LOCAL_SECONDS)


def _pinned(git_dir: Path) -> dict[str, str]:
    # The work tree is never read; naming one overrides `core.worktree` and `core.bare`.
    return {"GIT_DIR": str(git_dir), "GIT_WORK_TREE": str(git_dir)}


def _output(
    folder: Path,
    arguments: Sequence[str],
    variables: Mapping[str, str],
    *,
    remote: bool,
    seconds: float,
    checkpoint: Checkpoint = proceed,
) -> bytes:
    process = _start(folder, arguments, variables, subprocess.DEVNULL, subprocess.PIPE, remote)
    try:
        output, messages = _communicate(process, seconds, checkpoint)
    except subprocess.TimeoutExpired:
        _stop(process)
        process.communicate()
        message = f"git {arguments[0]} took longer than {seconds:.0f} seconds"
        raise GitFailed(message) from None
    except BaseException:
        _stop(process)
        process.communicate()
        raise
    if process.returncode != 0:
        text = messages.decode("utf-8", "replace").strip() or f"git {arguments[0]} failed"
        raise GitFailed(text, process.returncode)
    return output


def _communicate(
    process: "subprocess.Popen[bytes]", seconds: float, checkpoint: Checkpoint
) -> tuple[bytes, bytes]:
    until = time.monotonic() + seconds
    while True:
        checkpoint()
        remaining = until - time.monotonic()
        try:
            return process.communicate(timeout=max(0.0, min(_CHECK_SECONDS, remaining)))
        except subprocess.TimeoutExpired:  # what was read so far is kept for the next call
            if remaining <= _CHECK_SECONDS:
                raise


class Objects:
    """Reads objects one after the other, from one process."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self.used = time.monotonic()
        """When the last object was asked for, or given."""

    def read(self, oid: str) -> tuple[str, bytes]:
        """Type and content of an object. Raises GitFailed for one that is not there."""
        self.used = time.monotonic()
        try:
            return self._read(oid)
        finally:
            self.used = time.monotonic()

    def _read(self, oid: str) -> tuple[str, bytes]:
        into, out = self._process.stdin, self._process.stdout
        if into is None or out is None:
            raise GitFailed("git cat-file has no pipes")
        try:
            into.write(f"{oid}\n".encode("ascii"))
            into.flush()
            head = out.readline().split()
        except BrokenPipeError:
            head = []
        if len(head) != 3:
            raise GitFailed(f"git has no object {oid}; a partial clone lacks it, fetch it whole")
        size = int(head[2])
        content = out.read(size + 1)
        if len(content) != size + 1:
            raise GitFailed(f"git stopped while reading {oid}")
        return head[1].decode("ascii"), content[:-1]


@contextmanager
def objects(git_dir: Path, *, seconds: float = LOCAL_SECONDS) -> Iterator[Objects]:
    """A reader of the objects of a repository, stopped where nothing is read for `seconds`.

    Not after so long: what is read is parsed in between, and a large source takes its time.
    """
    arguments = ("cat-file", "--batch")
    variables = _pinned(git_dir)
    process = _start(git_dir, arguments, variables, subprocess.PIPE, subprocess.DEVNULL)
    reader, done = Objects(process), Event()

    def watch() -> None:
        while not done.wait(max(0.0, reader.used + seconds - time.monotonic())):
            if time.monotonic() >= reader.used + seconds:
                _stop(process)
                return

    Thread(target=watch, name="git-objects", daemon=True).start()
    try:
        yield reader
    finally:
        done.set()
        _stop(process)
        # What was not sent any more has nowhere to go.
        with suppress(BrokenPipeError):
            process.communicate()


def _start(
    folder: Path,
    arguments: Sequence[str],
    variables: Mapping[str, str],
    stdin: int,
    stderr: int,
    remote: bool = False,
) -> "subprocess.Popen[bytes]":
    config = _CONFIG if remote else (*_CONFIG, *_LOCAL_CONFIG)
    settings = (part for setting in config for part in ("-c", setting))
    try:
        return subprocess.Popen(
            ["git", "--no-pager", "--no-optional-locks", *settings, *arguments],
            cwd=folder,
            env={**_environment(remote=remote), **variables},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        )
    except FileNotFoundError:
        missing = f"there is no folder {folder}" if not folder.is_dir() else "git is not installed"
        raise GitFailed(missing) from None
    except (OSError, ValueError) as error:
        raise GitFailed(f"git cannot be started: {error}") from None


def _environment(*, remote: bool) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    return {
        "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
        **inherited,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
        "SSH_ASKPASS_REQUIRE": "never",
        "GIT_ALLOW_PROTOCOL": _PROTOCOLS if remote else "none",
        "GIT_PROTOCOL_FROM_USER": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "LC_ALL": "C.UTF-8",
    }


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """git and what it started: ssh and the like would otherwise go on without it."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return

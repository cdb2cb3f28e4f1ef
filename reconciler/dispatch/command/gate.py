"""A program started behind a gate: it executes nothing before its handle is recorded.

Between the start of a process and the record of its pid a server may be killed, and the program
would run on with nobody knowing of it. So what is started first is a shell that waits for one line
on its stdin and then becomes the program. If the server dies before it writes that line, the pipe
ends and so does the shell: there is no work without a record (decision 0035).

The shell is only the gate. Program and arguments are passed to it as a list and never parsed.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.dispatch.command.processes import Leader, identify

SHELL = "/bin/sh"
NAME = "reconciler-gate"
# A shell puts PWD and SHLVL into the environment by itself; nothing is passed on but what is named.
SCRIPT = 'read -r _ && unset PWD OLDPWD SHLVL && exec "$@"'
EXEC_FAILED = (126, 127)
"""What a shell exits with when it cannot become the program."""


@dataclass(frozen=True, slots=True)
class Gate:
    """A process that waits for its line. `stdin` and `stdout` are our ends of its pipes."""

    process: subprocess.Popen[bytes]
    leader: Leader
    stdin: int
    stdout: int

    def shut(self) -> None:
        """Let it end without having done anything, and reap it."""
        os.close(self.stdin)
        os.close(self.stdout)
        self.process.wait()


def open_gate(program: Path, args: Sequence[str], env: Mapping[str, str], cwd: str | None) -> Gate:
    """Start the gate in a session of its own, stdout and stderr in one pipe.

    Raises OSError or ValueError with the cause when it cannot be started.
    """
    here, out_of_it, into_it, there = _pipes()
    try:
        process = subprocess.Popen(
            [SHELL, "-c", SCRIPT, NAME, str(program), *args],
            executable=SHELL,
            stdin=here,
            stdout=there,
            stderr=there,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
        )
    except BaseException:
        os.close(into_it)
        os.close(out_of_it)
        raise
    finally:
        os.close(here)
        os.close(there)
    # Not reaped before we ask for it: the process is there, at the least as a zombie.
    return Gate(process, identify(process.pid), into_it, out_of_it)


def _pipes() -> tuple[int, int, int, int]:
    here, into_it = os.pipe()
    try:
        out_of_it, there = os.pipe()
    except OSError:
        os.close(here)
        os.close(into_it)
        raise
    return here, out_of_it, into_it, there


def exec_failure(status: int, output: str) -> str | None:
    """What the gate said when it could not become the program; None if the program did run."""
    first = output.partition("\n")[0]
    if status not in EXEC_FAILED or not first.startswith(f"{NAME}: "):
        return None
    return first.rpartition(": ")[2]

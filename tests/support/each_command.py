"""Many commands, each in a process of its own that begins where the first one's imports ended.

What a command does is what counts here, not how Python starts: that is most of what one costs.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.cli import environment

_PROGRAM = """
import json, os, sys
from importlib import import_module
from reconciler.cli import main

for lazy in main.COMMANDS.values():
    if "serve" not in lazy.target:
        import_module(lazy.target.partition(":")[0])
fault, cases = json.loads(sys.argv[1])
codes = []
for number, arguments in enumerate(cases):
    child = os.fork()
    if not child:
        for descriptor, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{name}-{number}", os.O_WRONLY | os.O_CREAT), descriptor)
        match fault.split():
            case ["closed", descriptor]:
                os.close(int(descriptor))
                setattr(sys, ("stdin", "stdout", "stderr")[int(descriptor)], None)
            case ["full", descriptor]:
                os.dup2(os.open("/dev/full", os.O_WRONLY), int(descriptor))
        sys.argv = ["reconciler", *arguments]
        main.main()
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(json.dumps(codes))
"""


@dataclass
class Ended:
    """How one command ended."""

    code: int
    out: bytes
    err: str


def run_each(
    cases: Sequence[Sequence[str]],
    folder: Path,
    fault: str = "none",
    env: Mapping[str, str] | None = None,
    before: Callable[[], None] | None = None,
) -> dict[str, Ended]:
    """Run each case in the folder, one after the other; the results by what was typed.

    `fault` is `closed` or `full` and a descriptor; `before` is called before Python starts.
    """
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, json.dumps([fault, cases])],
        cwd=folder,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        preexec_fn=before,
        check=True,
    )
    return {
        " ".join(case): Ended(
            code,
            (folder / f"out-{number}").read_bytes(),
            (folder / f"err-{number}").read_text("utf-8", "replace"),
        )
        for number, (case, code) in enumerate(zip(cases, json.loads(done.stdout), strict=True))
    }

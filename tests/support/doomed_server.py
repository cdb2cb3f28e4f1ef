"""A server process that starts one command and is killed at a chosen moment.

`python -m tests.support.doomed_server PROGRAM RUN_ID MOMENT`: with MOMENT `recording` it kills
itself while the handle is being recorded, with `running` it stays until it is killed. It prints
the handle's detail as one line of JSON.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from reconciler.dispatch.base import Handle
from reconciler.dispatch.command.runtime import Commands
from tests.dispatch.builders import a_job, command


async def _serve(program: Path, run_id: str, moment: str) -> None:
    async def record(handle: Handle) -> None:
        print(json.dumps(dict(handle.detail)), flush=True)  # noqa: T201 - this is the output
        if moment == "recording":
            os.kill(os.getpid(), signal.SIGKILL)

    await Commands({"agent": program}, folder=program.parent / "runs").start(
        a_job(command(), run_id=run_id), record
    )
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))

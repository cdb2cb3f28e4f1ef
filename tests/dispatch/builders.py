"""Jobs with good defaults; a test says only what it is about."""

import stat
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from reconciler.core.manifest.model import ExecutionMode
from reconciler.core.manifest.runtime import CliRuntime, CommandRuntime
from reconciler.core.manifest.runtime import Runtime as RuntimeSpec
from reconciler.core.runs.run import Outcome
from reconciler.dispatch.base import Ended, Handle, Job, Observation, Runtime, Started
from tests.support.eventually import eventually_async

PROMPT = "Read the issues opened since yesterday and label them."


def a_job(runtime: RuntimeSpec, **changes: Any) -> Job:
    """A first attempt in mode `create_session`, with an hour to go."""
    run_id = changes.pop("run_id", None) or str(uuid.uuid4())
    run = {
        "id": run_id,
        "workspace": "platform",
        "autopilot": "nightly-triage",
        "source": "schedule",
        "trigger": "weekdays",
        "status": "pending",
        "title": "Nightly issue triage",
        "scheduledFor": "2026-12-01T09:00:00Z",
        "payload": changes.pop("payload", None),
    }
    fields: dict[str, Any] = {
        "run_id": run_id,
        "mode": ExecutionMode.CREATE_SESSION,
        "agent": "triage-bot",
        "workspace": "platform",
        "title": "Nightly issue triage",
        "prompt": PROMPT,
        "run": run,
        "runtime": runtime,
        "attempt": 1,
        "deadline": datetime.now(UTC) + timedelta(hours=1),
    }
    return Job(**fields | changes)


def command(program: str = "agent", **fields: Any) -> CommandRuntime:
    """The runtime of a manifest that names `program`."""
    return CommandRuntime.model_validate({"type": "command", "program": program} | fields)


def coding_agent(agent: str = "claude", work_dir: str = "/srv", **fields: Any) -> CliRuntime:
    """The runtime of a manifest that names a coding agent; its program is `agent`."""
    runtime = {"type": "cli", "agent": agent, "program": "agent", "workDir": work_dir}
    return CliRuntime.model_validate(runtime | fields)


def script(folder: Path, text: str, name: str = "agent") -> Path:
    """An executable file; without a `#!` line it is one of the shell's."""
    path = folder / name
    path.write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


class Recorder:
    """Stands where the runner writes a run's handle; keeps what it was given."""

    def __init__(self) -> None:
        self.handles: list[Handle] = []

    async def __call__(self, handle: Handle) -> None:
        self.handles.append(handle)

    @property
    def last(self) -> Handle:
        """What the row holds now."""
        return self.handles[-1]


async def poll(runtime: Runtime, job: Job, handle: Handle) -> Observation:
    """One look at one run."""
    seen: Mapping[str, Observation] = await runtime.observe([(job, handle)])
    assert set(seen) == {job.run_id}
    return seen[job.run_id]


async def outcome(runtime: Runtime, job: Job, recorder: Recorder | None = None) -> Outcome:
    """Start the job and follow it to its end."""
    recorder = recorder or Recorder()
    match await runtime.start(job, recorder):
        case Ended(ended):
            return ended
        case Started(handle):

            async def ended_now() -> Outcome | None:
                seen = await poll(runtime, job, handle)
                return seen.outcome if isinstance(seen, Ended) else None

            found = await eventually_async(ended_now)
            assert found is not None
            return found
        case other:
            raise AssertionError(other)


def lines(text: object) -> Sequence[str]:
    """A result's lines."""
    assert isinstance(text, str)
    return text.splitlines()

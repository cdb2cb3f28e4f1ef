"""What a command gets: its environment and the run as JSON on stdin."""

import json
from datetime import UTC, datetime

from reconciler.core.runs.run import Json
from reconciler.dispatch.base import Job
from reconciler.dispatch.command.processes import MARK

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""So that `#!/usr/bin/env python3` finds one; the server's own PATH is not passed on."""

_FROM_RUN = {
    "RUN_AUTOPILOT": "autopilot",
    "RUN_WORKSPACE": "workspace",
    "RUN_SOURCE": "source",
    "RUN_TRIGGER": "trigger",
    "RUN_SCHEDULED_FOR": "scheduledFor",
    "RUN_TRIGGERED_AT": "triggeredAt",
    "RUN_REVISION": "revision",
}


def environment(job: Job) -> dict[str, str]:
    """All of a command's environment: PATH, what its manifest names, then the run's own variables.

    A variable whose value the run does not have is absent: a run by hand has no RUN_SCHEDULED_FOR.
    """
    run = {name: job.run.get(field) for name, field in _FROM_RUN.items()}
    return {
        "PATH": PATH,
        **job.env,
        **{name: str(value) for name, value in run.items() if value is not None},
        MARK: job.run_id,
        "RUN_AGENT": job.agent,
        "RUN_WORKSPACE": job.workspace,
        "RUN_MODE": job.mode.value,
        "RUN_ATTEMPT": str(job.attempt),
        "RUN_DEADLINE": _rfc3339(job.deadline),
    }


def stdin(job: Job) -> bytes:
    """One line of JSON: the run as the API shows it, and `prompt`. Raises ValueError."""
    document: dict[str, Json] = {**job.run, "id": job.run_id, "prompt": job.prompt}
    try:
        return json.dumps(document).encode("ascii") + b"\n"
    except (TypeError, RecursionError) as error:
        raise ValueError(f"the run cannot be written as JSON: {error}") from error


def prompt_of(job: Job) -> bytes:
    """The prompt as it is, for programs that read a text."""
    return job.prompt.encode("utf-8", "replace")


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

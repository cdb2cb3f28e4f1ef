"""Runs of the agents in `examples/agents/`, sent to where a test has the other side."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from reconciler.core.manifest.model import Agent
from reconciler.core.manifest.runtime import HttpRuntime
from reconciler.dispatch.base import Job
from reconciler.manifest.load.load import load_path
from tests.dispatch.builders import a_job
from tests.support.clock import FakeClock

FOLDER = Path(__file__).parents[2] / "examples/agents"


def example_job(name: str, host: str, base: str, clock: FakeClock, **changes: Any) -> Job:
    """A run of the example's agent, with `base` in the place of its `host`."""
    with TemporaryDirectory() as folder:
        text = (FOLDER / f"{name}.yaml").read_text().replace(host, base)
        (Path(folder) / "agent.yaml").write_text(text)
        (declared,) = load_path(Path(folder), source_id="x").objects.values()
    spec = Agent.model_validate(declared.document).spec.runtime
    assert isinstance(spec, HttpRuntime)
    headers = {
        header: value if isinstance(value, str) else "Bearer key"
        for header, value in spec.headers.items()
    }
    deadline = clock.now().replace(year=clock.now().year + 1)
    return a_job(spec, headers=headers, deadline=deadline, **changes)

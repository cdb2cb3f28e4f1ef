"""docs/runtimes.md says what the code does."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from reconciler.core.manifest.coding_agents import OPTIONS, Options
from reconciler.core.manifest.headers import is_reserved
from reconciler.core.manifest.model import Agent
from reconciler.core.manifest.runtime import (
    A2aRuntime,
    AegisRuntime,
    CliRuntime,
    CommandRuntime,
    HttpRuntime,
    WorkerRuntime,
)
from reconciler.dispatch.command.input import PATH, environment
from tests.dispatch.builders import a_job, command

PAGE = (Path(__file__).parents[2] / "docs/runtimes.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_each_example_is_a_manifest(block: str) -> None:
    Agent.model_validate(YAML(typ="safe", pure=True).load(block))


def test_every_runtime_has_an_example() -> None:
    agents = [Agent.model_validate(YAML(typ="safe", pure=True).load(block)) for block in BLOCKS]
    kinds = {type(agent.spec.runtime) for agent in agents}
    assert kinds == {
        A2aRuntime,
        AegisRuntime,
        CliRuntime,
        CommandRuntime,
        HttpRuntime,
        WorkerRuntime,
    }


def test_the_table_of_variables_is_whole() -> None:
    job = a_job(command())
    run = {**job.run, "triggeredAt": "2026-12-01T09:00:00Z", "revision": "abc"}
    given = environment(a_job(command(), run=run))
    assert set(re.findall(r"`(RUN_[A-Z_]+)`", PAGE)) == given.keys() - {"PATH"}
    assert f"`{PATH}`" in PAGE


@pytest.mark.parametrize("options", OPTIONS.values(), ids=lambda options: str(options.agent))
def test_the_table_of_coding_agents_is_whole(options: Options) -> None:
    (row,) = re.findall(rf"^\| `{options.agent}` \|(.*)\|$", PAGE, re.MULTILINE)
    modes, default, fields, args = (re.findall(r"`([^`]+)`", cell) for cell in row.split("|"))
    assert (modes, args) == ([*options.modes], [*options.extra])
    assert {*fields} == {*options.fields}
    assert {*default} <= {*options.modes}


@pytest.mark.parametrize("name", ["Host", "Content-Type", "Idempotency-Key"])
def test_the_headers_that_are_ours(name: str) -> None:
    assert f"`{name}`" in PAGE
    assert is_reserved(name)

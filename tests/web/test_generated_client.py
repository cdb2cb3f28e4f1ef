"""The description of the API is valid, and a client that is generated from it understands us.

The generator wants an older typer than the commands do, so it is installed for itself.
"""

import importlib
import inspect
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from reconciler.core.runs.run import Run
from reconciler.dispatch.base import Written
from reconciler.web.app import OPERATIONS
from reconciler.web.http.openapi import description, operation_id, webhook_path
from reconciler.web.pages.reference import WEBHOOK
from tests.support.missing import missing
from tests.support.rig import Rig, agent, autopilot, id_of, schedule, webhook
from tests.support.web import Web

GENERATOR = "openapi-python-client==0.29.1"
NAME = "generated_client"
STREAMS = {"get_events"}


@pytest.fixture(scope="module")
def document() -> Any:
    """The description as clients read it."""
    return json.loads(json.dumps(description(OPERATIONS, {WEBHOOK: webhook_path()})))


def test_the_description_is_valid(document: Any) -> None:
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


@pytest.fixture(scope="module")
def client_module(document: Any, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """A client that was generated from the description, imported."""
    folder = tmp_path_factory.mktemp("client")
    tool, source, target = folder / "tool", folder / "openapi.json", folder / NAME
    source.write_text(json.dumps(document))
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(tool)]
    if subprocess.run([*pip, GENERATOR], capture_output=True, check=False).returncode != 0:
        missing(GENERATOR)
    arguments = ["generate", "--path", source, "--output-path", target, "--meta", "none"]
    done = subprocess.run(
        [sys.executable, "-m", "openapi_python_client", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(tool)},
        capture_output=True,
        text=True,
        check=True,
    )
    dropped = [line for line in done.stdout.splitlines() if "Unable" in line or "Cannot" in line]
    assert dropped == [], "operations or answers that the generator left out"
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(NAME)
    finally:
        sys.path.remove(str(folder))


def _module(client_module: ModuleType, operation: Any) -> Any:
    name = operation_id(operation)
    (path,) = (Path(str(client_module.__file__)).parent / "api").rglob(f"{_snake(name)}.py")
    return importlib.import_module(f"{NAME}.api.{path.parent.name}.{path.stem}")


def _snake(name: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name)


def test_every_operation_has_a_function(client_module: ModuleType) -> None:
    for operation in OPERATIONS:
        assert callable(_module(client_module, operation).sync_detailed)


async def _written(_run: Run, _after: str | None) -> Written:
    return Written("begun", "5.0")


def test_what_the_server_answers_is_understood(rig: Rig, web: Web, client_module: Any) -> None:
    rig.apply(agent(), autopilot("triage", schedule(), webhook(), maxConcurrency=9))
    run = rig.launch(payload={"n": 1})
    rig.tick(minutes=1)
    trigger = rig.triggers()["hook"].id
    web.more["output"] = _written
    with (
        web.served() as url,
        client_module.Client(base_url=url, raise_on_unexpected_status=True) as client,
    ):
        asked = 0
        for operation in OPERATIONS:
            if operation.method != "GET" or operation_id(operation) in STREAMS:
                continue
            call = _module(client_module, operation).sync_detailed
            values: dict[str, Any] = {"client": client}
            wanted = inspect.signature(call).parameters
            if "id" in wanted:
                values["id"] = _uuid(run.id if "/runs/" in operation.path else id_of("triage"))
            if "number" in wanted:
                values["number"] = 1
            if "trigger_id" in wanted and "{triggerId}" in operation.path:
                values["trigger_id"] = _uuid(trigger)
            if operation.path == "/v1/audit":
                now = rig.clock.now()
                values |= {"from_": now - timedelta(hours=1), "to": now}
            if "cron" in wanted:
                values["cron"] = "0 9 * * *"
            if "/deliveries/{id}" in operation.path:
                values["id"] = _uuid(run.id)
            answer = call(**values)
            assert answer.parsed is not None, operation.path
            assert answer.status_code in (200, 404), operation.path
            asked += 1
    assert asked > 15


def _uuid(text: str) -> UUID:
    return UUID(text)

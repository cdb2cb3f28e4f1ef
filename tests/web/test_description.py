"""The description of the API is true: requests made from it, right and wrong, meet what it says."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.routing import Route

from reconciler.control.access.tokens import Tokens
from reconciler.core.access.token_hash import token_hash
from reconciler.store.engine.database import Database
from reconciler.web.app import OPERATIONS, api_and_pages
from reconciler.web.http.openapi import description, operation_id
from tests.support.clock import FakeClock
from tests.support.rig import Rig, agent, autopilot, manifest, schedule, webhook
from tests.support.web import Web
from tests.web.conftest import Ask

ADMIN = "rct_admin"


@pytest.fixture(scope="module")
def described(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with something of everything in it."""
    folder, clock = tmp_path_factory.mktemp("described"), FakeClock()
    path = shutil.copy(sqlite_template, folder / "state.db")
    tokens = folder / "tokens.toml"
    tokens.write_text(
        f'[[token]]\nname = "admin"\nrole = "admin"\nsha256 = "{token_hash(ADMIN)}"\n'
    )
    with Database.open(f"sqlite:///{path}", clock=clock.now) as database:
        rig = Rig(database, clock)
        triggers = (schedule("*/7 * * * *"), webhook(), {"name": "call", "kind": "api"})
        rig.apply(
            agent(),
            manifest("Squad", "crew", {"members": ["bot"]}),
            autopilot("triage", *triggers, concurrencyPolicy="queue"),
        )
        rig.tick(hours=1)
        rig.launch(payload={"a": 1})
        with Web(rig, authority=Tokens(tokens, clock)).served() as url:
            yield url
        rig.close()


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    """One connection for all."""
    with requests.Session() as session:
        yield session


def takes_anything(operation: Any) -> bool:
    """Whether there is something that could be wrong with a request."""
    parameters = (operation.path_parameters, operation.query, operation.headers, operation.body)
    return any(len(one) for one in parameters)


API = schemathesis.openapi.from_dict(description(OPERATIONS))
MEANING = {
    "cron-invalid", "cron-never-fires", "timezone-unknown", "cursor-invalid", "stretch-invalid",
    "lease-token-missing", "invalid-manifests", "bundle-invalid",
}  # fmt: skip
"""Refusals of what has the right form: a schema cannot tell what it means."""
ENDLESS = "/v1/events"
EACH = [
    pytest.param(operation, mode, id=f"{operation.label}, {mode.value}")
    for operation in (result.ok() for result in API.get_all_operations())  # type: ignore[union-attr]
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    if operation.path != ENDLESS and (mode is GenerationMode.POSITIVE or takes_anything(operation))
]
OPEN = {f"{one.method} {one.path}" for one in OPERATIONS if one.role is None}


@pytest.mark.parametrize("token", [ADMIN, None], ids=["admin", "nobody"])
@pytest.mark.parametrize(("operation", "mode"), EACH)
def test_requests_meet_what_is_described(
    operation: Any, mode: Any, token: str | None, described: str, session: requests.Session
) -> None:
    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=8,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def each(case: Any) -> None:
        if not isinstance((case.query or {}).get("label", []), list):
            return  # on the wire one value looks like a list of one
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = case.call_and_validate(
            base_url=described,
            session=session,
            headers=headers,
            excluded_checks=[positive_data_acceptance],
        )
        if token is None and operation.label not in OPEN:
            assert 400 <= answer.status_code < 500, answer.text
            assert mode is not GenerationMode.POSITIVE or answer.status_code == 401
        elif mode is GenerationMode.POSITIVE and answer.status_code in (400, 422):
            assert answer.json()["code"] in MEANING, answer.json()

    each()


def test_every_address_below_v1_is_described(described: str, web: Web) -> None:
    served = {route.path for route in api_and_pages(web.context).routes if isinstance(route, Route)}
    paths = requests.get(f"{described}/openapi.json", timeout=10).json()["paths"]
    api = {path for path in served if path.startswith("/v1")} | {"/v1/webhooks/{token}"}
    assert {path for path in paths if path.startswith("/v1")} == api


def test_the_page_shows_every_operation_and_loads_nothing_from_elsewhere(ask: Ask) -> None:
    page = ask("GET", "/docs").text
    for operation in OPERATIONS:
        assert f"<code>{operation.path}</code>" in page
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)


def test_operations_have_names_of_their_own() -> None:
    names = [operation_id(one) for one in OPERATIONS]
    assert len(set(names)) == len(names)

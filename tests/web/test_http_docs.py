"""What docs/http.md and docs/dashboard.md say is true."""

import re
from pathlib import Path

from reconciler.control.access.tokens_file import read_tokens_file
from reconciler.core.access.roles import Role
from reconciler.core.runs.condition import Health
from reconciler.web.app import OPERATIONS
from reconciler.web.pages.app import page_routes
from tests.support.pages import ROOT, blocks, code, table
from tests.support.web import Web

HTTP = ROOT / "docs" / "http.md"
HINT = "POST /v1/runs/{id}/hint"
DASHBOARD = ROOT / "docs" / "dashboard.md"


def test_every_endpoint_is_listed_with_its_role() -> None:
    said = {code(row[0])[0]: row[1] for row in table(HTTP, "endpoint")}
    assert said.pop("POST /v1/webhooks/{token}") == "the token"
    asked = {f"{one.method} {one.path}": one.role for one in OPERATIONS}
    assert said.pop(HINT) == "the token of its hints"
    assert asked.pop(HINT) is Role.WORKER  # checked by a token that opens nothing else
    assert said == {name: role.value if role else "open" for name, role in asked.items()}


def test_every_role_is_explained() -> None:
    assert [row[0] for row in table(HTTP, "role")] == [role.value for role in Role]


def test_every_health_is_explained() -> None:
    assert {code(row[0])[0] for row in table(DASHBOARD, "word")} == {one.value for one in Health}


def test_every_page_is_listed(web: Web) -> None:
    shown = {
        re.sub(r"ID|WORKSPACE|NAME", lambda match: f"{{{match[0].lower()}}}", code(row[0])[0])
        for row in table(DASHBOARD, "page")
    }
    paths = {
        route.path
        for route in page_routes(web.context)
        if "GET" in (getattr(route, "methods", None) or ()) and route.path != "/login"
    }
    assert shown == paths | {"/docs"}


def test_the_tokens_files_that_are_shown_load(tmp_path: Path) -> None:
    found = blocks(HTTP, "toml")
    assert len(found) == 3
    for number, block in enumerate(found):
        path = tmp_path / f"{number}.toml"
        path.write_text(block.text)
        read_tokens_file(path)


def test_codes_that_are_named_are_answered() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "reconciler" / "web").rglob("*.py"))
    for name in re.findall(r"\d{3} `([a-z-]+)`", HTTP.read_text()):
        assert f'"{name}"' in sources

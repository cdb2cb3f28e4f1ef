"""Short commands import what they need and no more: that is what their start-up time is made of."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli import BOT, environment

_SCRIPT = """
import json, sys
from reconciler.cli.main import run_cli
sys.stdout = open("/dev/null", "w")
code = run_cli(sys.argv[1:])
sys.__stdout__.write(json.dumps([code, sorted(sys.modules)]))
"""
SERVER = {"starlette", "uvicorn", "httpx", "jinja2", "prometheus_client", "cryptography", "psutil"}
STATE = {"sqlalchemy", "alembic", "psycopg", "pydantic_settings"}

SHOWN = {"rich", "pygments", "jinja2", "markdown_it", "reconciler.web.pages"}
"""What only people look at: a server has no use for it until somebody opens a page."""


def imported(folder: Path, *words: str, **env: str) -> set[str]:
    """The modules that a command imports."""
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, *words],
        cwd=folder,
        env=environment(env),
        capture_output=True,
        text=True,
        check=True,
    )
    code, modules = json.loads(done.stdout)
    assert code == 0, done.stderr
    return set(modules)


@pytest.mark.parametrize(
    ("words", "spared"),
    [
        pytest.param(["--version"], SERVER | STATE | {"rich", "ruamel", "croniter"}, id="version"),
        pytest.param(
            ["--help"],
            SERVER | STATE | {"ruamel", "croniter", "reconciler.core.manifest.model"},
            id="help",
        ),
        pytest.param(
            ["validate", "agent.yaml"], SERVER | STATE | {"rich", "asyncio"}, id="validate"
        ),
        pytest.param(["schema", "squad"], SERVER | STATE | {"rich", "asyncio"}, id="schema"),
        pytest.param(
            ["pause", "--help"], SERVER | STATE | {"ruamel", "asyncio"}, id="pause --help"
        ),
        pytest.param(
            ["serve", "--help"], SERVER | STATE | {"ruamel", "asyncio"}, id="serve --help"
        ),
        pytest.param(
            ["plan", "."],
            SERVER
            | {"alembic", "psycopg", "rich", "reconciler.core.plan.planfile", "cron_descriptor"},
            id="plan",
        ),
        pytest.param(
            ["serve", "--print-settings"],
            SHOWN | {"alembic", "psycopg", "a2a", "apprise", "jwt", "jsonschema"},
            id="serve",
        ),
    ],
)
def test_a_command_spares(tmp_path: Path, words: list[str], spared: set[str]) -> None:
    (tmp_path / "agent.yaml").write_text(BOT)
    assert imported(tmp_path, *words) & spared == set()


def test_the_process_that_writes_deliveries_spares_what_a_server_needs(tmp_path: Path) -> None:
    script = "import sys, reconciler.control.webhooks.writer_worker; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment({}),
        capture_output=True,
        text=True,
        check=True,
    )
    modules = set(done.stdout.split())
    assert "sqlalchemy" in modules
    assert modules & (SERVER - {"psutil"} | SHOWN | {"alembic", "psycopg", "structlog"}) == set()


def test_completing_a_name_imports_no_command(tmp_path: Path) -> None:
    script = """
import sys
from reconciler.cli.main import run_cli
try:
    run_cli([])
finally:
    loaded = [name for name in sys.modules if name.startswith("reconciler.")]
    sys.stderr.write(" ".join(sorted(loaded)))
"""
    words = {"COMP_WORDS": "reconciler p", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment({**words, "_RECONCILER_COMPLETE": "complete_bash"}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["plan", "pause"]
    assert set(done.stderr.split()) == {
        "reconciler.cli",
        "reconciler.cli.console",
        "reconciler.cli.lazy",
        "reconciler.cli.main",
        "reconciler.cli.streams",
        "reconciler.core",
        "reconciler.core.base",
        "reconciler.core.base.errors",
        "reconciler.core.base.invisible",
        "reconciler.core.base.safe_text",
    }

"""Folders for real servers, on SQLite and on PostgreSQL."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.postgres import Server
from tests.support.process import Serving, Site, site
from tests.support.rig import autopilot, schedule, webhook

QUICK = {"RECONCILER_LEASE": "2s", "RECONCILER_LOG_FORMAT": "json"}
"""Leases are short, so that a dead server is soon found out."""


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Site]:
    """A site on each kind of database."""
    with site(_folder(tmp_path), database_url, **QUICK) as made:
        yield made


@pytest.fixture
def sqlite_site(tmp_path: Path) -> Iterator[Site]:
    """A site on a new SQLite file: the server migrates it itself."""
    with site(_folder(tmp_path), f"sqlite:///{tmp_path}/state.db", **QUICK) as made:
        yield made


@pytest.fixture
def postgres_site(postgres: Server, tmp_path: Path) -> Iterator[Site]:
    """A site on PostgreSQL, where several servers share the work."""
    with postgres.fresh() as url, site(_folder(tmp_path), url, **QUICK) as made:
        yield made


@pytest.fixture(
    scope="module",
    params=[pytest.param("sqlite"), pytest.param("postgresql", marks=pytest.mark.postgres)],
)
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Site, Serving]]:
    """One server for all tests of a module, with an autopilot for each of them."""
    folder = tmp_path_factory.mktemp("site")
    with ExitStack() as stack:
        if request.param == "sqlite":
            url = f"sqlite:///{folder}/state.db"
            shutil.copy(request.getfixturevalue("sqlite_template"), folder / "state.db")
        else:
            url = stack.enter_context(request.getfixturevalue("postgres").fresh())
        made = stack.enter_context(site(folder, url, **QUICK, RECONCILER_POLL_INTERVAL="1h"))
        made.write("all.yaml", made.agent(), *_AUTOPILOTS)
        made.write("edited.yaml", autopilot("edited"))
        yield made, made.serve()


def _folder(path: Path) -> Path:
    folder = path / "site"
    folder.mkdir()
    return folder


_AUTOPILOTS = (
    autopilot("clock", schedule(None, every="1s")),
    autopilot(
        "books",
        schedule(None, "quick", every="1s"),
        schedule(None, "slow", every="2s"),
        concurrencyPolicy="queue",
    ),
    autopilot("hooks", webhook()),
    autopilot("hand"),
)

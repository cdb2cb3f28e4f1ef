"""Fixtures that many tests share: a fresh database, once on SQLite and once on PostgreSQL."""

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from reconciler.store.engine.database import Database
from tests.support.postgres import Server, find_binaries, running
from tests.support.statements import share_compiled_statements

# The same examples in every run, so that what fails says something about the change under test;
# `make soak` looks for new ones. How long an example takes says how busy the machine is.
settings.register_profile(
    "suite",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
        HealthCheck.data_too_large,
    ],
)
settings.register_profile(
    "explore", settings.get_profile("suite"), derandomize=False, print_blob=True
)
settings.load_profile("suite")

share_compiled_statements()

_LONGEST_FIRST = ("tests/e2e/", "tests/cli/", "tests/ci/")
"""Folders whose tests start processes: what is long and comes last keeps one worker only busy."""


# A fifth of the suite's CPU went into looking through thousands of tests for garbage.
gc.set_threshold(10_000, 20, 20)


def pytest_collection_finish() -> None:
    """Leave what was collected out of every later garbage collection."""
    gc.collect()
    gc.freeze()


def pytest_xdist_auto_num_workers() -> int:
    """`-n auto`: half as many again as there are CPUs, as many tests wait for processes."""
    return len(os.sched_getaffinity(0)) * 3 // 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort what is long to the front, so that all workers end at about the same time."""

    def place(item: pytest.Item) -> int:
        begins = [n for n, folder in enumerate(_LONGEST_FIRST) if item.nodeid.startswith(folder)]
        return begins[0] if begins else len(_LONGEST_FIRST)

    items.sort(key=place)


BOTH = [pytest.param("sqlite"), pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server of this test process, with a migrated template database.

    Where Debian's package is missing the tests are skipped, but never in CI.
    """
    binaries = find_binaries()
    if binaries is None:
        sentence = "PostgreSQL is not installed (Debian: apt install postgresql)"
        if os.environ.get("CI", "").lower() in ("", "0", "false"):
            pytest.skip(sentence)
        pytest.fail(sentence)
    with running(binaries) as server:
        with Database.open(server.create("migrated")) as database:
            database.migrate()
        server.template = "migrated"
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("template") / "state.db"
    with Database.open(f"sqlite:///{path}") as database:
        database.migrate()
    return path


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a migrated database that holds nothing, on each kind of server."""
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")
        yield f"sqlite:///{shutil.copy(template, tmp_path / 'state.db')}"
    else:
        server: Server = request.getfixturevalue("postgres")
        with server.fresh() as url:
            yield url


@pytest.fixture(params=BOTH)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without tables, on each kind of server."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'state.db'}"
    else:
        server: Server = request.getfixturevalue("postgres")
        with server.fresh(migrated=False) as url:
            yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated database that holds nothing, on each kind of server."""
    with Database.open(database_url) as opened:
        yield opened

"""The rig on both databases, for what the store reads and writes of runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.store.engine.database import Database
from tests.support.clock import FakeClock
from tests.support.rig import Rig


@pytest.fixture
def rig(database_url: str) -> Iterator[Rig]:
    """A system whose clock stands still, on SQLite and on PostgreSQL."""
    clock = FakeClock()
    with Database.open(database_url, clock=clock.now) as database:
        one = Rig(database, clock)
        yield one
        one.close()


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Without rows and statistics, as a new server plans."""
    path: Path = tmp_path_factory.mktemp("plans")
    with Database.open(f"sqlite:///{path / 'state.db'}") as database:
        database.migrate()
        yield database

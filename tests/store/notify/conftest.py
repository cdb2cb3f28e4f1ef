"""A fresh rig for each example."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path

import pytest

from reconciler.store.engine.database import Database
from tests.support.clock import FakeClock
from tests.support.postgres import Server
from tests.support.rig import Rig

Fresh = Callable[[], AbstractContextManager[Rig]]


@contextmanager
def _opened(url: str) -> Iterator[Rig]:
    clock = FakeClock()
    with Database.open(url, clock=clock.now) as database:
        system = Rig(database, clock)
        yield system
        system.close()


@pytest.fixture(scope="module")
def fresh_sqlite(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    """Rigs on SQLite."""
    folder, numbers = tmp_path_factory.mktemp("outboxes"), count()

    @contextmanager
    def fresh() -> Iterator[Rig]:
        path = Path(shutil.copy(sqlite_template, folder / f"{next(numbers)}.db"))
        with _opened(f"sqlite:///{path}") as rig:
            yield rig
        path.unlink()

    return fresh


@pytest.fixture(scope="module")
def fresh_postgres(postgres: Server) -> Fresh:
    """Rigs on PostgreSQL."""

    @contextmanager
    def fresh() -> Iterator[Rig]:
        with postgres.fresh() as url, _opened(url) as rig:
            yield rig

    return fresh

"""The rig on both databases."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from itertools import count
from pathlib import Path

import pytest

from reconciler.control.evaluation.evaluator import Evaluator
from reconciler.store.engine.database import Database
from tests.support.clock import FakeClock
from tests.support.postgres import Server
from tests.support.rig import Rig

Fresh = Callable[[datetime], AbstractContextManager[Rig]]
"""A context that gives a rig on an empty database, whose clock begins at that moment."""


@pytest.fixture
def rig(database_url: str) -> Iterator[Rig]:
    """A system whose clock stands still, on SQLite and on PostgreSQL."""
    clock = FakeClock()
    with Database.open(database_url, clock=clock.now) as database:
        system = Rig(database, clock)
        yield system
        system.close()


@pytest.fixture(scope="module")
def evaluator() -> Iterator[Evaluator]:
    """One evaluator for all examples."""
    one = Evaluator()
    yield one
    one.close()


@pytest.fixture(scope="module")
def on_sqlite(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, evaluator: Evaluator
) -> Fresh:
    """Rigs on SQLite, one for each example."""
    folder, numbers = tmp_path_factory.mktemp("properties"), count()

    @contextmanager
    def fresh(at: datetime) -> Iterator[Rig]:
        path = Path(shutil.copy(sqlite_template, folder / f"{next(numbers)}.db"))
        with opened(f"sqlite:///{path}", at, evaluator) as rig:
            yield rig
        path.unlink()

    return fresh


@pytest.fixture(scope="module")
def on_postgres(postgres: Server, evaluator: Evaluator) -> Fresh:
    """Rigs on PostgreSQL, one for each example."""

    @contextmanager
    def fresh(at: datetime) -> Iterator[Rig]:
        with postgres.fresh() as url, opened(url, at, evaluator) as rig:
            yield rig

    return fresh


@contextmanager
def opened(url: str, at: datetime, evaluator: Evaluator) -> Iterator[Rig]:
    """A rig on a database that was just made."""
    clock = FakeClock(at)
    with Database.open(url, clock=clock.now) as database:
        yield Rig(database, clock, evaluator)

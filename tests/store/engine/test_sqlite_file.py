"""The file under a running process: deleted, replaced, damaged, or known by two names."""

import asyncio
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.core.base.errors import Locked, Unavailable
from reconciler.store.engine.database import Database, Tx
from reconciler.store.engine.schema import touch
from reconciler.store.servers import Server, register

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path, sqlite_template: Path) -> Path:
    """A migrated file."""
    return Path(shutil.copy(sqlite_template, tmp_path / "state.db"))


def opened(path: Path) -> Database:
    return Database.open(f"sqlite:///{path}", create=False)


def write(tx: Tx) -> None:
    """Some row; each has another id."""
    register(tx, Server(os.urandom(8).hex(), "host", 1, "http://127.0.0.1", NOW, NOW))


def delete(path: Path) -> None:
    """As `rm` does."""
    path.unlink()


def replace(path: Path) -> None:
    """As restoring a backup does."""
    copy = path.with_name("copy.db")
    shutil.copy(path, copy)
    copy.replace(path)


def delete_the_folder(path: Path) -> None:
    """The whole of it."""
    shutil.rmtree(path.parent)


@pytest.mark.parametrize(
    ("lose", "sentence"),
    [
        pytest.param(delete, "was deleted", id="deleted"),
        pytest.param(replace, "was replaced", id="replaced"),
        pytest.param(delete_the_folder, "was deleted", id="folder deleted"),
    ],
)
def test_no_write_into_a_lost_file_succeeds(
    path: Path, lose: Callable[[Path], None], sentence: str
) -> None:
    with opened(path) as database:
        database.write(write)
        database.check()
        lose(path)
        for _ in range(2):
            with pytest.raises(Unavailable, match=sentence):
                database.write(write)
        assert database.write_trouble is not None
        with pytest.raises(Unavailable, match=sentence):
            database.check()
        assert database.outage is not None


def test_a_file_lost_during_a_transaction(path: Path) -> None:
    """It is committed, and nobody hears that it was."""

    def write_and_delete(tx: Tx) -> None:
        write(tx)
        path.unlink()

    with opened(path) as database, pytest.raises(Unavailable, match="was deleted"):
        database.write(write_and_delete)


def test_a_turn_of_another_process_fails_with_the_file(path: Path) -> None:
    async def body(database: Database) -> None:
        async with database.turn():
            delete(path)

    with opened(path) as database, pytest.raises(Unavailable, match="was deleted"):
        asyncio.run(body(database))


def test_a_symbolic_link_may_stay(path: Path) -> None:
    link = path.with_name("link.db")
    link.symlink_to(path)
    with opened(link) as database:
        database.write(write)
        database.check()


def test_once_damage_was_seen_nothing_is_written(path: Path) -> None:
    with opened(path) as database:
        database.write(write)
    whole = path.read_bytes()
    page = 4096
    path.write_bytes(whole[:page] + b"\xff" * (len(whole) - page))
    with opened(path) as database:
        with pytest.raises(Unavailable, match="damaged"):
            database.read(touch)
        path.write_bytes(whole)  # sound again, for all that can be seen now
        with pytest.raises(Unavailable, match="nothing is written any more"):
            database.write(write)
        assert database.outage is not None
    with opened(path) as restarted:
        restarted.write(write)


def test_a_second_name_is_refused(path: Path) -> None:
    with opened(path) as database, database.serve_lock("http://127.0.0.1:1"):
        other = path.with_name("other.db")
        os.link(path, other)
        with pytest.raises(Unavailable, match="2 names"):
            opened(other)
        database.write(write)


def test_the_lock_of_a_server_belongs_to_the_file(path: Path) -> None:
    """Whatever leads to it, as a bind mount of the file alone does."""
    with opened(path) as first, opened(path) as second, first.serve_lock("http://127.0.0.1:1"):
        path.with_name("state.db.serve.lock").unlink()
        with (
            pytest.raises(Locked, match="another `serve` runs"),
            second.serve_lock("http://127.0.0.1:2"),
        ):
            pass
        first.write(write)
    with opened(path) as third, third.serve_lock("http://127.0.0.1:3"):
        pass

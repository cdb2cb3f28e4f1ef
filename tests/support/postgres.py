"""A PostgreSQL server for tests: Debian's binaries, a folder of its own, loopback, no fsync."""

import ctypes
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil
import psycopg

from tests.support.eventually import eventually
from tests.support.ports import free_port

USER = "reconciler"
START_SECONDS = 60
_PR_SET_PDEATHSIG = 1
_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "100",
    "shared_buffers": "32MB",
    "autovacuum": "off",
}


def find_binaries() -> Path | None:
    """The folder of `initdb` and `postgres`: the newest of Debian's, else the one in PATH."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parts[-3])
    )
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


_CUT_OFF = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_SHAPE = """
SELECT c.relname, c.relkind, a.attname, a.atttypid, a.attnotnull, pg_get_expr(d.adbin, d.adrelid)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
UNION ALL
SELECT conname, 'c', pg_get_constraintdef(c.oid), 0, false, NULL
FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace AND n.nspname = 'public'
UNION ALL
SELECT version_num, 'v', NULL, 0, false, NULL FROM alembic_version
ORDER BY 1, 2, 3
"""
_EMPTY = """
DO $$
DECLARE one record;
BEGIN
  SET LOCAL session_replication_role = replica;
  FOR one IN SELECT tablename FROM pg_tables
             WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
    EXECUTE format('DELETE FROM public.%I', one.tablename);
  END LOOP;
  FOR one IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' LOOP
    EXECUTE format('ALTER SEQUENCE public.%I RESTART', one.sequencename);
  END LOOP;
END $$
"""


def _shape(connection: psycopg.Connection[Any]) -> object:
    """Tables, columns, indexes, sequences, constraints and the migration of a database."""
    return connection.execute(_SHAPE).fetchall()


@dataclass
class Server:
    """A running server. `template` is copied by `fresh`, and the copies are used again."""

    port: int
    postmaster: "Postmaster | None" = None
    template: str = "template0"
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _clean: list[str] = field(default_factory=list)
    _cleaners: dict[str, psycopg.Connection[Any]] = field(default_factory=dict)

    def url(self, database: str) -> str:
        """The URL of one of its databases."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str, template: str = "template0") -> str:
        """Make a database and give its URL."""
        self._execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
        return self.url(database)

    @contextmanager
    def fresh(self, *, migrated: bool = True) -> Iterator[str]:
        """The URL of a database for one test; whoever is still connected afterwards is cut off.

        A migrated one is emptied afterwards and given to the next test, which takes a tenth of the
        time of a new one; unless the test changed more than rows.
        """
        reusable = migrated and self.template != "template0"
        if reusable and self._clean:
            name = self._clean.pop()
        else:
            name = f"test_{next(self._numbers)}"
            self.create(name, self.template if migrated else "template0")
        try:
            yield self.url(name)
        finally:
            if reusable and self._emptied(name):
                self._clean.append(name)
            else:
                self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop every process of the server: connections open, and nobody answers."""
        assert self.postmaster is not None
        # The postmaster first, or it would start others in the place of those that stop. The
        # signal is sent before it has stopped: until then it may be forking.
        first = psutil.Process(self.postmaster.pid)
        first.suspend()
        eventually(lambda: first.status() == psutil.STATUS_STOPPED)
        processes = [first, *first.children(recursive=True)]
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in reversed(processes):
                with suppress(psutil.NoSuchProcess):
                    process.resume()

    def restart(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop and start it: SIGINT cuts everybody off, SIGQUIT is a crash."""
        assert self.postmaster is not None
        self.postmaster.stop(number)
        self.postmaster.start()

    def _emptied(self, name: str) -> bool:
        """Cut off whoever is connected and delete all rows; False where the tables changed.

        The connection is kept for the next time: what PostgreSQL learnt about the tables is in it.
        """
        connection = self._cleaners.pop(name, None)
        try:
            if connection is not None:
                connection.execute(_CUT_OFF)
        except psycopg.OperationalError:  # a test cut off everybody, or restarted the server
            if connection is not None:
                connection.close()
            connection = None
        if connection is None:
            connection = psycopg.connect(self.url(name), autocommit=True)
            connection.execute(_CUT_OFF)
        if _shape(connection) != self._template_shape:
            connection.close()
            return False
        connection.execute(_EMPTY)
        self._cleaners[name] = connection
        return True

    def forget(self) -> None:
        """Close what was kept."""
        for connection in self._cleaners.values():
            connection.close()
        self._cleaners.clear()

    @cached_property
    def _template_shape(self) -> object:
        with psycopg.connect(self.url(self.template), autocommit=True) as connection:
            return _shape(connection)

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def running(binaries: Path) -> Iterator[Server]:
    """Start a server; it stops with the block, and should this process be killed, with it."""
    folder = Path(tempfile.mkdtemp(prefix="reconciler-postgres-"))
    try:
        user = _unprivileged(folder)
        data, log = folder / "data", folder / "log"
        _initdb(binaries, data, user)
        postmaster = Postmaster(binaries, data, free_port(), user, log)
        try:
            postmaster.start()
            server = Server(postmaster.port, postmaster)
            try:
                yield server
            finally:
                server.forget()
        finally:
            postmaster.stop(signal.SIGINT)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged(folder: Path) -> int | None:
    """Neither initdb nor postgres runs as root: then they run as somebody who owns the folder."""
    if os.getuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = names.get("postgres") or names["nobody"]
    os.chown(folder, user.pw_uid, user.pw_gid)
    return user.pw_uid


def _initdb(binaries: Path, data: Path, user: int | None) -> None:
    command = [str(binaries / "initdb"), "-D", str(data), "-U", USER]
    options = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
    subprocess.run(
        [*command, *options], check=True, capture_output=True, cwd=data.parent, user=user
    )


@dataclass
class Postmaster:
    """The process of a server, which may be started several times on one folder of data."""

    binaries: Path
    data: Path
    port: int
    user: int | None
    log: Path
    _process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        settings = {**_OPTIONS, "port": str(self.port)}
        options = [part for item in settings.items() for part in ("-c", "=".join(item))]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(self.binaries / "postgres"), "-D", str(self.data), *options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.data.parent,
                user=self.user,
                preexec_fn=_die_with_parent,
            )
        _await(self._process, self.port, self.log)

    def stop(self, number: signal.Signals) -> None:
        """End it: SIGINT is a "fast" shutdown, which waits for no client; SIGQUIT is a crash."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(START_SECONDS)


def _die_with_parent() -> None:
    """Runs in the child: a test run that is killed leaves no server behind."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            psycopg.connect(Server(port).url("postgres")).close()
        except psycopg.OperationalError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text(errors='replace')}")

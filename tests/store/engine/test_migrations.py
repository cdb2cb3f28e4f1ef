"""The migrations make just the tables that the code declares, safely, on both databases."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from reconciler.core.base.errors import Conflict, Unavailable
from reconciler.store.engine.database import Database, Schema, Tx
from reconciler.store.engine.schema import HISTORY, MIGRATIONS
from reconciler.store.tables import metadata

_SET_VERSION = text("UPDATE alembic_version SET version_num = :version")


def test_history_in_the_code_is_the_history_in_the_files() -> None:
    script = ScriptDirectory(str(MIGRATIONS))
    found = [revision.revision for revision in script.walk_revisions()]
    assert tuple(reversed(found)) == HISTORY


def test_autogenerate_finds_nothing_to_do(database: Database) -> None:
    def differences(tx: Tx) -> list[Any]:
        return list(compare_metadata(MigrationContext.configure(tx), metadata))

    assert database.read(differences) == []


def _definitions(tx: Tx) -> list[str]:
    """Every table, constraint and index in the database's own words."""
    if tx.dialect.name == "sqlite":
        query = "SELECT type || ' ' || name || ': ' || coalesce(sql, '') FROM sqlite_master"
    else:
        query = """
            SELECT conrelid::regclass || ' ' || conname || ': ' || pg_get_constraintdef(oid)
              FROM pg_constraint WHERE connamespace = 'public'::regnamespace
            UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
            UNION ALL SELECT table_name || '.' || column_name || ': ' || data_type || ' '
                   || is_nullable || ' ' || coalesce(column_default, '') || ' '
                   || coalesce(character_maximum_length::text, '')
              FROM information_schema.columns WHERE table_schema = 'public'"""
    rows = tx.execute(text(query)).scalars()
    return sorted(_words(row) for row in rows if "alembic_version" not in row)


def _words(definition: str) -> str:
    """The definition with the parts of a CREATE TABLE in a fixed order: a column that was added
    later stands last."""
    head, _, body = re.sub(r"\s+", " ", definition).partition("(")
    parts = re.split(r",\s*(?![^()]*\))", body.strip().removesuffix(")"))
    if not head.strip().startswith("table"):
        return f"{head}({body}"
    return f"{head}({'; '.join(sorted(part.strip() for part in parts))}"


def test_migrated_tables_equal_the_declared_ones(database: Database) -> None:
    def make_again(tx: Tx) -> None:
        metadata.drop_all(tx)
        metadata.create_all(tx)

    migrated = database.read(_definitions)
    database.write(make_again)
    assert database.read(_definitions) == migrated


def test_migrating_again_changes_nothing(database: Database) -> None:
    before = database.read(_definitions)
    database.migrate()
    assert database.read(_definitions) == before
    assert database.schema() is Schema.CURRENT


def test_a_failing_migration_leaves_nothing(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The last statement of the migration fails, after all the tables were made."""
    broken = tmp_path / "migrations"
    (broken / "versions").mkdir(parents=True)
    (broken / "env.py").write_text((MIGRATIONS / "env.py").read_text())
    first = next((MIGRATIONS / "versions").glob("0001*.py")).read_text()
    failing = first + "\n_whole = upgrade\ndef upgrade():\n    _whole()\n    op.execute('BROKEN')\n"
    (broken / "versions" / "0001.py").write_text(failing)
    monkeypatch.setattr("reconciler.store.engine.schema.MIGRATIONS", broken)
    with Database.open(empty_database_url) as database:
        with pytest.raises(Exception, match="BROKEN"):
            database.migrate()
        assert database.schema() is Schema.MISSING
        assert database.read(_definitions) == []


_MIGRATE = """
import sys
from reconciler.store.engine.database import Database
with Database.open(sys.argv[1]) as database:
    database.migrate()
    print(database.schema())
"""


def test_several_processes_migrate_at_once(empty_database_url: str) -> None:
    command = [sys.executable, "-c", _MIGRATE, empty_database_url]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    answers = [process.communicate(timeout=60) for process in processes]
    assert [out.strip() for out, _ in answers] == ["current"] * 3, answers


@pytest.mark.parametrize(
    ("version", "sentence"),
    [
        pytest.param("9999", "a newer version of reconciler; use that version", id="newer"),
        pytest.param("0000", "run `reconciler apply` or `reconciler serve`", id="older"),
    ],
)
def test_another_version_is_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch, version: str, sentence: str
) -> None:
    monkeypatch.setattr("reconciler.store.engine.schema.HISTORY", ("0000", *HISTORY))
    database.write(lambda tx: tx.execute(_SET_VERSION, {"version": version}))
    with pytest.raises(Conflict, match=sentence):
        database.require_current_schema()


def test_a_newer_database_is_not_migrated(database: Database) -> None:
    database.write(lambda tx: tx.execute(_SET_VERSION, {"version": "9999"}))
    with pytest.raises(Conflict, match="newer version"):
        database.migrate()


def test_a_database_without_tables_says_who_makes_them(empty_database_url: str) -> None:
    with Database.open(empty_database_url, create=False) as database:
        assert database.schema() is Schema.MISSING
        with pytest.raises(Unavailable, match=r"there is no state in .* yet"):
            database.require_current_schema()


def test_current_tables_are_recognised_without_importing_alembic(database_url: str) -> None:
    code = f"import sys\n{_MIGRATE}\nprint('alembic' in sys.modules)"
    command = [sys.executable, "-c", code, database_url]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["current", "False"]


def _upgrade_to(tx: Tx, version: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = tx
    command.upgrade(config, version)


_ROWS = """
INSERT INTO manifest (digest, document) VALUES ('d', '{}');
INSERT INTO autopilot (id, workspace_id, name, labels, former_names, spec, title, description,
    assignee_type, assignee_id, execution_mode, concurrency_policy, status, created_at, updated_at)
  VALUES ('a', 'platform', 'triage', '{}', '[]', '{}', 'Triage', '', 'agent', 'bot', 'run_only',
    'skip', 'active', '2026-01-01T00:00:00.000000Z', '2026-01-01T00:00:00.000000Z');
INSERT INTO autopilot_run (id, autopilot_id, workspace_id, source, status, title, spec_digest,
    triggered_at, created_at)
  VALUES ('r', 'a', 'platform', 'manual', 'pending', 'Triage', 'd',
    '2026-01-01T00:00:00.000000Z', '2026-01-01T00:00:00.000000Z')
"""
_SUPERSEDED = text(
    "UPDATE autopilot_run SET status = 'skipped', completed_at = triggered_at, reason = :reason"
)


def test_a_table_with_rows_takes_the_words_that_came_later(empty_database_url: str) -> None:
    """Also for who had the database open before; a word that is none is refused as ever."""
    with Database.open(empty_database_url) as other, Database.open(empty_database_url) as database:
        database.write(lambda tx: _upgrade_to(tx, "0006"))
        database.write(lambda tx: [tx.execute(text(row)) for row in _ROWS.split(";")])
        with pytest.raises(IntegrityError):
            other.write(lambda tx: tx.execute(_SUPERSEDED, {"reason": "superseded"}))
        database.migrate()
        with pytest.raises(IntegrityError):
            other.write(lambda tx: tx.execute(_SUPERSEDED, {"reason": "bored"}))
        other.write(lambda tx: tx.execute(_SUPERSEDED, {"reason": "superseded"}))
        reasons = database.read(
            lambda tx: tx.execute(text("SELECT reason FROM autopilot_run")).scalars().all()
        )
        assert reasons == ["superseded"]

"""Many new rows at once, on both databases."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from reconciler.store.engine.bulk import Known, insert_rows
from reconciler.store.engine.database import Database
from reconciler.store.tables import idempotency_key, manifest, revision
from tests.support.applying import NOON, rows_of


def revisions(count: int) -> list[dict[str, object]]:
    return [
        {
            "source_id": f"source-{n}",
            "revision": "r",
            "actor": "ada\x00",
            "via": "cli",
            "result": "applied",
            "counts": {"create": n, "large": 2**70},
            "problems": [{"text": "“ü” 😀"}],
            "workspaces": [],
            "committed_at": None,
            "created_at": NOON + timedelta(microseconds=n),
        }
        for n in range(count)
    ]


def test_values_are_converted_as_for_one_row(database: Database) -> None:
    database.write(lambda tx: insert_rows(tx, revision, revisions(1200)))
    rows = rows_of(database, revision)
    assert len(rows) == 1200
    assert rows[1199]["created_at"] == NOON + timedelta(microseconds=1199)
    assert rows[1199]["counts"] == {"create": 1199, "large": 2**70}
    assert rows[7]["problems"] == [{"text": "“ü” 😀"}]
    assert rows[7]["committed_at"] is None


def test_no_rows_are_nothing_to_do(database: Database) -> None:
    database.write(lambda tx: insert_rows(tx, revision, []))
    assert rows_of(database, revision) == []


def test_what_is_known_stays_on_request(database: Database) -> None:
    first = [{"digest": "a" * 64, "document": {"first": True}}]
    second = [{"digest": "a" * 64, "document": {}}, {"digest": "b" * 64, "document": {}}]
    database.write(lambda tx: insert_rows(tx, manifest, first))
    database.write(lambda tx: insert_rows(tx, manifest, second, known=Known.UNCHANGED))
    found = database.read(lambda tx: tx.execute(select(manifest).order_by("digest")).all())
    assert [row.document for row in found] == [{"first": True}, {}]
    with pytest.raises(IntegrityError):
        database.write(lambda tx: insert_rows(tx, manifest, second))


def test_what_is_known_gets_new_values_on_request(database: Database) -> None:
    def row(key: str, run: str, delivery_id: str | None) -> dict[str, object]:
        return {
            "scope": "s",
            "key": key,
            "body_sha256": "0" * 64,
            "run_id": run,
            "delivery_id": delivery_id,
            "expires_at": NOON,
        }

    first, second = [row("a", "1", "d")], [row("a", "2", None), row("b", "2", None)]
    database.write(lambda tx: insert_rows(tx, idempotency_key, first))
    database.write(lambda tx: insert_rows(tx, idempotency_key, second, known=Known.REPLACED))
    query = select(idempotency_key).order_by("key")
    assert [row._asdict() for row in database.read(lambda tx: tx.execute(query).all())] == second


@pytest.mark.parametrize("known", list(Known))
def test_a_bad_value_is_refused_whatever_becomes_of_known_rows(
    database: Database, known: Known
) -> None:
    rows = revisions(1)
    rows[0]["result"] = "guessed"
    with pytest.raises(IntegrityError):
        database.write(lambda tx: insert_rows(tx, revision, rows, known=known))


def test_what_a_column_does_not_take_undoes_all(database: Database) -> None:
    rows = revisions(2)
    rows[1]["result"] = "guessed"
    with pytest.raises(IntegrityError):
        database.write(lambda tx: insert_rows(tx, revision, rows))
    assert rows_of(database, revision) == []

"""Reconcile: guards, stale plans, revisions and who owns what, on both databases."""

import gc
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, text, update

from reconciler.control.apply.inventory import adopt, drift, export, history
from reconciler.control.apply.reconcile import (
    Applied,
    ApplyRequest,
    apply_once,
    apply_saved,
    mark_of,
    plan_once,
    record_failure,
    see,
)
from reconciler.core.base.errors import (
    Blocked,
    Conflict,
    InvalidManifests,
    NotFound,
    Problem,
    ReconcilerError,
    StalePlan,
    UnsafePlan,
)
from reconciler.core.base.identity import Key, Revision
from reconciler.core.manifest.model import MODELS, Kind
from reconciler.core.manifest.state import Declared, Desired, FileDigest, Origin
from reconciler.core.plan.guards import Confirmations
from reconciler.core.plan.planfile import read_plan, write_plan
from reconciler.store.engine.database import Database
from reconciler.store.objects.current import fingerprint, list_objects
from reconciler.store.objects.manifests import save_documents
from reconciler.store.retention import prune_revisions
from reconciler.store.revisions.plans import plan_of_revision
from reconciler.store.revisions.revisions import (
    RevisionResult,
    Via,
    last_applied,
    last_attempt,
)
from reconciler.store.tables import agent as agent_table
from reconciler.store.tables import autopilot as autopilot_table
from reconciler.store.tables import autopilot_run
from tests.support.applying import NOON, current_of, token_hash, whole
from tests.support.worlds import agent, autopilot, desired, schedule

BOT = Key("Agent", "default", "bot")


def request(**asked: Any) -> ApplyRequest:
    return ApplyRequest(**{"actor": "ada", "via": Via.CLI, **asked})


def apply(database: Database, wanted: Desired, **asked: Any) -> Applied:
    return apply_once(database, wanted, request(**asked), token_hash=token_hash)


def named(revision: str, *objects: Declared, source: str = "default") -> Desired:
    return desired(*objects, revision=revision, source=source)


def results(database: Database) -> list[tuple[str, str]]:
    return [(entry.revision.id, entry.result.value) for entry in history(database)]


@pytest.fixture
def clocked(database_url: str) -> Iterator[Database]:
    """A database whose clock stands still."""
    with Database.open(database_url, clock=lambda: NOON) as opened:
        yield opened


class TestPlan:
    """`plan` reads and never writes."""

    def test_without_a_database_current_is_empty_and_none_is_made(self, tmp_path: Path) -> None:
        path = tmp_path / "deep" / "state.db"
        with Database.open(f"sqlite:///{path}", create=False) as database:
            plan = plan_once(database, desired(agent()))
        assert plan.summary.create == 1
        assert not path.parent.exists()

    def test_without_tables_current_is_empty_and_none_are_made(
        self, empty_database_url: str
    ) -> None:
        with Database.open(empty_database_url) as database:
            assert plan_once(database, desired(agent())).summary.create == 1
            assert database.schema().value == "missing"

    def test_tables_of_another_version_are_not_read(self, database: Database) -> None:
        database.write(lambda tx: tx.execute(text("UPDATE alembic_version SET version_num='9'")))
        with pytest.raises(Conflict, match="newer version"):
            plan_once(database, desired(agent()))

    def test_no_row_is_changed(self, database: Database) -> None:
        apply(database, desired(agent(), autopilot("x", triggers=[schedule("a")])))
        before = whole(database)
        plan_once(database, desired(autopilot("x", title="Other")))
        plan_once(database, desired(source="other"))
        assert whole(database) == before

    def test_the_sqlite_file_keeps_its_bytes(self, tmp_path: Path, sqlite_template: Path) -> None:
        path = tmp_path / "state.db"
        path.write_bytes(sqlite_template.read_bytes())
        with Database.open(f"sqlite:///{path}", create=False) as database:
            plan_once(database, desired(agent()))
        assert path.read_bytes() == sqlite_template.read_bytes()

    def test_plan_after_apply_is_empty(self, database: Database) -> None:
        wanted = desired(agent(), autopilot("x", triggers=[schedule("a")]))
        apply(database, wanted)
        assert plan_once(database, wanted).is_empty

    def test_plan_after_export_is_empty(self, database: Database) -> None:
        wanted = desired(agent(), autopilot("x", description="a\nb", triggers=[schedule("a")]))
        apply(database, wanted)
        exported = [
            Declared.of(MODELS[document["kind"]].model_validate(document), Origin("default", "x"))
            for document in export(database)
        ]
        assert plan_once(database, desired(*exported)).is_empty


class TestApply:
    """`apply` is plan + one transaction that first checks that the plan still holds."""

    def test_what_is_in_force_already_writes_nothing(self, database: Database) -> None:
        wanted = desired(agent())
        first = apply(database, wanted)
        before = whole(database)
        again = apply(database, wanted)
        assert (first.attempt is None, again.attempt) == (False, None)
        assert whole(database) == before

    def test_a_revision_without_changes_becomes_the_applied_one(self, database: Database) -> None:
        apply(database, named("r1", agent()))
        apply(database, named("r2", agent()))
        assert results(database) == [("r2", "applied"), ("r1", "applied")]

    def test_other_files_of_the_same_objects_are_noted(self, database: Database) -> None:
        apply(database, desired(agent()))
        files = (FileDigest("other.yaml", "1" * 64),)
        apply(database, desired(agent(), files=files))
        assert set(current_of(database).files) == {"other.yaml"}

    @pytest.mark.parametrize(
        "expected",
        [
            pytest.param(lambda plan, wanted: plan.digest, id="by its digest"),
            pytest.param(lambda plan, wanted: plan, id="whole"),
            pytest.param(lambda plan, wanted: read_plan(write_plan(plan, wanted)), id="saved"),
        ],
    )
    def test_a_plan_that_was_seen_is_stale_once_its_objects_moved(
        self, database: Database, expected: Callable[..., Any]
    ) -> None:
        apply(database, named("r1", agent(), agent("other")))
        wanted = named("r2", agent(limit=3), agent("other"))
        seen = expected(plan_once(database, wanted), wanted)
        apply(database, wanted, expected=seen)
        apply(database, named("r3", agent(limit=4), agent("other")))
        with pytest.raises(StalePlan):
            apply(database, wanted, expected=seen)
        assert results(database)[0] == ("r2", "refused")
        (row,) = (row for row in current_of(database).objects.values() if row.key == BOT)
        assert row.document["spec"]["maxConcurrency"] == 4

    def test_a_saved_plan_is_applied_without_its_sources(self, database: Database) -> None:
        wanted = desired(agent(), autopilot("x"))
        saved = read_plan(write_plan(plan_once(database, wanted), wanted))
        apply_saved(database, saved, request(), token_hash=token_hash)
        assert plan_once(database, wanted).is_empty

    def test_somebody_was_faster_between_plan_and_transaction(
        self, database: Database, database_url: str
    ) -> None:
        """The other apply lands just before this one's transaction begins."""
        apply(database, named("r1", agent()))

        class Slow(Database):
            def write(self, fn: Any, *, quiet: bool = False) -> Any:
                if not done:
                    done.append(1)
                    apply(database, named("r2", agent(limit=5)))
                return super().write(fn, quiet=quiet)

        done: list[int] = []
        with Slow.open(database_url) as slow, pytest.raises(StalePlan, match="Agent default/bot"):
            apply(slow, named("r3", agent(limit=7)))
        (row,) = current_of(database).objects.values()
        assert row.document["spec"]["maxConcurrency"] == 5

    def test_identical_applies_at_once_all_succeed(self, database_url: str) -> None:
        """Each finds its work done by the first one, which alone is recorded."""
        wanted = named("r1", agent(), autopilot("x"))
        errors: list[Exception] = []
        barrier = threading.Barrier(6)

        def work() -> None:
            with Database.open(database_url) as mine:
                plan = plan_once(mine, wanted)
                barrier.wait(timeout=60)
                try:
                    apply(mine, wanted, expected=plan)
                except ReconcilerError as error:
                    errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        with Database.open(database_url) as database:
            assert results(database) == [("r1", "applied")]

    def test_two_sources_at_once(self, database_url: str) -> None:
        """They wait for each other's transaction; neither is stale for the other's objects."""
        errors: list[Exception] = []

        def work(source: str) -> None:
            with Database.open(database_url) as mine:
                for n in range(8):
                    entry = agent(limit=n + 1, workspace=source)
                    try:
                        apply(mine, named(f"r{n}", entry, source=source))
                    except ReconcilerError as error:
                        errors.append(error)

        threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        with Database.open(database_url) as database:
            limits = [
                row.document["spec"]["maxConcurrency"]
                for row in current_of(database).objects.values()
            ]
        assert limits == [8, 8]

    @pytest.mark.parametrize(
        ("edit", "stale"),
        [
            pytest.param(
                "UPDATE agent SET max_concurrency = 9 WHERE name = 'bot'",
                True,
                id="what the plan touches",
            ),
            pytest.param("DELETE FROM agent WHERE name = 'bot'", True, id="away with it"),
            pytest.param("UPDATE agent SET source_id = NULL WHERE name = 'bot'", True, id="owner"),
            pytest.param(
                "UPDATE agent SET max_concurrency = 9 WHERE name = 'other'",
                False,
                id="what it does not touch",
            ),
            pytest.param("UPDATE agent SET unavailable_reason = 'x'", False, id="the runtime's"),
        ],
    )
    def test_somebody_edited_by_hand_between_plan_and_transaction(
        self, database: Database, database_url: str, edit: str, stale: bool
    ) -> None:
        apply(database, named("r1", agent(), agent("other")))

        class Slow(Database):
            def write(self, fn: Any, *, quiet: bool = False) -> Any:
                database.write(lambda tx: tx.execute(text(edit)))
                return super().write(fn, quiet=quiet)

        wanted = named("r2", agent(limit=3), agent("other"))
        with Slow.open(database_url) as slow:
            if stale:
                with pytest.raises(StalePlan):
                    apply(slow, wanted)
            else:
                apply(slow, wanted)
        expected = ("r2", "refused") if stale else ("r2", "applied")
        assert results(database)[0] == expected

    def test_archiving_fails_the_waiting_runs_and_leaves_the_active(
        self, clocked: Database
    ) -> None:
        apply(clocked, named("r1", agent(), autopilot("x"), autopilot("y")))
        runs = {
            "waiting": run(clocked, "x"),
            "active": run(clocked, "x", admitted_at=NOON),
            "elsewhere": run(clocked, "y"),
        }
        applied = apply(clocked, named("r2", agent(), autopilot("y")))
        assert applied.cancelled == (runs["waiting"],)
        actual = {row["id"]: row for row in whole(clocked)["autopilot_run"]}
        waiting = actual[runs["waiting"]]
        assert (waiting["status"], waiting["reason"]) == ("failed", "cancelled")
        assert (waiting["completed_at"], waiting["failure_reason"]) == (
            NOON,
            "its autopilot was archived",
        )
        assert actual[runs["active"]]["status"] == "pending"
        assert actual[runs["elsewhere"]]["status"] == "pending"

    def test_status_archived_fails_the_waiting_runs_too(self, clocked: Database) -> None:
        apply(clocked, named("r1", agent(), autopilot("x")))
        waiting = run(clocked, "x")
        applied = apply(clocked, named("r2", agent(), autopilot("x", status="archived")))
        assert applied.cancelled == (waiting,)


def run(database: Database, name: str, admitted_at: datetime | None = None) -> str:
    """A pending run of the autopilot."""
    (row,) = (r for r in whole(database)["autopilot"] if r["name"] == name)
    count = len(whole(database)["autopilot_run"])
    values = {
        "id": f"run-{count}",
        "autopilot_id": row["id"],
        "workspace_id": row["workspace_id"],
        "source": "manual",
        "status": "pending",
        "title": "A title",
        "spec_digest": row["applied_digest"],
        "triggered_at": NOON,
        "admitted_at": admitted_at,
        "expires_at": NOON + timedelta(hours=1),
        "created_at": NOON,
    }
    database.write(lambda tx: tx.execute(insert(autopilot_run).values(values)))
    return f"run-{count}"


class TestGuards:
    """Nothing is deleted by accident; what is refused is recorded and changes nothing."""

    MANY = tuple(agent(f"a{n}") for n in range(10))

    @pytest.mark.parametrize(
        ("then", "asked", "error"),
        [
            pytest.param(named("r2", *MANY[:6]), {}, UnsafePlan, id="too many removals"),
            pytest.param(
                named("r2", *MANY[:6]),
                {"confirmations": Confirmations(deletes=3)},
                UnsafePlan,
                id="another number of removals confirmed",
            ),
            pytest.param(named("r2"), {}, UnsafePlan, id="no object at all"),
            pytest.param(
                named("r2", *MANY),
                {"descends": lambda applied: applied.id == "r2"},
                UnsafePlan,
                id="a revision that does not descend from the applied one",
            ),
            pytest.param(
                desired(*MANY, source="other"), {}, Blocked, id="objects of another source"
            ),
        ],
    )
    def test_refused(
        self, database: Database, then: Desired, asked: dict[str, Any], error: type[ReconcilerError]
    ) -> None:
        apply(database, named("r1", *self.MANY))
        before = current_of(database)
        with pytest.raises(error):
            apply(database, then, **asked)
        assert current_of(database).objects == before.objects
        (refused,) = history(database, then.source_id, limit=1)
        assert (refused.result, refused.revision.id) == (RevisionResult.REFUSED, then.revision.id)
        assert refused.problems

    @pytest.mark.parametrize(
        ("then", "asked"),
        [
            pytest.param(
                named("r2", *MANY[:6]),
                {"confirmations": Confirmations(deletes=4)},
                id="the exact number of removals confirmed",
            ),
            pytest.param(named("r2", *MANY[:7]), {}, id="a few removals"),
            pytest.param(
                named("r2", *MANY),
                {"descends": lambda applied: applied.id == "r1"},
                id="a descendant",
            ),
            pytest.param(
                named("r2", *MANY),
                {
                    "descends": lambda applied: False,
                    "confirmations": Confirmations(allow_rewrites=True),
                },
                id="a rewrite that is allowed",
            ),
        ],
    )
    def test_allowed(self, database: Database, then: Desired, asked: dict[str, Any]) -> None:
        apply(database, named("r1", *self.MANY))
        apply(database, then, **asked)
        assert results(database)[0] == ("r2", "applied")


class TestRevisions:
    """Recorded whether they applied or not."""

    def test_what_is_recorded(self, clocked: Database) -> None:
        revision = Revision("abc", "Grace <g@example.com>", "Add bot", NOON - timedelta(days=1))
        wanted = replace(desired(agent(), agent("b", workspace="w")), revision=revision)
        applied = apply(clocked, wanted, via=Via.API)
        (entry,) = history(clocked)
        assert entry.id == applied.attempt
        assert (entry.revision, entry.actor, entry.via) == (revision, "ada", Via.API)
        assert (entry.plan_digest, entry.counts["create"]) == (applied.plan.digest, 2)
        assert (sorted(entry.workspaces), entry.created_at) == (["default", "w"], NOON)
        assert clocked.read(lambda tx: last_applied(tx, "default")) == entry

    def test_a_failed_revision_leaves_the_good_one_in_force(self, database: Database) -> None:
        apply(database, named("good", agent()))
        problem = Problem("a.yaml", 3, 7, "spec.title", "is missing", "missing")
        broken = InvalidManifests([problem])
        for _ in range(3):  # polled again and again
            record_failure(database, "default", Revision("bad"), broken, request(via=Via.SERVER))
        assert results(database) == [("bad", "failed"), ("good", "applied")]
        attempt = database.read(lambda tx: last_attempt(tx, "default"))
        assert attempt is not None
        assert attempt.problems == (problem,)
        applied = database.read(lambda tx: last_applied(tx, "default"))
        assert applied is not None
        assert applied.revision.id == "good"

    def test_newest_first_in_pages(self, database: Database) -> None:
        for n in range(5):
            apply(database, named(f"r{n}", agent()))
        first = history(database, limit=2)
        remaining = history(database, limit=9, before=first[-1].id)
        assert [entry.revision.id for entry in first] == ["r4", "r3"]
        assert [entry.revision.id for entry in remaining] == ["r2", "r1", "r0"]

    def test_only_those_about_some_workspaces(self, database: Database) -> None:
        for n, workspace in enumerate("abab"):
            entry = agent(workspace=workspace)
            apply(database, named(f"r{n}", entry, source=workspace))
        actual = history(database, workspaces=frozenset({"b"}), limit=1)
        assert [entry.revision.id for entry in actual] == ["r3"]
        actual = history(database, workspaces=frozenset({"b"}), before=actual[0].id)
        assert [entry.revision.id for entry in actual] == ["r1"]

    def test_old_ones_are_pruned_but_never_what_is_in_force(self, clocked: Database) -> None:
        for n in range(4):
            apply(clocked, named(f"r{n}", agent()))
        record_failure(clocked, "default", Revision("bad"), InvalidManifests([]), request())
        apply(clocked, named("x", agent("x"), source="other"))
        soon = NOON + timedelta(seconds=1)
        assert clocked.write(lambda tx: prune_revisions(tx, NOON)) == 0
        assert clocked.write(lambda tx: prune_revisions(tx, soon)) == 3
        assert [name for name, _ in results(clocked)] == ["x", "bad", "r3"]
        assert clocked.read(
            lambda tx: [plan_of_revision(tx, id_) is not None for id_ in (1, 4)]
        ) == [
            False,
            True,
        ]

    def test_the_commit_that_the_next_one_has_to_descend_from_is_never_pruned(
        self, clocked: Database
    ) -> None:
        commit = Revision("c0ffee", "Ada", "Begin", NOON)
        apply(clocked, replace(named("", agent()), revision=commit))
        for n in range(2):
            apply(clocked, named(f"folder-{n}", agent()))
        assert clocked.write(lambda tx: prune_revisions(tx, NOON + timedelta(days=1))) == 1
        assert [name for name, _ in results(clocked)] == ["folder-1", "c0ffee"]

    def test_the_plan_of_a_revision_stays_in_the_database_only(self, database: Database) -> None:
        database.release_memory()  # a statement that is new would hold what it was made with
        apply(database, named("r1", agent("of-this-test-only")))
        gc.collect()
        plans = (held for held in gc.get_objects() if type(held) is dict and "changes" in held)
        assert not [plan for plan in plans if "'of-this-test-only'" in str(plan["changes"])]

    def test_a_revision_keeps_what_it_changed_and_who_had_edited_it_by_hand(
        self, database: Database
    ) -> None:
        apply(database, named("r1", agent(), autopilot("a", triggers=[schedule("s")])))
        edit = update(agent_table).values(max_concurrency=7)
        database.write(lambda tx: tx.execute(edit))
        applied = apply(
            database, named("r2", agent(limit=3)), confirmations=Confirmations(deletes=1)
        )
        assert applied.attempt is not None
        plan = database.read(lambda tx: plan_of_revision(tx, applied.attempt or 0))
        assert plan is not None
        back, archived = plan.changes
        assert (back.action, back.name, back.drifted) == ("update", "bot", True)
        assert [(f.path, f.before, f.after) for f in back.fields] == [("spec.maxConcurrency", 7, 3)]
        assert (archived.action, archived.kind, archived.drifted) == ("archive", "Autopilot", False)
        assert archived.consequences is not None


def test_a_fingerprint_is_another_once_two_objects_have_swapped_a_value(database: Database) -> None:
    apply(database, named("r1", agent("a", limit=1), agent("b", limit=2)))
    before = database.read(fingerprint)
    assert database.read(fingerprint) == before
    swapped = update(agent_table).values(max_concurrency=3 - agent_table.c.max_concurrency)
    database.write(lambda tx: tx.execute(swapped))
    assert database.read(fingerprint) != before
    database.write(lambda tx: tx.execute(swapped))
    assert database.read(fingerprint) == before


def test_a_server_knows_the_mark_of_what_it_left_without_reading_all_of_it(
    database: Database,
) -> None:
    apply(database, named("s1", autopilot("other"), source="other"), via=Via.SERVER)
    triggers = [schedule("a"), schedule("b")]
    for number, objects in enumerate(
        (
            [agent(), autopilot("x", triggers=triggers), autopilot("y", triggers=triggers)],
            [agent(limit=3), autopilot("x", triggers=triggers[1:]), autopilot("y", title="Other")],
            [agent(limit=3), autopilot("z", former=["x"], triggers=triggers)],
            [agent(limit=3), autopilot("z", former=["x"], line=7), autopilot("y")],
        )
    ):
        applied = apply(
            database,
            named(f"r{number}", *objects),
            via=Via.SERVER,
            confirmations=Confirmations(deletes=9),
        )
        assert applied.left == database.read(mark_of)


def test_what_was_edited_by_hand_during_an_apply_is_no_part_of_what_it_left(
    database: Database,
) -> None:
    apply(database, named("r1", agent("a"), agent("b")))
    seen = see(database, "default")
    by_hand = update(agent_table).where(agent_table.c.name == "b").values(max_concurrency=7)
    database.write(lambda tx: tx.execute(by_hand))
    wanted = named("r2", agent("a", limit=2), agent("b"))
    applied = apply_once(
        database, wanted, request(via=Via.SERVER), token_hash=token_hash, seen=seen
    )
    assert applied.attempt is not None
    assert applied.left != database.read(mark_of)


def disown(database: Database) -> None:
    """What a row looks like that came from elsewhere."""
    values = {"source_id": None, "applied_digest": None, "origin_path": None}
    database.write(lambda tx: tx.execute(update(agent_table).values(values)))


class TestAdopt:
    """A row without a source needs `adopt`."""

    def test_an_adopted_object_is_compared_with_its_manifest(self, database: Database) -> None:
        apply(database, named("r1", agent()))
        disown(database)
        with pytest.raises(Blocked, match="adopt"):
            apply(database, named("r2", agent(limit=3)))
        row = adopt(database, BOT, "default")
        assert (row.source_id, row.drifted) == ("default", False)
        apply(database, named("r2", agent(limit=3)))
        assert plan_once(database, named("r2", agent(limit=3))).is_empty

    def test_twice_is_once(self, database: Database) -> None:
        apply(database, desired(agent()))
        before = whole(database)
        adopt(database, BOT, "default")
        assert whole(database) == before

    def test_another_sources_object_is_refused(self, database: Database) -> None:
        apply(database, desired(agent()))
        with pytest.raises(Conflict, match="belongs to source 'default'"):
            adopt(database, BOT, "other")

    def test_there_must_be_one(self, database: Database) -> None:
        with pytest.raises(NotFound, match="no Agent default/bot"):
            adopt(database, BOT, "default")


class TestDrift:
    """Current no longer equals what was last applied."""

    def test_found_shown_and_put_back(self, database: Database) -> None:
        wanted = desired(agent(), autopilot("x"))
        apply(database, wanted)
        assert drift(database) == ()
        edit = update(autopilot_table).values(title="By hand")
        database.write(lambda tx: tx.execute(edit))
        (actual,) = drift(database, "default")
        (field,) = actual.fields
        assert (field.path, field.before, field.after) == ("spec.title", "A title", "By hand")
        assert drift(database, "other") == ()
        assert drift(database, None, frozenset({"elsewhere"})) == ()
        assert plan_once(database, wanted, self_heal=False).is_empty
        apply(database, wanted)
        assert drift(database) == ()

    @pytest.mark.parametrize(
        ("column", "value"),
        [
            pytest.param("labels", {"a": "b"}, id="labels"),
            pytest.param("spec", {}, id="the rest of the spec"),
            pytest.param("spec", ["what"], id="a spec of another shape"),
            pytest.param("max_concurrency", 99, id="a column of its own"),
            pytest.param("former_names", ["z"], id="former names"),
        ],
    )
    def test_an_edit_of_any_column_shows(
        self, database: Database, column: str, value: object
    ) -> None:
        apply(database, desired(agent()))
        database.write(lambda tx: tx.execute(update(agent_table).values({column: value})))
        assert [entry.key for entry in drift(database)] == [BOT]
        apply(database, desired(agent()))
        assert drift(database) == ()

    def test_broken_json_is_drift_and_nothing_worse(
        self, tmp_path: Path, sqlite_template: Path
    ) -> None:
        path = tmp_path / "state.db"
        path.write_bytes(sqlite_template.read_bytes())
        with Database.open(f"sqlite:///{path}") as database:
            apply(database, desired(agent(), agent("other")))
            broken = text("UPDATE agent SET spec = '{\"' WHERE name = 'bot'")
            database.write(lambda tx: tx.execute(broken))
            assert [entry.key for entry in drift(database)] == [BOT]
            apply(database, desired(agent(), agent("other")))
            assert drift(database) == ()


def test_export_is_by_kind_and_name_and_can_be_limited(database: Database) -> None:
    apply(database, desired(agent("z"), agent(), autopilot("x"), agent(workspace="w")))
    apply(database, desired(agent("theirs"), source="other"))

    def names(**only: Any) -> list[str]:
        return [
            f"{entry['metadata']['workspace']}/{entry['metadata']['name']}"
            for entry in export(database, **only)
        ]

    assert names() == ["default/bot", "default/theirs", "default/z", "w/bot", "default/x"]
    assert names(source_id="other") == ["default/theirs"]
    assert names(workspaces=frozenset({"w"})) == ["w/bot"]


def test_a_manifest_is_kept_once(database: Database) -> None:
    apply(database, named("r1", agent()))
    apply(database, named("r2", agent(limit=3)))
    apply(database, named("r3", agent()))
    assert len(whole(database)["manifest"]) == 2
    entry = agent()
    database.write(lambda tx: save_documents(tx, {entry.digest: {"other": 1}}))
    remaining = {row["digest"]: row["document"] for row in whole(database)["manifest"]}
    assert remaining[entry.digest] == entry.document


def test_archived_objects_are_listed_only_on_request(database: Database) -> None:
    apply(database, named("r1", agent(), agent("b")))
    apply(database, named("r2", agent()))
    for archived, expected in ((False, ["bot"]), (True, ["b", "bot"])):
        actual = database.read(lambda tx, a=archived: list_objects(tx, Kind.AGENT, archived=a))  # type: ignore[misc]
        assert [row.key.name for row in actual] == expected

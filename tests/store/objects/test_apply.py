"""Apply: what each change does to the rows, on both databases."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from sqlalchemy import text, update

from reconciler.core.base.identity import Revision, trigger_id
from reconciler.core.manifest.state import Current, Declared, Desired, FileDigest, Stored
from reconciler.core.plan.guards import objections
from reconciler.core.plan.plan import make_plan
from reconciler.store.engine.database import Database, Tx
from reconciler.store.objects.apply import apply_changes
from reconciler.store.objects.triggers import stall
from reconciler.store.runs.missed import open_stalled
from reconciler.store.tables import autopilot as autopilot_table
from reconciler.store.tables import autopilot_trigger, missed_interval
from reconciler.store.webhooks.tokens import renew_tokens
from tests.support.applying import MINUTE, NOON, apply, context, current_of, rows_of, token_hash
from tests.support.health import SHARED_FIXTURE
from tests.support.strategies import desired_sets
from tests.support.worlds import agent, apply_to, autopilot, desired, schedule, squad

LATER = NOON + timedelta(hours=3)
HOURLY = schedule("hourly", "0 * * * *")
HOOK = {"name": "ci", "kind": "webhook", "signature": {"scheme": "none"}}


def triage(**spec: Any) -> Desired:
    """A source with one autopilot."""
    return desired(agent(), autopilot("x", **spec))


def the_autopilot(database: Database) -> dict[str, Any]:
    (row,) = rows_of(database, autopilot_table)
    return row


def triggers(database: Database) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in rows_of(database, autopilot_trigger)}


def set_trigger(database: Database, which: str, /, **values: Any) -> None:
    statement = update(autopilot_trigger).where(autopilot_trigger.c.name == which).values(values)
    database.write(lambda tx: tx.execute(statement))


def stalled_at(database: Database, moment: datetime) -> None:
    """`hourly` could not be decided at that moment, as a tick leaves it."""
    row = triggers(database)["hourly"]

    def write(tx: Tx) -> None:
        stall(tx, row["id"], moment, "?")
        open_stalled(tx, row["id"], row["autopilot_id"], moment, moment, "?")

    database.write(write)


def set_autopilot(database: Database, **values: Any) -> None:
    database.write(lambda tx: tx.execute(update(autopilot_table).values(values)))


def place(row: Stored) -> tuple[str, int] | None:
    return (row.origin.path, row.origin.line) if row.origin else None


def meaning(current: Current) -> dict[str, Any]:
    """Current without what the pure model does not know: files."""
    rows = {**{str(k): v for k, v in current.objects.items()}, **current.archived}
    return {
        key: (row.id, row.key, row.digest, row.source_id, place(row), row.applied_digest)
        for key, row in rows.items()
    }


@settings(max_examples=25, deadline=None, suppress_health_check=SHARED_FIXTURE)
@given(first=desired_sets(), second=desired_sets(), third=desired_sets())
def test_the_rows_are_what_the_pure_model_says(
    database: Database, first: Desired, second: Desired, third: Desired
) -> None:
    """Any plan that is not blocked, one after the other; what came before stays for the next."""
    for wanted in (first, second, third):
        before = current_of(database)
        plan = make_plan(before, wanted)
        if plan.blocked:
            continue
        expected = apply_to(before, plan)
        apply(database, wanted)
        after = current_of(database)
        assert meaning(after) == meaning(expected)
        assert make_plan(after, wanted).is_empty
        assert not make_plan(after, wanted).refreshes


def test_an_object_keeps_every_part_of_its_manifest(database: Database) -> None:
    rich = autopilot(
        "x",
        labels={"team": "core", "ü": "\U0001f600"},
        description='many\nlines, "quotes", ünïcode, \\ and \u2028',
        issueTitleTemplate="{{ date }}",
        executionMode="run_only",
        concurrencyPolicy="queue",
        concurrencyKey="payload.id",
        limits={"perHour": 3},
        retry={"limit": 2, "backoff": "10s"},
        triggers=[
            schedule("a", jitter="5m", catchUp="all", startAt="2026-01-01T00:00:00.25Z"),
            {"name": "b", "kind": "schedule", "every": "90m", "enabled": False, "label": "B"},
            {
                "name": "c",
                "kind": "webhook",
                "when": "true",
                "signature": {
                    "scheme": "hmac_sha256",
                    "header": "X-Sig",
                    "secrets": [{"file": "ci", "notAfter": "2027-01-01T00:00:00Z"}],
                },
            },
            {"name": "d", "kind": "api"},
        ],
    )
    wanted = desired(agent(), agent("other"), squad("s", "bot", "other"), rich)
    apply(database, wanted)
    actual = current_of(database).objects
    assert {key: row.document for key, row in actual.items()} == {
        key: each.document for key, each in wanted.objects.items()
    }


@pytest.mark.parametrize(
    ("author", "expected"),
    [
        pytest.param("Grace <grace@example.com>", "Grace <grace@example.com>", id="the author"),
        pytest.param(None, "ada", id="the actor where there is no author"),
    ],
)
def test_created_by(database: Database, author: str | None, expected: str) -> None:
    wanted = replace(triage(), revision=Revision("r1", author=author))
    apply(database, wanted)
    apply(database, replace(triage(title="Other"), revision=Revision("r2", author="Eve")), LATER)
    row = the_autopilot(database)
    assert (row["created_by"], row["created_at"], row["updated_at"]) == (expected, NOON, LATER)


def test_an_unchanged_object_is_not_written(database: Database) -> None:
    apply(database, triage(triggers=[HOURLY]))
    before = the_autopilot(database), triggers(database)
    apply(database, triage(triggers=[HOURLY]), LATER)
    assert (the_autopilot(database), triggers(database)) == before


def test_the_place_of_an_unchanged_object_is_renewed(database: Database) -> None:
    apply(database, desired(agent(line=1)))
    apply(database, desired(agent(line=9)), LATER)
    (row,) = current_of(database).objects.values()
    assert row.origin is not None
    assert row.origin.line == 9


def next_hour(moment: datetime) -> datetime:
    return moment.replace(minute=0) + timedelta(hours=1)


class TestFireTimes:
    """A new, edited, re-enabled or resumed trigger fires for nothing before that change."""

    def test_a_new_trigger_looks_forward_only(self, database: Database) -> None:
        apply(database, triage(triggers=[HOURLY]))
        row = triggers(database)["hourly"]
        expected = (NOON, NOON + timedelta(hours=1), NOON + timedelta(hours=1))
        assert (row["cursor"], row["next_run_at"], row["next_scheduled_for"]) == expected

    def test_an_unchanged_trigger_keeps_its_cursor_when_the_rest_changes(
        self, database: Database
    ) -> None:
        apply(database, triage(triggers=[HOURLY]))
        before = triggers(database)["hourly"]
        apply(database, triage(title="Other", triggers=[HOURLY]), LATER)
        assert triggers(database)["hourly"] == before

    def test_another_label_keeps_the_cursor(self, database: Database) -> None:
        apply(database, triage(triggers=[HOURLY]))
        apply(database, triage(triggers=[{**HOURLY, "label": "Each hour"}]), LATER)
        row = triggers(database)["hourly"]
        assert (row["label"], row["cursor"], row["updated_at"]) == ("Each hour", NOON, LATER)

    @pytest.mark.parametrize(
        "edited",
        [
            pytest.param({**HOURLY, "cron": "30 * * * *"}, id="another expression"),
            pytest.param({**HOURLY, "timezone": "Asia/Kolkata"}, id="another zone"),
            pytest.param({**HOURLY, "catchUp": "all"}, id="another way to catch up"),
            pytest.param({"name": "hourly", "kind": "schedule", "every": "1h"}, id="another kind"),
        ],
    )
    def test_an_edited_trigger_starts_anew(
        self, database: Database, edited: dict[str, Any]
    ) -> None:
        extra = {"concurrencyPolicy": "queue"}
        apply(database, triage(triggers=[HOURLY], **extra))
        apply(database, triage(triggers=[edited], **extra), LATER + MINUTE)
        row = triggers(database)["hourly"]
        assert row["cursor"] == LATER + MINUTE
        assert row["next_scheduled_for"] > LATER + MINUTE

    def test_a_disabled_trigger_is_parked_and_looks_forward_when_it_comes_back(
        self, database: Database
    ) -> None:
        apply(database, triage(triggers=[HOURLY]))
        apply(database, triage(triggers=[{**HOURLY, "enabled": False}]), NOON + MINUTE)
        assert triggers(database)["hourly"]["next_run_at"] is None
        apply(database, triage(triggers=[HOURLY]), LATER + MINUTE)
        assert triggers(database)["hourly"]["next_run_at"] == next_hour(LATER)

    def test_an_archived_autopilot_is_parked_and_looks_forward_when_it_comes_back(
        self, database: Database
    ) -> None:
        apply(database, triage(triggers=[HOURLY]))
        apply(database, desired(agent()), NOON + MINUTE)
        assert the_autopilot(database)["archived_at"] == NOON + MINUTE
        assert triggers(database)["hourly"]["next_run_at"] is None
        apply(database, triage(triggers=[HOURLY]), LATER + MINUTE)
        row, hourly = the_autopilot(database), triggers(database)["hourly"]
        assert (row["archived_at"], row["in_force_since"]) == (None, LATER + MINUTE)
        assert (hourly["cursor"], hourly["next_run_at"]) == (LATER + MINUTE, next_hour(LATER))

    def test_status_archived_parks_and_status_active_looks_forward(
        self, database: Database
    ) -> None:
        apply(database, triage(triggers=[HOURLY]))
        apply(database, triage(status="archived", triggers=[HOURLY]), NOON + MINUTE)
        assert triggers(database)["hourly"]["next_run_at"] is None
        apply(database, triage(triggers=[HOURLY]), LATER + MINUTE)
        assert triggers(database)["hourly"]["next_run_at"] == next_hour(LATER)

    def test_status_paused_keeps_the_schedule_so_that_what_is_missed_is_recorded(
        self, database: Database
    ) -> None:
        apply(database, triage(triggers=[HOURLY]))
        apply(database, triage(status="paused", triggers=[HOURLY]), NOON + MINUTE)
        assert triggers(database)["hourly"]["next_run_at"] == next_hour(NOON)
        apply(database, triage(triggers=[HOURLY]), LATER)
        assert the_autopilot(database)["in_force_since"] == LATER

    def test_jitter_is_added_to_the_nominal_moment(self, database: Database) -> None:
        apply(database, triage(triggers=[{**HOURLY, "jitter": "30m"}]))
        row = triggers(database)["hourly"]
        lateness = row["next_run_at"] - row["next_scheduled_for"]
        assert row["next_scheduled_for"] == next_hour(NOON)
        assert timedelta(0) < lateness < timedelta(minutes=30)

    def test_an_edit_of_the_autopilot_brings_a_stalled_trigger_back(
        self, database: Database
    ) -> None:
        apply(database, triage(triggers=[HOURLY]))
        stalled_at(database, NOON)
        apply(database, triage(title="Mended", triggers=[HOURLY]), LATER)
        row = triggers(database)["hourly"]
        assert (row["stalled_at"], row["stalled_reason"]) == (None, None)
        assert row["next_run_at"] == next_hour(LATER)
        (interval,) = rows_of(database, missed_interval)
        assert (interval["last_at"], interval["exact"]) == (LATER, False)

    @pytest.mark.parametrize(
        "after",
        [
            pytest.param(triage(), id="the trigger left its manifest"),
            pytest.param(triage(triggers=[HOOK]), id="another took its place"),
            pytest.param(desired(agent()), id="the autopilot left its source"),
            pytest.param(
                triage(status="archived", triggers=[HOURLY]), id="the manifest archives it"
            ),
            pytest.param(triage(triggers=[{**HOURLY, "enabled": False}]), id="it was disabled"),
        ],
    )
    def test_what_a_stalled_trigger_missed_ends_with_it(
        self, database: Database, after: Desired
    ) -> None:
        apply(database, triage(triggers=[HOURLY]))
        stalled_at(database, NOON)
        apply(database, after, LATER)
        (ended,) = rows_of(database, missed_interval)
        assert (ended["first_at"], ended["last_at"], ended["exact"]) == (NOON, LATER, False)
        apply(database, triage(triggers=[HOURLY]), LATER + MINUTE)
        assert rows_of(database, missed_interval) == [ended]

    def test_an_interval_never_ends_before_it_began(self, database: Database) -> None:
        apply(database, triage(triggers=[HOURLY]))
        stalled_at(database, LATER)
        apply(database, triage(), NOON)
        (interval,) = rows_of(database, missed_interval)
        assert interval["last_at"] == LATER

    def test_what_another_autopilot_misses_stays_open(self, database: Database) -> None:
        stays = autopilot("x", triggers=[HOURLY])
        apply(database, desired(agent(), stays, autopilot("y", triggers=[schedule("other")])))
        stalled_at(database, NOON)
        apply(database, desired(agent(), stays), LATER)
        (interval,) = rows_of(database, missed_interval)
        assert interval["last_at"] is None


class TestTriggers:
    """Matched by name; removed ones are kept hidden and come back as they were."""

    def test_a_removed_trigger_is_hidden_and_comes_back_with_its_id(
        self, database: Database
    ) -> None:
        apply(database, triage(triggers=[HOURLY, HOOK]))
        ids = {name: row["id"] for name, row in triggers(database).items()}
        apply(database, triage(), NOON + MINUTE)
        hidden = triggers(database)
        assert {row["removed_at"] for row in hidden.values()} == {NOON + MINUTE}
        assert hidden["hourly"]["next_run_at"] is None
        assert hidden["ci"]["webhook_token"] is None
        apply(database, triage(triggers=[HOURLY, HOOK]), LATER + MINUTE)
        back = triggers(database)
        assert {name: row["id"] for name, row in back.items()} == ids
        assert {row["removed_at"] for row in back.values()} == {None}
        assert back["hourly"]["next_run_at"] == next_hour(LATER)
        assert back["ci"]["webhook_token"] == token_hash(ids["ci"], 1)

    def test_ids_derive_from_the_autopilot_and_the_name(self, database: Database) -> None:
        apply(database, triage(triggers=[HOURLY]))
        row = triggers(database)["hourly"]
        assert row["id"] == trigger_id(the_autopilot(database)["id"], "hourly")

    def test_another_kind_of_the_same_name_is_the_same_trigger(self, database: Database) -> None:
        apply(database, triage(triggers=[HOURLY]))
        before = triggers(database)["hourly"]["id"]
        apply(database, triage(triggers=[{**HOOK, "name": "hourly"}]), LATER)
        row = triggers(database)["hourly"]
        assert (row["id"], row["kind"], row["cron_expression"]) == (before, "webhook", None)
        assert row["next_run_at"] is None
        assert row["webhook_token"] == token_hash(before, 1)
        apply(database, triage(triggers=[HOURLY]), LATER)
        row = triggers(database)["hourly"]
        assert (row["webhook_token"], row["webhook_secret"]) == (None, None)

    @pytest.mark.parametrize(
        "values",
        [
            pytest.param({"name": "stray"}, id="a row that was renamed by hand"),
            pytest.param({"removed_at": NOON}, id="a row that was hidden by hand"),
            pytest.param({"spec": ["?"]}, id="a row that was broken by hand"),
            pytest.param({"cron_expression": "* * * * *"}, id="a row that was edited"),
        ],
    )
    def test_what_was_done_by_hand_is_put_back(
        self, database: Database, values: dict[str, Any]
    ) -> None:
        wanted = triage(triggers=[HOURLY, HOOK])
        apply(database, wanted)
        set_trigger(database, "hourly", **values)
        assert not make_plan(current_of(database), wanted).is_empty
        apply(database, wanted, LATER)
        assert make_plan(current_of(database), wanted).is_empty
        assert set(triggers(database)) == {"hourly", "ci"}

    def test_a_row_that_was_deleted_by_hand_is_made_again(self, database: Database) -> None:
        wanted = triage(triggers=[HOURLY])
        apply(database, wanted)
        before = triggers(database)["hourly"]["id"]
        database.write(lambda tx: tx.execute(text("DELETE FROM autopilot_trigger")))
        apply(database, wanted, LATER)
        assert triggers(database)["hourly"]["id"] == before


class TestTokens:
    """A higher tokenGeneration is a new URL; the old one works for tokenGrace more."""

    def test_the_generation_before_is_kept_for_the_grace(self, database: Database) -> None:
        apply(database, triage(triggers=[HOOK]))
        id_ = triggers(database)["ci"]["id"]
        apply(
            database, triage(triggers=[{**HOOK, "tokenGeneration": 2, "tokenGrace": "2h"}]), LATER
        )
        row = triggers(database)["ci"]
        assert row["webhook_token"] == token_hash(id_, 2)
        assert row["previous_token"] == token_hash(id_, 1)
        assert row["previous_token_until"] == LATER + timedelta(hours=2)

    def test_without_grace_the_old_one_ends_at_once(self, database: Database) -> None:
        apply(database, triage(triggers=[HOOK]))
        apply(database, triage(triggers=[{**HOOK, "tokenGeneration": 2, "tokenGrace": 0}]), LATER)
        row = triggers(database)["ci"]
        assert (row["previous_token"], row["previous_token_until"]) == (None, None)

    def test_other_edits_leave_both_tokens(self, database: Database) -> None:
        second = {**HOOK, "tokenGeneration": 2}
        apply(database, triage(triggers=[HOOK]))
        apply(database, triage(triggers=[second]), NOON + MINUTE)
        before = triggers(database)["ci"]
        apply(database, triage(triggers=[{**second, "when": "true"}]), LATER)
        after = triggers(database)["ci"]
        names = ("webhook_token", "token_generation", "previous_token", "previous_token_until")
        assert [after[n] for n in names] == [before[n] for n in names]

    def test_another_key_of_the_server_gives_other_urls(self, database: Database) -> None:
        apply(database, triage(triggers=[HOOK, HOURLY]))
        id_ = triggers(database)["ci"]["id"]

        def under_another_key(trigger_id: str, generation: int) -> str:
            return token_hash(f"other {trigger_id}", generation)

        assert database.write(lambda tx: renew_tokens(tx, token_hash)) == 0
        assert database.write(lambda tx: renew_tokens(tx, under_another_key)) == 1
        assert triggers(database)["ci"]["webhook_token"] == under_another_key(id_, 1)


class TestBreaker:
    """Git does not close it unless the spec changed."""

    OPEN: ClassVar[dict[str, Any]] = {
        "failures": 5,
        "breaker_opened_at": NOON,
        "breaker_probe": "p",
    }
    CLOSED: ClassVar[dict[str, Any]] = {
        "failures": 0,
        "breaker_opened_at": None,
        "breaker_probe": None,
    }

    @pytest.mark.parametrize(
        ("then", "closed"),
        [
            pytest.param(triage(title="Mended"), True, id="another spec closes it"),
            pytest.param(triage(triggers=[HOURLY]), True, id="another trigger is another spec"),
            pytest.param(triage(labels={"a": "b"}), False, id="another label does not"),
            pytest.param(triage(), False, id="no change does not"),
        ],
    )
    def test_breaker(self, database: Database, then: Desired, closed: bool) -> None:
        apply(database, triage())
        set_autopilot(database, **self.OPEN)
        apply(database, then, LATER)
        row = the_autopilot(database)
        assert {name: row[name] for name in self.OPEN} == (self.CLOSED if closed else self.OPEN)

    def test_putting_a_drift_back_does_not_close_it(self, database: Database) -> None:
        apply(database, triage())
        set_autopilot(database, title="By hand", **self.OPEN)
        apply(database, triage(), LATER)
        row = the_autopilot(database)
        assert row["title"] == "A title"
        assert {name: row[name] for name in self.OPEN} == self.OPEN


def test_a_move_keeps_id_runs_and_urls(database: Database) -> None:
    apply(database, triage(triggers=[HOOK]))
    before, hook = the_autopilot(database), triggers(database)["ci"]
    set_autopilot(database, paused_at=NOON, paused_by="eve", last_run_at=NOON)
    moved = autopilot("y", former=["x"], triggers=[HOOK])
    apply(database, desired(agent(), moved), LATER)
    after = the_autopilot(database)
    assert (after["id"], after["name"], after["paused_by"]) == (before["id"], "y", "eve")
    assert after["last_run_at"] == NOON
    assert triggers(database)["ci"] == hook


def test_an_agent_that_was_edited_is_tried_again(database: Database) -> None:
    apply(database, desired(agent()))
    database.write(lambda tx: tx.execute(text("UPDATE agent SET unavailable_reason = 'down'")))
    apply(database, desired(agent(limit=3)), LATER)
    reason = text("SELECT unavailable_reason FROM agent")
    assert database.read(lambda tx: tx.execute(reason).scalar_one()) is None


def test_files_are_noted_and_forgotten(database: Database) -> None:
    def files(*names: str) -> tuple[FileDigest, ...]:
        return tuple(FileDigest(name, f"{name} digest", (agent().key,)) for name in names)

    apply(database, desired(agent(), files=files("a.yaml", "b.yaml")))
    apply(database, desired(agent(), files=files("b.yaml", "c.yaml")))
    apply(database, desired(source="other", files=files("d.yaml")))
    actual = current_of(database).files
    assert actual == {file.path: file for file in files("b.yaml", "c.yaml")}


def test_a_blocked_plan_is_never_written(database: Database) -> None:
    apply(database, desired(agent(), source="other"))
    plan = make_plan(current_of(database), desired(agent(limit=3)))
    assert objections(plan)
    with pytest.raises(ValueError, match="blocked"):
        database.write(lambda tx: apply_changes(tx, plan, (), context()))


def test_several_thousand_objects_fit_the_statements(database: Database) -> None:
    many: list[Declared] = [autopilot(f"a-{i}", triggers=[HOURLY]) for i in range(1200)]
    apply(database, desired(agent(), *many))
    apply(database, desired(agent(), *many[:100]), LATER)
    current = current_of(database)
    assert (len(current.objects), len(current.archived)) == (101, 1100)
    apply(database, desired(agent(), *many), LATER)
    assert len(current_of(database).objects) == 1201


def test_annotations_are_kept_without_being_a_change(database: Database) -> None:
    def noted(annotations: dict[str, str]) -> Desired:
        return desired(agent(annotations=annotations))

    apply(database, noted({"a": "1"}))
    plan = apply(database, noted({"a": "2", "b": "3"}))
    assert plan.is_empty
    (row,) = current_of(database).objects.values()
    assert row.document["metadata"]["annotations"] == {"a": "2", "b": "3"}
    assert not row.drifted

"""More reasons why a run ended, and more that a run may wait for."""

from alembic import op
from sqlalchemy import text

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_BEFORE = {
    "reason": "overlap queue_full coalesced rate_limited expired cancelled replaced timed_out "
    "dispatch_failed session_failed agent_failed target_unavailable lost",
    "waiting_for": "queue replace agent claim retry",
}
_AFTER = {
    "reason": "overlap queue_full coalesced superseded rate_limited over_budget nothing_to_do "
    "expired cancelled replaced timed_out dispatch_failed session_failed agent_failed "
    "target_unavailable lost precheck_failed expectation_unmet approval_needed",
    "waiting_for": "queue replace agent claim quota retry approval",
}


def _check(column: str, words: str) -> str:
    return " OR ".join(f"{column} = '{word}'" for word in words.split())


def upgrade() -> None:
    """Let the constraints take more words. No row is read: what held still holds."""
    if op.get_bind().dialect.name == "sqlite":
        _edit_the_schema_of_sqlite()
        return
    for column, words in _AFTER.items():
        name = f"ck_autopilot_run_{column}"
        op.execute(f"ALTER TABLE autopilot_run DROP CONSTRAINT {name}")
        op.execute(
            f"ALTER TABLE autopilot_run ADD CONSTRAINT {name} CHECK ({_check(column, words)})"
            " NOT VALID"
        )
        op.execute(f"ALTER TABLE autopilot_run VALIDATE CONSTRAINT {name}")


def _edit_the_schema_of_sqlite() -> None:
    """Replace the text of the constraints, as https://sqlite.org/lang_altertable.html#otheralter
    describes for constraints that are loosened: a table with every run need not be written anew."""
    connection = op.get_bind()
    definition = connection.execute(
        text("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = 'autopilot_run'")
    ).scalar_one()
    for column, words in _BEFORE.items():
        before, after = _check(column, words), _check(column, _AFTER[column])
        if definition.count(f"({before})") != 1:
            raise RuntimeError(f"the constraint on autopilot_run.{column} is not the expected one")
        definition = definition.replace(before, after)
    version = connection.execute(text("PRAGMA schema_version")).scalar_one()
    op.execute("PRAGMA writable_schema = ON")
    connection.execute(
        text("UPDATE sqlite_schema SET sql = :sql WHERE type = 'table' AND name = 'autopilot_run'"),
        {"sql": definition},
    )
    # Every other connection, and this one, reads the tables anew.
    op.execute(f"PRAGMA schema_version = {version + 1}")
    op.execute("PRAGMA writable_schema = OFF")

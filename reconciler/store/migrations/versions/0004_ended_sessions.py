"""Sessions that were ended by logging out."""

import sqlalchemy as sa
from alembic import op

from reconciler.store.tables import Instant

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "ended_session",
        sa.Column(
            "id", sa.String(length=64), nullable=False, comment="SHA-256 of the session's cookie"
        ),
        sa.Column(
            "expires_at",
            Instant(),
            nullable=False,
            comment="after which the cookie opens nothing",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ended_session")),
    )

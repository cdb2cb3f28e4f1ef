"""One Alembic history for both databases."""

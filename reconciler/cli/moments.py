"""Moments that options name."""

from datetime import datetime

from reconciler.core.base.errors import UsageError
from reconciler.core.manifest.fields import parse_instant


def moment_of(option: str, text: str) -> datetime:
    """The moment that an option names. Raises UsageError."""
    try:
        return parse_instant(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None

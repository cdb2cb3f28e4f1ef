"""A clock that stands still until a test advances it."""

from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
"""A Monday morning."""


class FakeClock:
    """Both clocks of `Clock`, moved by hand."""

    def __init__(self, at: datetime = START) -> None:
        self.at = at
        self.ticks = 1000.0

    def now(self) -> datetime:
        """The wall clock."""
        return self.at

    def monotonic(self) -> float:
        """The clock that never jumps."""
        return self.ticks

    def advance(self, **by: float) -> datetime:
        """Let time pass: `advance(minutes=5)`."""
        delta = timedelta(**by)
        self.at += delta
        self.ticks += delta.total_seconds()
        return self.at

    def jump(self, **by: float) -> datetime:
        """Set the wall clock, while no time passes."""
        self.at += timedelta(**by)
        return self.at

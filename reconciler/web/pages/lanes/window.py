"""The stretch of time that lanes show, and the marks of its axis."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

WIDTH = 1000
"""Units from the left edge of a lane to its right one."""
_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Span:
    """How much is shown: `past` up to now, then `ahead`; an axis mark every `step`."""

    words: str
    past: timedelta
    ahead: timedelta
    step: timedelta


SPANS: Mapping[str, Span] = {
    "day": Span("24 hours", _DAY, 4 * _HOUR, 4 * _HOUR),
    "days": Span("3 days", 3 * _DAY, 12 * _HOUR, 12 * _HOUR),
    "week": Span("7 days", 7 * _DAY, _DAY, _DAY),
    "month": Span("30 days", 30 * _DAY, 5 * _DAY, 5 * _DAY),
}


@dataclass(frozen=True, slots=True)
class Window:
    """What is shown: `since` to `until`. `now` may lie within, or after it."""

    since: datetime
    until: datetime
    now: datetime
    span: Span

    @classmethod
    def of(cls, name: str, now: datetime, to: datetime | None = None) -> "Window":
        """The window of a span that ends at `to`, or reaches a little beyond now."""
        span = SPANS[name]
        unit = _HOUR if span.step < _DAY / 2 else _DAY
        edge = to if to is not None else _ceiling(now, unit) + span.ahead
        return cls(edge - span.past - span.ahead, edge, now, span)

    def x(self, at: datetime) -> float:
        """Where a moment stands; what lies outside stands at the edge."""
        part = (at - self.since) / (self.until - self.since)
        return round(min(1.0, max(0.0, part)) * WIDTH, 1)

    @property
    def axis(self) -> list[tuple[float, str, str]]:
        """Place and words of each mark, in full and short."""
        marks = []
        at = self.since
        is_days = self.span.step >= _DAY
        while at < self.until:
            day = f"{at.day} {at:%b}"
            words = day if is_days else f"{day}, {at:%H:%M}" if at.hour < 4 else f"{at:%H:%M}"
            marks.append((self.x(at), words, day if is_days else f"{at:%H:%M}"))
            at += self.span.step
        return marks

    @property
    def shift(self) -> timedelta:
        """How far a step to earlier or later goes."""
        return self.span.past


def _ceiling(at: datetime, unit: timedelta) -> datetime:
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + -(-(at - midnight) // unit) * unit

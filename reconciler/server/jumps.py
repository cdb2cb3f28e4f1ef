"""Jumps of the wall clock, seen by comparing it with the monotonic one."""

from dataclasses import dataclass
from datetime import timedelta

from reconciler.clock import Clock


@dataclass(slots=True)
class JumpDetector:
    """Compares the wall clock with the monotonic one from call to call."""

    clock: Clock
    tolerance: timedelta = timedelta(seconds=2)
    _last: tuple[float, float] | None = None

    def jumped(self) -> timedelta | None:
        """Return the jump since the last call: positive is forward; None where there was none."""
        now = (self.clock.now().timestamp(), self.clock.monotonic())
        last, self._last = self._last, now
        if last is None:
            return None
        jump = timedelta(seconds=(now[0] - last[0]) - (now[1] - last[1]))
        return jump if abs(jump) > self.tolerance else None

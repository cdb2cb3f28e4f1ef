"""Jumps of the wall clock, seen by comparing it with the monotonic one."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(slots=True)
class JumpDetector:
    """Compares a wall clock with this host's monotonic one from call to call.

    The monotonic clock stands still while the host is suspended: waking up is a jump forward.
    """

    tolerance: timedelta = timedelta(seconds=2)
    _last: tuple[datetime, float] | None = None

    def jumped(self, wall: datetime, monotonic: float) -> timedelta | None:
        """Return the jump since the last call: positive is forward; None where there was none.

        What was read before the last call's, and comes late, says nothing.
        """
        if self._last is not None and monotonic < self._last[1]:
            return None
        last, self._last = self._last, (wall, monotonic)
        if last is None:
            return None
        jump = (wall - last[0]) - timedelta(seconds=monotonic - last[1])
        return jump if abs(jump) > self.tolerance else None

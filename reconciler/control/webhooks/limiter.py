"""Slows down whoever guesses: bad credentials per address, in a bounded table."""

from collections import OrderedDict
from dataclasses import dataclass, field


@dataclass(slots=True)
class BadCredentials:
    """A bucket per address: `burst` failures at once, then one each `refill` seconds.

    At most `addresses` are remembered, the least recent forgotten first. Moments are seconds of a
    monotonic clock, passed in.
    """

    burst: int = 20
    refill: float = 3.0
    addresses: int = 10_000
    _used: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def retry_after(self, address: str, now: float) -> int | None:
        """Whole seconds until the address may try again; None when it may now."""
        used = self._now_used(address, now)
        excess = used - (self.burst - 1)
        return max(1, round(excess * self.refill)) if excess > 0 else None

    def failed(self, address: str, now: float) -> None:
        """Count one failure."""
        self._used[address] = (min(self._now_used(address, now) + 1, self.burst * 2), now)
        self._used.move_to_end(address)
        while len(self._used) > self.addresses:
            self._used.popitem(last=False)

    def _now_used(self, address: str, now: float) -> float:
        used, at = self._used.get(address, (0.0, now))
        return max(0.0, used - (now - at) / self.refill)

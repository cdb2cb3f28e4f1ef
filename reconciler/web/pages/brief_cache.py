"""What takes long to read, kept for a moment: pages ask for it again and again.

Of a list that is the order and the counts; the rows of a page are read anew each time. What takes
no time is not kept at all.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from reconciler.clock import Clock

T = TypeVar("T")

MOST = 8
"""Values that are kept."""
SLOW = 0.2
"""Seconds from which on a value is kept."""
TIMES = 10
"""For so many times as long as it took: whatever comes, it takes a tenth of a processor."""
LONGEST = 30.0


@dataclass(slots=True)
class BriefCache(Generic[T]):
    """Values by what they were asked for, and by whom."""

    clock: Clock
    _values: OrderedDict[Hashable, tuple[float, T]] = field(default_factory=OrderedDict)

    def get(self, key: Hashable, read: Callable[[], T]) -> T:
        """The value, read anew unless it is kept still. For any thread."""
        began = self.clock.monotonic()
        known = self._values.get(key)
        if known is not None and began < known[0]:
            return known[1]
        value = read()
        ended = self.clock.monotonic()
        if ended - began >= SLOW:
            self._values[key] = (ended + min(LONGEST, TIMES * (ended - began)), value)
            self._values.move_to_end(key)
            while len(self._values) > MOST:
                self._values.popitem(last=False)
        return value

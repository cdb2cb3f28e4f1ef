"""The order and the counts of long lists, kept for a moment: pages ask for them again and again.

The rows of a page are read anew each time; only their order, and the counts, may lag behind. What
takes no time is not kept at all.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from reconciler.clock import Clock
from reconciler.web.pages.autopilots.order import Judged

MOST = 8
"""Lists that are kept."""
SLOW = 0.2
"""Seconds from which on a list is kept."""
TIMES = 10
"""For so many times as long as it took: whatever comes, it takes a tenth of a processor."""
LONGEST = 30.0


@dataclass(slots=True)
class JudgedLists:
    """Lists by what they were asked for, and by whom."""

    clock: Clock
    _lists: OrderedDict[Hashable, tuple[float, list[Judged]]] = field(default_factory=OrderedDict)

    def get(self, key: Hashable, read: Callable[[], list[Judged]]) -> list[Judged]:
        """The list, read anew unless it is kept still. For any thread."""
        began = self.clock.monotonic()
        until, judged = self._lists.get(key, (0.0, []))
        if began < until:
            return judged
        judged = read()
        ended = self.clock.monotonic()
        if ended - began >= SLOW:
            self._lists[key] = (ended + min(LONGEST, TIMES * (ended - began)), judged)
            self._lists.move_to_end(key)
            while len(self._lists) > MOST:
                self._lists.popitem(last=False)
        return judged

"""Keeping what goes wrong with one run, or one autopilot, from the others of a round."""

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import structlog

from reconciler.core.base.errors import Locked, Unavailable

log = structlog.get_logger(__name__)
T = TypeVar("T")

FIRST_PAUSE = 2.0
"""Seconds after which what failed is tried again; twice as long each time that it fails again."""
LONGEST_PAUSE = 300.0
AGAIN_AT_ONCE = 20
"""How many of those that failed one round tries again."""
FORGOTTEN_AFTER = 3600.0
"""Seconds after which one that has not failed again is forgotten: somebody else saw to it."""
MOST = 50_000
"""Failures that are remembered."""


@contextmanager
def apart(failures: MutableMapping[str, str], id_: str, event: str) -> Iterator[None]:
    """Let the others go on, and log once what went wrong with this one.

    `failures` is what was logged last, by id. Raises Locked and Unavailable, which no run causes.
    """
    try:
        yield
    except (Locked, Unavailable):
        raise
    except Exception as error:
        if failures.get(id_) != repr(error):
            failures[id_] = repr(error)
            log.exception(event, id=id_)


@dataclass(slots=True)
class _Failure:
    """What was logged last, how often it failed in a row, and seconds of the clock."""

    logged: str
    times: int
    failed_at: float
    again_at: float


@dataclass(slots=True)
class Failures:
    """What failed of the rows that a bounded read gives, by id (docs/architecture.md#loops).

    `clock` gives seconds and never goes back.
    """

    clock: Callable[[], float] = time.monotonic
    _by_id: dict[str, _Failure] = field(default_factory=dict)

    def ids(self) -> frozenset[str]:
        """All that failed, and has not succeeded since."""
        return frozenset(self._by_id)

    @contextmanager
    def apart(self, id_: str, event: str) -> Iterator[None]:
        """As the function `apart`; what succeeds is no failure any more."""
        try:
            yield
        except (Locked, Unavailable):
            raise
        except Exception as error:
            before = self._by_id.get(id_)
            if before is None or before.logged != repr(error):
                log.exception(event, id=id_)
            self._note(id_, repr(error), before.times + 1 if before else 1)
        else:
            self._by_id.pop(id_, None)

    async def together(
        self,
        ids: Sequence[str],
        work: Callable[[Sequence[str]], Awaitable[Sequence[T]]],
        event: str,
    ) -> list[T]:
        """Do something with all of them at once, and where that fails with each alone."""
        try:
            done = [*await work(ids)]
        except (Locked, Unavailable):
            raise
        except Exception:  # noqa: BLE001 - it belongs to one of them, of which it is logged
            done = []
            for id_ in ids:
                with self.apart(id_, event):
                    done += await work([id_])
        else:
            self.forget(ids)
        return done

    def forget(self, ids: Iterable[str]) -> None:
        """These have succeeded."""
        for id_ in ids if self._by_id else ():
            self._by_id.pop(id_, None)

    def left_out(self) -> frozenset[str]:
        """The ids that this round leaves out; of those whose pause is over some have their turn.

        A round that always read the first rows would try what fails for ever, and never come to
        what is behind it.
        """
        now, due = self.clock(), list[tuple[float, str]]()
        for id_, failure in [*self._by_id.items()]:
            if now - failure.failed_at > FORGOTTEN_AFTER:
                del self._by_id[id_]
            elif failure.again_at <= now:
                due.append((failure.again_at, id_))
        turns = {id_ for _, id_ in sorted(due)[:AGAIN_AT_ONCE]}
        for id_ in turns:  # it may be gone without us: then others have the next turn
            self._by_id[id_].again_at = now + _pause(self._by_id[id_].times)
        return frozenset(self._by_id) - turns

    def _note(self, id_: str, error: str, times: int) -> None:
        now = self.clock()
        self._by_id.pop(id_, None)  # the one that failed last stands last
        self._by_id[id_] = _Failure(error, times, now, now + _pause(times))
        if len(self._by_id) > MOST:
            del self._by_id[next(iter(self._by_id))]


def _pause(times: int) -> float:
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(times - 1, 30))

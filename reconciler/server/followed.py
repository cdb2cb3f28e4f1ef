"""The sources that one server follows, each with a loop of its own."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field

from reconciler.control.apply.follow_source import Position, SourceFollower
from reconciler.control.apply.source_files import SourceFiles
from reconciler.control.apply.write_back import SourceWriter
from reconciler.server.signals import WorkSignal

Watch = Callable[[Callable[[], None]], Coroutine[None, None, None]]
"""Calls what it is given whenever the followed folder may have changed, for ever."""


@dataclass(frozen=True, slots=True)
class FollowedSource:
    """`poll` is in seconds. `watch` notices changes of a folder; a repository has none."""

    follower: SourceFollower
    poll: float
    watch: Watch | None = None
    signal: WorkSignal = field(default_factory=WorkSignal)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held for a round: the first one may still go on when the loop begins."""

    @property
    def id(self) -> str:
        """The source's name."""
        return self.follower.source_id

    @property
    def is_remote(self) -> bool:
        """Whether reading it may take as long as somebody else's server likes."""
        return self.follower.place.url is not None


@dataclass(frozen=True, slots=True)
class FollowedSources:
    """All of them, by name."""

    sources: Sequence[FollowedSource] = ()
    first_rounds: list[asyncio.Task[float]] = field(default_factory=list)
    """Of remotes: held here, since the event loop itself forgets tasks that nobody holds."""

    def __iter__(self) -> Iterator[FollowedSource]:
        return iter(self.sources)

    def positions(self) -> dict[str, Position]:
        """How the following of each source goes, by its name."""
        return {source.id: source.follower.position for source in self.sources}

    def names(self) -> frozenset[str]:
        """The names of the sources."""
        return frozenset(source.id for source in self.sources)

    def poll(self, name: str | None = None) -> tuple[str, ...]:
        """Notify one source or all of them, and give their names; from the event loop's thread.

        However often it is called meanwhile, the loop of a source does one more round.
        """
        notified = [source for source in self.sources if name in (None, source.id)]
        for source in notified:
            source.signal.notify()
        return tuple(source.id for source in notified)

    def files(self, name: str) -> SourceFiles | None:
        """The files of a source, where they lie on this machine."""
        return next((s.follower.files for s in self.sources if s.id == name), None)

    def writer(self, name: str) -> SourceWriter | None:
        """What writes into a source, where the settings allow it."""
        return next((s.follower.writer for s in self.sources if s.id == name), None)

    def stop(self) -> None:
        """Give up what is being loaded."""
        for source in self.sources:
            source.follower.stop()

    def wait_until_stopped(self, seconds: float) -> None:
        """Wait for what was given up; a folder that hangs is not waited for any longer."""
        for source in self.sources:
            source.follower.wait_until_stopped(seconds / len(self.sources))

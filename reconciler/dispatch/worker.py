"""Workers: a run waits until one of them claims it over HTTP (docs/runtimes.md#worker).

The claim is the handle and lives on the run's row, with the lease that the worker renews: there is
no connection from here to a worker. The answer to a heartbeat says that a run is cancelled.
"""

from collections.abc import Mapping, Sequence

from reconciler.dispatch.base import (
    AwaitClaim,
    Handle,
    Job,
    Observation,
    Record,
    Start,
    Started,
    Stop,
    Stopped,
    Stopping,
    Working,
)


class Workers:
    """The `worker` runtime."""

    async def start(self, job: Job, record: Record) -> Start:
        """Wait for a claim; the lease of a claimed run is followed elsewhere."""
        return AwaitClaim() if job.handle is None else Started(job.handle)

    async def observe(self, jobs: Sequence[tuple[Job, Handle]]) -> Mapping[str, Observation]:
        """A worker reports by itself: `heartbeat` and `complete`."""
        return {job.run_id: Working() for job, _ in jobs}

    async def stop(self, job: Job, handle: Handle) -> Stop:
        """Return `Stopping`: only the worker's `complete` is proof."""
        return Stopping("the worker learns it from its next heartbeat; its complete is the proof")

    async def release(self, job: Job, handle: Handle | None) -> Stop:
        """Nothing is held here."""
        return Stopped()

    async def close(self) -> None:
        """Nothing is held here."""

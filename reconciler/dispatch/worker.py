"""Workers: a run waits until one of them claims it over HTTP (contract 7).

The claim is the handle and lives on the run's row, with the lease that the worker renews: there is
no connection from here to a worker. Cancelling is told in the answer to its heartbeat.
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
        """Wait for a claim; a run that was claimed is followed by its lease."""
        return AwaitClaim() if job.handle is None else Started(job.handle)

    async def observe(self, jobs: Sequence[tuple[Job, Handle]]) -> Mapping[str, Observation]:
        """A worker reports by itself: `heartbeat` and `complete`."""
        return {job.run_id: Working() for job, _ in jobs}

    async def stop(self, job: Job, handle: Handle) -> Stop:
        """Only the worker's `complete` is a proof."""
        return Stopping("the worker is told with its next heartbeat, and proves it by complete")

    async def release(self, job: Job, handle: Handle | None) -> Stop:
        """Nothing is held here."""
        return Stopped()

    def is_ours(self, handle: Handle) -> bool:
        """Any server can take a worker's calls."""
        return True

    async def close(self) -> None:
        """Nothing is held here."""

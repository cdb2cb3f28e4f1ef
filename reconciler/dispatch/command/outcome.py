"""What the end of a program means for its run."""

import signal

from reconciler.core.runs.run import Completed, Failed, Outcome, Reason
from reconciler.dispatch.base import Job
from reconciler.dispatch.command.ending import Ending


def outcome_of(job: Job, ending: Ending) -> Outcome:
    """Judge by the exit status: 0 is completed, unless the program was told to stop from outside.

    Many programs exit with 0 when they are asked to stop; then it is no proof of work done.
    """
    name, output = getattr(job.runtime, "program", "the program"), ending.output
    if ending.error is not None:
        message = f"{name} could not be executed: {ending.error}"
        return Failed(Reason.DISPATCH_FAILED, message, output)
    if ending.outside:
        message = (
            f"{name} was stopped from outside by {signal_name(ending.outside)} and "
            f"{how(ending.status)}: that does not prove that its work was done"
        )
        return Failed(Reason.LOST, message, output)
    if ending.status == 0:
        return Completed(output)
    return Failed(Reason.AGENT_FAILED, f"{name} {how(ending.status)}", output)


def how(status: int) -> str:
    """How a program ended, by the status of its `Ending`."""
    if status >= 0:
        return f"exited with status {status}"
    return f"was killed by {signal_name(-status)}"


def signal_name(number: int) -> str:
    """SIGTERM of 15."""
    try:
        return signal.Signals(number).name
    except ValueError:  # real-time signals have no names
        return f"signal {number}"

"""Results that wait to be judged: kept on the row of the run first (docs/runs.md#expect).

Some agents tell what they did only once: as the answer to a request, or in a report of their own. A
server that dies between that and the verdict leaves the result to whoever takes the run over.
"""

from datetime import datetime, timedelta
from typing import Any

from reconciler.control.runs.approving import asks_no_more
from reconciler.core.runs.key import with_note
from reconciler.core.runs.run import Completed, Run, Status, WaitingFor
from reconciler.core.runs.standstill import go_on
from reconciler.store.engine.database import Tx
from reconciler.store.runs.conditions import Condition
from reconciler.store.runs.runs import (
    change_run,
    get_run,
    status_of,
    usage_columns,
    used_so_far,
)

VERDICT = timedelta(seconds=10)
"""How long whoever kept a result is given to judge it, before others do as well."""


def keep_result(
    tx: Tx,
    run: Run,
    done: Completed,
    now: datetime,
    *where: Condition,
    lease_until: datetime | None = None,
) -> bool:
    """Keep what an agent called done, where the conditions hold; its result is as it is stored.

    An agent that answers at once has done so before its run was seen to run: it does from here on,
    so that nobody gives it to an agent again, and whatever it waited for, it waits no more.
    `lease_until` is for a run whose lease nobody renews any more.
    """
    values: dict[str, Any] = {"unjudged_since": now, "result": done.result}
    values |= {"waiting_for": None, "next_attempt_at": None, **go_on(run, now)}
    if done.usage is not None:
        values |= usage_columns(done.usage.over(used_so_far(tx, run).usage))
    if done.note is not None:
        values["note"] = with_note(run, done.note)
    if lease_until is not None:
        values["lease_until"] = lease_until
    if not change_run(tx, run.id, values, *where):
        return False
    if run.waiting_for is WaitingFor.APPROVAL:
        asks_no_more(tx, run, now, done.note or "its agent is done")
    # The row is held by that write: nobody moves the run on between this read and the next write.
    if status_of(tx, run.id) is not Status.RUNNING:
        began = {"status": Status.RUNNING, "started_at": run.started_at or now}
        change_run(tx, run.id, began)
    return True


def kept_result(tx: Tx, run_id: str) -> Completed | None:
    """What was kept of a run; its usage and its note stand on the run already.

    None where nothing of it waits to be judged any more.
    """
    run = get_run(tx, run_id)
    if run is None or run.ended or run.unjudged_since is None:
        return None
    return Completed(run.result)

"""What runs cost while they work: recorded as it is told, and stopped where it is too much."""

from datetime import datetime

from reconciler.core.runs.allowance import over_allowance
from reconciler.core.runs.run import Reason, Run
from reconciler.core.runs.usage import Usage
from reconciler.store.engine.database import Tx
from reconciler.store.runs.conditions import Condition
from reconciler.store.runs.runs import change_run, request_cancel, usage_columns, used_so_far


def meter(tx: Tx, run: Run, usage: Usage, now: datetime, *where: Condition) -> None:
    """Record what a run has used until now, where the conditions hold.

    One that has cost more than it may is asked to stop; it ends on proof, with what it cost then.
    """
    run = used_so_far(tx, run)
    columns = usage_columns(usage.over(run.usage))
    if columns["usage"] == run.usage:
        return
    change_run(tx, run.id, columns, *where)
    why = over_allowance(run.allowance_micros, columns["cost_micros"])
    if why is not None:
        request_cancel(tx, run.id, now, Reason.OVER_BUDGET, why, *where)

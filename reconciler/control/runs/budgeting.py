"""Money at admission: what would pass a budget is not admitted, and what is admitted is counted."""

from collections.abc import Mapping
from typing import Any

from reconciler.core.runs.admission import Admission, Admit, Skip, Wait
from reconciler.core.runs.live import LiveAutopilot
from reconciler.core.runs.run import Reason, WaitingFor
from reconciler.store.money.budgets import Accounts


def within_budget(
    accounts: Accounts, live: LiveAutopilot, admission: Admission, *, forced: bool
) -> tuple[Admission, Mapping[str, Any]]:
    """The admission as the budgets leave it, and the fields of the run that say so.

    A run that waits is asked again when it is admitted; one that would replace another is asked
    now as well, since nothing should be stopped for a run that is skipped then.
    """
    match admission:
        case Admit():
            over = accounts.exceeded(live)
            if over is not None and not forced:
                return Skip(Reason.OVER_BUDGET, over.why), {}
            fields = {"allowance_micros": accounts.enter(live)}
            if over is not None:
                return admission, fields | {"note": f"forced past a budget: {over.why}"}
            return admission, fields
        case Wait(WaitingFor.REPLACE) if (over := accounts.exceeded(live)) is not None:
            return Skip(Reason.OVER_BUDGET, over.why), {}
        case _:
            return admission, {}

"""The most that an autopilot's runs of one day may cost, by the budgets of manifests."""

from collections.abc import Iterator

from reconciler.core.manifest.state import Document, references_of
from reconciler.core.money.budget import Budget
from reconciler.core.plan.reached import FindAgent


def most_micros_a_day(document: Document, find: FindAgent, runs: int | None) -> int | None:
    """Micro-dollars; None where no budget bounds them.

    `runs` are the most that a day may bring, None without bound. The operator's budgets come on
    top, and no plan knows them.
    """
    if runs == 0:
        return 0
    budgets = list(_budgets(document, find))
    per_run = min((b.per_run for b in budgets if b.per_run is not None), default=None)
    bounds = [b.per_day for b in budgets] + [b.per_month for b in budgets]
    if per_run is not None and runs is not None:
        bounds.append(per_run * runs)
    return min((bound for bound in bounds if bound is not None), default=None)


def _budgets(document: Document, find: FindAgent) -> Iterator[Budget]:
    """Its own, and those of its agent, or of every member of its squad: any may get a run."""
    yield Budget.of(document["spec"].get("budget"))
    for key in references_of(document):
        if (other := find(key)) is not None:
            yield from _budgets(other, find)

"""What one run may cost: `perRun` as of its admission (docs/unattended.md#money)."""

from dataclasses import replace

from reconciler.core.base.money import format_dollars
from reconciler.core.runs.run import Completed, Failed, Outcome, Reason, Run

_OF_THE_AGENT = frozenset({Reason.AGENT_FAILED, Reason.SESSION_FAILED, Reason.OVER_BUDGET})
"""Failures that may well come of the money: an agent that is kept from spending more gives up."""


def over_allowance(allowance: int | None, cost: int | None) -> str | None:
    """By how much a run has cost more than it may, as a sentence; None where it has not."""
    if not allowance or cost is None or cost <= allowance:
        return None
    over, most = format_dollars(cost - allowance), format_dollars(allowance)
    return f"it has cost {format_dollars(cost)}, {over} more than budget.perRun of {most}"


def held_to_allowance(run: Run, outcome: Outcome) -> Outcome:
    """The outcome: `over_budget` where the work has ended by itself and has cost more than it may.

    A run that was stopped for something else keeps that reason, and its cost beside it.
    """
    usage = outcome.usage.over(run.usage) if outcome.usage is not None else None
    cost = usage.cost_micros if usage is not None else run.cost_micros
    why = over_allowance(run.allowance_micros, cost)
    match outcome:
        case _ if why is None:
            return outcome
        case Completed(result, used, note):
            return Failed(Reason.OVER_BUDGET, why, result, used, note)
        case Failed(reason) if reason in _OF_THE_AGENT:
            return replace(outcome, reason=Reason.OVER_BUDGET, message=why)
        case _:
            return outcome

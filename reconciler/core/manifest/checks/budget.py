"""Budgets that cannot be kept, or of which one limit makes another one pointless: warnings."""

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations

from reconciler.core.base.codes import Code
from reconciler.core.base.identity import Key
from reconciler.core.manifest.checks.finding import Finding
from reconciler.core.manifest.checks.raw import Raw, mapping
from reconciler.core.manifest.model import Kind
from reconciler.core.manifest.state import references_of

Find = Callable[[Key], Raw | None]
"""The document of an agent or squad, where it is known."""
_LIMITS = ("perRun", "perDay", "perMonth")
_NO_COST: Mapping[str, str] = {
    "command": "this command tells no cost",
    "copilot": "Copilot CLI tells no cost",
    "codex": "Codex tells tokens and no cost",
    "gemini": "Gemini CLI tells tokens and no cost",
}
"""By runtime, or by coding agent; docs/runtimes.md#usage. What is not named tells it, or may."""
_TOKENS = frozenset({"codex", "gemini"})


def budget_findings(document: Raw, find: Find) -> Iterator[Finding]:
    """Yield the warnings about the budget of a valid canonical document."""
    budget = mapping(mapping(document.get("spec")).get("budget"))
    limits = [(name, budget[name]) for name in _LIMITS if name in budget]
    for (lower, less), (higher, more) in combinations(limits, 2):
        if less > more:
            message = f"{lower} of {less} is never reached: {higher} is {more}"
            if lower == "perRun":
                message = f"no run is ever admitted: one may cost {less}, and {higher} is {more}"
            yield Finding(("spec", "budget", lower), message, Code.BUDGET_RANGE)
    if limits:
        for message in dict.fromkeys(_untold(document, find)):
            yield Finding(("spec", "budget"), message, Code.BUDGET_UNKNOWN_COST)


def _untold(document: Raw, find: Find) -> Iterator[str]:
    """Why the cost of some of the runs will not be known."""
    if document.get("kind") == Kind.AGENT:
        runtime = mapping(mapping(document.get("spec")).get("runtime"))
        kind = str(runtime.get("agent", runtime.get("type")))
        if _is_untold(runtime):
            yield "follow tells no usage, so the budget cannot be kept; write follow.usage"
        elif mapping(runtime.get("request")).get("done") == "accepted":
            handed = "work that is handed over tells no cost"
            yield f"{handed}, so the budget cannot be kept; {_instead(kind, runtime)}"
        elif kind == "command" and "usage" in runtime:
            return
        elif (why := _NO_COST.get(kind)) is not None:
            yield f"{why}, so the budget cannot be kept; {_instead(kind, runtime)}"
        return
    for key in references_of(dict(document)):
        if (other := find(key)) is not None:
            yield from _untold(other, find)


def _is_untold(runtime: Raw) -> bool:
    """Whether an API of others is followed and never asked what the work used."""
    return runtime.get("follow") is not None and "usage" not in runtime["follow"]


def _instead(kind: str, runtime: Raw) -> str:
    if kind == "command":
        return "let it tell its cost (usage: lastLine), or bound its runs by limits and timeout"
    if kind not in _TOKENS:
        return "bound its runs by limits and timeout"
    price = "with a price in the server's [prices.MODEL] it can"
    return price if "model" in runtime or kind == "gemini" else f"{price}, once model is set"

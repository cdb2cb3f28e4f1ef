"""Autopilots that start by themselves, with agents that stop and ask."""

from collections.abc import Callable, Iterator

from reconciler.core.base.codes import Code
from reconciler.core.base.identity import Key
from reconciler.core.manifest.checks.finding import Finding
from reconciler.core.manifest.checks.raw import Raw, mapping, texts, triggers_of, workspace_of

ASKING_MODES = frozenset({"default", "acceptEdits"})
"""Permission modes of Aegis in which a session asks a person; coding agents without one deny."""


def unattended_findings(document: Raw, find: Callable[[Key], Raw | None]) -> Iterator[Finding]:
    """Yield where a valid autopilot fires with nobody there while an agent of it asks.

    `find` gives the valid documents beside it; what another source declares is not known.
    """
    spec = mapping(document.get("spec"))
    trigger = _unattended(document)
    if trigger is None or spec.get("onApproval") == "wait":
        return
    for name, mode in _agents_that_ask(document, spec, find):
        message = (
            f"{name} asks for permission in permissionMode {mode}, nobody is there when {trigger} "
            "fires, and then the run fails; choose dontAsk, or write onApproval: wait"
        )
        yield Finding(("spec", "assignee"), message, Code.APPROVAL_UNATTENDED)


def _unattended(document: Raw) -> str | None:
    """The first trigger that fires by itself."""
    for _, trigger in triggers_of(document):
        if trigger.get("kind") in ("schedule", "webhook") and trigger.get("enabled", True):
            return str(trigger.get("name"))
    return None


def _agents_that_ask(
    document: Raw, spec: Raw, find: Callable[[Key], Raw | None]
) -> Iterator[tuple[str, str]]:
    workspace, assignee = workspace_of(document), mapping(spec.get("assignee"))
    names = [str(assignee.get("id"))]
    if assignee.get("type") == "squad":
        squad = find(Key("Squad", workspace, names[0])) or {}
        names = [name for _, name in texts(mapping(squad.get("spec")).get("members"))]
    for name in names:
        agent = find(Key("Agent", workspace, name)) or {}
        runtime = mapping(mapping(agent.get("spec")).get("runtime"))
        mode = runtime.get("permissionMode")
        if runtime.get("type") == "aegis" and mode in ASKING_MODES:
            yield name, str(mode)

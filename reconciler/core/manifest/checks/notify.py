"""The channels that an autopilot names: declared by the operator, and open to its workspace."""

from collections.abc import Collection, Iterator

from reconciler.core.base.codes import Code
from reconciler.core.base.near import did_you_mean, shown
from reconciler.core.manifest.checks.finding import Finding, Loc
from reconciler.core.manifest.checks.policy import Policy
from reconciler.core.manifest.checks.raw import Raw, mapping, mappings, text, workspace_of

LOG_CHANNEL = "log"
"""The channel that every server has: its log."""


def channel_findings(document: Raw, policy: Policy) -> Iterator[Finding]:
    """Channels that the operator has not declared, or keeps from the autopilot's workspace."""
    if policy.channels is None:
        return
    workspace = workspace_of(document)
    for loc, name in _channels(document):
        if name not in policy.channels:
            yield Finding(loc, _unknown(name, policy.channels), Code.CHANNEL_UNKNOWN)
        elif not is_open_to(policy.channels[name], workspace):
            message = (
                f"workspace {shown(workspace)} may not use the channel {shown(name)}; "
                f"the operator names those that may in [channels.{name}] workspaces"
            )
            yield Finding(loc, message, Code.CHANNEL_NOT_ALLOWED)


def channel_warnings(document: Raw, policy: Policy) -> Iterator[Finding]:
    """Channels of which nobody here knows whether the server has them."""
    if policy.channels is not None:
        return
    for loc, name in _channels(document):
        if name != LOG_CHANNEL:
            message = (
                f"whether there is a channel {shown(name)} is not known here; "
                f"the server's settings must have [channels.{name}]"
            )
            yield Finding(loc, message, Code.CHANNEL_UNCHECKED)


def is_open_to(workspaces: frozenset[str] | None, workspace: str) -> bool:
    """Whether a channel for these workspaces, None for all, is open to one of them."""
    return workspaces is None or workspace in workspaces


def _channels(document: Raw) -> Iterator[tuple[Loc, str]]:
    for index, rule in mappings(mapping(document.get("spec")).get("notify")):
        if (name := text(rule.get("to"))) is not None:
            yield ("spec", "notify", index, "to"), name


def _unknown(name: str, channels: Collection[str]) -> str:
    return (
        f"there is no channel {shown(name)}{did_you_mean(name, channels)}; "
        "the operator declares channels in [channels.NAME] of the settings"
    )

"""The policy of commands without state, which import the settings only where any is set."""

import os
from pathlib import Path

from reconciler.core.manifest.checks import OFFLINE, Policy

_REACH = (
    "RECONCILER_ALLOW",
    "RECONCILER_COMMANDS",
    "RECONCILER_AEGIS",
    "RECONCILER_PORT",
    "RECONCILER_CHANNELS",
)
"""What the variables begin with that say what manifests may reach."""


def offline_policy(config: Path | None, allow_command: list[str] | None) -> Policy:
    """Return the policy of a command without state; settings are imported where any is set."""
    if config is None and not allow_command and not any(map(_is_reach, os.environ)):
        return OFFLINE
    from reconciler.control.apply.policy import policy_of
    from reconciler.settings import Settings

    return policy_of(Settings.load(config, allow_command=allow_command), offline=True)


def _is_reach(variable: str) -> bool:
    return variable.upper().startswith(_REACH)

"""What the operator allows manifests to reach, out of the settings."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.core.manifest.checks import OFFLINE, Policy

if TYPE_CHECKING:  # settings take as long to import as everything else that `validate` needs
    from reconciler.settings import Settings

_REACH = "RECONCILER_ALLOW"
"""What the variables begin with that say what manifests may reach."""


def policy_of(settings: "Settings", *, serving: bool = False) -> Policy:
    """The policy that manifests are held against.

    Only a server knows which programs are bound; another command asks about them only where
    `--allow-command` says some.
    """
    bound = frozenset(settings.allow_command)
    return Policy(
        allowed_commands=bound if serving or bound else None,
        allowed_runtime_urls=tuple(settings.allowed_runtime_urls),
        allowed_permission_modes=frozenset(settings.allowed_permission_modes),
    )


def offline_policy(config: Path | None, allow_command: list[str] | None) -> Policy:
    """The policy of a command that needs no state: settings are imported only where any is set."""
    if config is None and not allow_command and not any(map(_is_reach, os.environ)):
        return OFFLINE
    from reconciler.settings import Settings

    return policy_of(Settings.load(config, allow_command=allow_command))


def _is_reach(variable: str) -> bool:
    return variable.upper().startswith(_REACH)

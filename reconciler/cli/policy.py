"""What the operator allows manifests to reach, out of the settings."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.core.manifest.checks import OFFLINE, Policy

if TYPE_CHECKING:  # settings take as long to import as everything else that `validate` needs
    from reconciler.settings import Settings

_REACH = ("RECONCILER_ALLOW", "RECONCILER_COMMANDS", "RECONCILER_AEGIS", "RECONCILER_PORT")
"""What the variables begin with that say what manifests may reach."""


def policy_of(settings: "Settings", *, serving: bool = False) -> Policy:
    """Return the policy that manifests are held against.

    Only a server knows for certain what is bound and granted; another command checks programs, and
    the folders and variables of aegis sessions, only where its own settings name any.
    """
    bound, aegis = frozenset(settings.programs), settings.aegis.grant
    return Policy(
        allowed_commands=bound if serving or bound else None,
        allowed_runtime_urls=tuple(settings.allowed_runtime_urls),
        allowed_permission_modes=frozenset(settings.allowed_permission_modes),
        grants=settings.grants,
        aegis=aegis if serving or any(aegis) else None,
        own_port=settings.port,
    )


def offline_policy(config: Path | None, allow_command: list[str] | None) -> Policy:
    """Return the policy of a command without state; settings are imported where any is set."""
    if config is None and not allow_command and not any(map(_is_reach, os.environ)):
        return OFFLINE
    from reconciler.settings import Settings

    return policy_of(Settings.load(config, allow_command=allow_command))


def _is_reach(variable: str) -> bool:
    return variable.upper().startswith(_REACH)

"""What the operator allows manifests to reach, out of the settings."""

from typing import TYPE_CHECKING

from reconciler.core.checks import Policy

if TYPE_CHECKING:  # settings take as long to import as everything else that `validate` needs
    from reconciler.settings import Settings


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

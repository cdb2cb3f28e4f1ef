"""What the operator allows manifests to reach, out of the settings."""

from reconciler.core.manifest.checks import Policy
from reconciler.settings import Settings


def policy_of(settings: Settings, *, serving: bool = False, offline: bool = False) -> Policy:
    """Return the policy that manifests are held against.

    Only a server knows for certain what is bound and granted; another command checks programs, and
    the folders and variables of aegis sessions, only where its own settings name any. Channels are
    known to all but `offline` commands, which check them where their settings name any.
    """
    bound, aegis = frozenset(settings.programs), settings.aegis.grant
    return Policy(
        allowed_commands=bound if serving or bound else None,
        allowed_runtime_urls=tuple(settings.allowed_runtime_urls),
        allowed_permission_modes=frozenset(settings.allowed_permission_modes),
        grants=settings.grants,
        aegis=aegis if serving or any(aegis) else None,
        own_port=settings.port,
        channels=None if offline and not settings.channels else settings.channel_workspaces,
    )

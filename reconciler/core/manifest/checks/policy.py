"""What the operator lets manifests reach (docs/operating.md#what-a-server-may-reach)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.core.manifest.reach import DEFAULT_PORT, LOOPBACK, Grant

CAUTIOUS_MODES = frozenset({"default", "plan", "acceptEdits", "dontAsk", "auto"})
"""The permission modes of Aegis without `bypassPermissions`."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's choices that manifests are held against.

    allowed_commands          the names bound by `--allow-command`; None: not known here, not asked
    grants                    what manifests may choose for a bound program: its variables, its
                              folders; nothing for a name without one
    aegis                     the same for the sessions of `aegis` runtimes; None: not asked
    own_port                  the server's port: admitted only where it is named
    allowed_runtime_urls      what the URLs of `http` and `aegis` runtimes may begin with (reach.py)
    allowed_permission_modes  what `aegis` and `cli` runtimes may ask for
    channels                  the channels for notifications, each with the workspaces that may use
                              it, None for all; None: not known here, which is a warning
    """

    allowed_commands: frozenset[str] | None = None
    allowed_runtime_urls: tuple[str, ...] = LOOPBACK
    allowed_permission_modes: frozenset[str] = CAUTIOUS_MODES
    grants: Mapping[str, Grant] = field(default_factory=dict)
    aegis: Grant | None = None
    own_port: int | None = DEFAULT_PORT
    channels: Mapping[str, frozenset[str] | None] | None = None

    @property
    def fingerprint(self) -> str:
        """Equal exactly for equal policies: what was checked under another is checked again."""
        commands = None if self.allowed_commands is None else sorted(self.allowed_commands)
        grants = sorted((name, _parts(grant)) for name, grant in self.grants.items())
        parts = (
            commands,
            self.allowed_runtime_urls,
            sorted(self.allowed_permission_modes),
            grants,
            None if self.aegis is None else _parts(self.aegis),
            self.own_port,
            self._channels(),
        )
        return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()

    def _channels(self) -> list[tuple[str, list[str] | None]] | None:
        if self.channels is None:
            return None
        return sorted(
            (name, None if spaces is None else sorted(spaces))
            for name, spaces in self.channels.items()
        )


def _parts(grant: Grant) -> tuple[list[str], tuple[str, ...]]:
    return sorted(grant.variables), grant.folders


OFFLINE = Policy()
"""What `validate` holds manifests against."""

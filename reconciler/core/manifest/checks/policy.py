"""What the operator lets manifests reach (docs/operating.md#what-a-server-may-reach)."""

import hashlib
from dataclasses import dataclass

from reconciler.core.manifest.reach import LOOPBACK

CAUTIOUS_MODES = frozenset({"default", "plan", "acceptEdits", "dontAsk", "auto"})
"""The permission modes of Aegis without `bypassPermissions`."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's choices that manifests are held against.

    allowed_commands          the names bound by `--allow-command`; None: not known here, not asked
    allowed_runtime_urls      what the URLs of `http` and `aegis` runtimes may begin with (reach.py)
    allowed_permission_modes  what `aegis` runtimes may ask for
    """

    allowed_commands: frozenset[str] | None = None
    allowed_runtime_urls: tuple[str, ...] = LOOPBACK
    allowed_permission_modes: frozenset[str] = CAUTIOUS_MODES

    @property
    def fingerprint(self) -> str:
        """Equal exactly for equal policies: what was checked under another is checked again."""
        commands = None if self.allowed_commands is None else sorted(self.allowed_commands)
        parts = (commands, self.allowed_runtime_urls, sorted(self.allowed_permission_modes))
        return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()


OFFLINE = Policy()
"""What `validate` holds manifests against."""

"""Who a credential belongs to: API tokens by their hash, JWTs by rules (docs/http.md#who-may)."""

import hmac
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from reconciler.clock import Clock
from reconciler.control.access.tokens_file import Credentials, Token, read_tokens_file
from reconciler.core.access.claims import caller_of_claims
from reconciler.core.access.roles import Caller
from reconciler.core.access.token_hash import token_hash

if TYPE_CHECKING:
    from reconciler.control.access.oidc import Issuers

log = structlog.get_logger(__name__)

PREFIX = "rct_"


def new_token() -> str:
    """A token with 256 bits of chance. Its hash goes into the tokens file, it goes to its owner."""
    return f"{PREFIX}{secrets.token_urlsafe(32)}"


@dataclass(slots=True)
class Tokens:
    """The credentials of a tokens file. `reload` reads it again (SIGHUP)."""

    path: Path
    clock: Clock
    credentials: Credentials = field(init=False)
    issuers: "Issuers | None" = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.reload()

    def reload(self) -> None:
        """Take the file as it is now. Raises UsageError, and what was read before goes on."""
        self.credentials = read_tokens_file(self.path)
        if self.credentials.rules and self.issuers is None:
            # Only who has rules pays for the libraries of OIDC: a seventh of a server's memory.
            from reconciler.control.access.oidc import Issuers

            self.issuers = Issuers(self.clock)

    async def identify(self, credential: str) -> Caller | None:
        """Whose credential this is; None for one that is unknown, revoked or expired.

        Raises Unavailable where an issuer's keys are needed and cannot be had.
        """
        if credential.startswith(PREFIX):
            token = self._find(token_hash(credential))
            return _caller(token) if token else None
        rules = self.credentials.rules
        if not rules or self.issuers is None or credential.count(".") != 2:
            return None
        from reconciler.control.access.oidc import NotValid

        try:
            claims = await self.issuers.verify(credential, rules)
        except NotValid as error:
            log.info("a JWT was refused", why=str(error))
            return None
        return caller_of_claims(rules, claims)

    def session_key_of(self, credential: str) -> str | None:
        """What a session of the dashboard keeps of a token: its hash. None for other credentials.

        The hash opens nothing by itself.
        """
        digest = token_hash(credential)
        return digest if credential.startswith(PREFIX) and self._find(digest) else None

    def resume(self, session_key: str) -> Caller | None:
        """Whose session this is; None once its token was removed or has expired."""
        token = self._find(session_key)
        return _caller(token) if token else None

    def _find(self, digest: str) -> Token | None:
        """Compares with every token, so that the time taken tells nothing."""
        presented, match = digest.encode("utf-8", "surrogatepass"), None
        for token in self.credentials.tokens:
            if hmac.compare_digest(presented, token.sha256.encode()):
                match = token
        return match if match is not None and match.holds_at(self.clock.now()) else None


def _caller(token: Token) -> Caller:
    return Caller(token.name, token.role, token.workspaces)

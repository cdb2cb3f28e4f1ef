"""JWTs of OIDC issuers: their keys are fetched, kept for an hour, and fetched again.

Nothing here decides what a token opens: see `core/access/claims.py`.
"""

import asyncio
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import jwt
import structlog
from jwt.types import Options

from reconciler.clock import Clock
from reconciler.control.access.published_keys import PublicKey, usable_keys
from reconciler.control.access.safe_url import is_safe_url
from reconciler.core.access.claims import Rule, audiences
from reconciler.core.base.errors import Unavailable
from reconciler.core.webhooks.errors import BodyError
from reconciler.core.webhooks.payload import parse_json

log = structlog.get_logger(__name__)

LEEWAY = timedelta(seconds=30)
KEY_LIFETIME = 3600.0
"""Seconds after which keys are fetched again."""
AGAIN = 30.0
"""Seconds without a fetch after one that failed, for keys that are known."""
SPACING = 3.0
"""Seconds between the beginnings of two fetches, whatever keys tokens name."""
TIMEOUT = 5.0
LARGEST = 256 * 1024


class NotValid(Exception):
    """The token is not valid for this issuer, or no longer."""


@dataclass(slots=True)
class _Keys:
    """The keys of one issuer, and when they were fetched and last asked for.

    Fetches are numbered from 1: the last one that began, and the last one that is over.
    """

    by_id: dict[str | None, PublicKey] = field(default_factory=dict)
    fetched_at: float = -math.inf
    tried_at: float = -math.inf
    begun: int = 0
    over: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def suffice(self, key_id: str | None, now: float) -> bool:
        """Whether a token with this key can be verified without a fetch."""
        recent = now - self.fetched_at <= KEY_LIFETIME or now - self.tried_at <= AGAIN
        return recent and key_id in self.by_id


@dataclass(slots=True)
class Issuers:
    """Verifies tokens of the issuers that rules name, and of no others."""

    clock: Clock
    keys: dict[str, _Keys] = field(default_factory=dict)
    spacing: float = SPACING

    async def verify(self, token: str, rules: Iterable[Rule]) -> dict[str, Any]:
        """The claims of a token that one of the rules' issuers signed, for one of their audiences.

        Raises NotValid, and Unavailable where the issuer's keys are unavailable.
        """
        issuer, key_id = _announced(token)
        wanted = {rule.audience for rule in rules if rule.issuer == issuer}
        if not wanted:
            raise NotValid("the issuer is not known")
        key = await self._key(issuer, key_id)
        claims = _verified(token, key, issuer)
        if wanted.isdisjoint(
            audience for audience in audiences(claims) if isinstance(audience, str)
        ):
            raise NotValid("the token is for somebody else")
        self._require_time(claims)
        return claims

    def _require_time(self, claims: Mapping[str, Any]) -> None:
        """Our own clock decides. NaN and true must not pass for numbers."""
        now, leeway = self.clock.now().timestamp(), LEEWAY.total_seconds()
        expires = _moment(claims.get("exp"))
        begins = _moment(claims.get("nbf", claims.get("iat", 0)))
        if now >= expires + leeway or now < begins - leeway:
            raise NotValid("the token has expired, or is not valid yet")

    async def _key(self, issuer: str, key_id: str | None) -> PublicKey:
        keys = self.keys.setdefault(issuer, _Keys())
        if not keys.suffice(key_id, self.clock.monotonic()):
            await self._refresh(issuer, keys)
        if key_id in keys.by_id:
            return keys.by_id[key_id]
        if not keys.by_id:
            raise Unavailable(f"the keys of {issuer} are unavailable; try again in a moment")
        raise NotValid("the token is signed with a key that the issuer does not publish")

    async def _refresh(self, issuer: str, keys: _Keys) -> None:
        """Wait until a fetch is over that began after this call: its keys are new enough.

        A key that was made up cannot be told from a new one. So whoever names an unknown one waits
        for the next fetch, which all of them share, and whoever names a known one for none.
        """
        before = keys.begun
        async with keys.lock:
            if keys.over > before:
                return
            wait = keys.tried_at + self.spacing - self.clock.monotonic()
            await asyncio.sleep(min(max(0.0, wait), self.spacing))
            keys.begun += 1
            await self._fetch(issuer, keys)
            # Not where this is cancelled: those who wait have nothing from a fetch cut short.
            keys.over = keys.begun

    async def _fetch(self, issuer: str, keys: _Keys) -> None:
        """Replace the keys. Where that fails those of before go on, for as long as they are."""
        now = keys.tried_at = self.clock.monotonic()
        try:
            keys.by_id = await _published(issuer)
            keys.fetched_at = now
        except (httpx.HTTPError, BodyError, _Malformed) as error:
            log.warning("keys of an issuer not fetched", issuer=issuer, why=str(error))


class _Malformed(Exception):
    """The issuer answers something else than the standard says."""


def _announced(token: str) -> tuple[str, str | None]:
    """What a token says of itself, before anything is believed: its issuer and its key."""
    try:
        header = jwt.get_unverified_header(token)
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise NotValid("this is no JWT") from None
    issuer, key_id = claims.get("iss"), header.get("kid")
    if not isinstance(issuer, str) or not isinstance(key_id, str | None):
        raise NotValid("the token names no issuer")
    return issuer, key_id


_CHECKS: Options = {
    "require": ["exp", "iss", "aud"],
    # Times are checked by our own clock, audiences beside the rules.
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
}


def _verified(token: str, key: PublicKey, issuer: str) -> dict[str, Any]:
    algorithms = sorted(key.algorithms)
    try:
        return jwt.decode(token, key.key, algorithms=algorithms, issuer=issuer, options=_CHECKS)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise NotValid("the signature of the token is wrong") from None


def _moment(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise NotValid("the token does not say from when to when it is valid")
    return float(value)


async def _published(issuer: str) -> dict[str | None, PublicKey]:
    """The keys that an issuer publishes, by id; without an id only where there is just one."""
    async with httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False) as client:
        address = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        configuration = await _document(client, address)
        if configuration.get("issuer") != issuer:
            raise _Malformed("the configuration is of another issuer")
        place = configuration.get("jwks_uri")
        if not isinstance(place, str) or not is_safe_url(place):
            raise _Malformed("the configuration names no safe jwks_uri")
        document = await _document(client, place)
    if not (usable := usable_keys(document.get("keys"))):
        raise _Malformed("the issuer publishes no key that can be used")
    return usable


async def _document(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    async with client.stream("GET", url, headers={"Accept": "application/json"}) as response:
        if response.status_code != 200:
            raise _Malformed(f"{url} answers {response.status_code}")
        raw = b""
        async for chunk in response.aiter_bytes():
            raw += chunk
            if len(raw) > LARGEST:
                raise _Malformed(f"{url} answers more than {LARGEST} bytes")
    document = parse_json(raw)
    if not isinstance(document, dict):
        raise _Malformed(f"{url} answers no object")
    return dict(document)

"""Push webhooks of forges: which of their signatures a request carries, and whether it is genuine.

docs.github.com, "Validating webhook deliveries"; docs.gitlab.com, "Webhooks", "Delivery headers";
docs.gitea.com, "Webhooks": X-Gitea-Signature is the HMAC-SHA256 of the body in hex.
"""

from datetime import datetime

from reconciler.core.webhooks.ingress import verify
from reconciler.core.webhooks.schemes import SignatureOptions
from reconciler.core.webhooks.signature import Headers

_FORGES: tuple[tuple[str, str, SignatureOptions], ...] = (
    ("x-hub-signature-256", "github", {}),
    ("x-gitea-signature", "hmac_sha256", {"header": "x-gitea-signature", "encoding": "hex"}),
    ("x-gitlab-token", "gitlab", {}),
    ("webhook-signature", "gitlab", {}),
)
"""The header that shows which scheme was used, the scheme, its options."""


def is_signed(headers: Headers) -> bool:
    """Whether a request claims to come from a forge. `headers` have lower-case names."""
    return any(header in headers for header, _, _ in _FORGES)


def is_genuine(secret: str, headers: Headers, body: bytes, now: datetime) -> bool:
    """Whether a holder of the secret sent it. Forges that speak like others send two signatures."""
    return any(
        verify(scheme, [secret], headers, body, now, **options)
        for header, scheme, options in _FORGES
        if header in headers
    )

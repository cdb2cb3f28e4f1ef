"""A webhook trigger: a signature that fits its scheme."""

from collections.abc import Iterator

from reconciler.core.base.codes import Code
from reconciler.core.manifest.checks.finding import Finding, Loc
from reconciler.core.manifest.checks.raw import Raw, mapping
from reconciler.core.manifest.checks.secrets import env_prefix
from reconciler.core.manifest.trigger import Scheme

_SCHEMES = frozenset(Scheme)
_OPTIONS = ("header", "encoding", "prefix")


def webhook_findings(loc: Loc, trigger: Raw, workspace: str) -> Iterator[Finding]:
    """Everything wrong with the signature of one webhook trigger at `loc`."""
    signature = mapping(trigger.get("signature"))
    scheme = signature.get("scheme")
    if not isinstance(scheme, str) or scheme not in _SCHEMES:
        return
    at: Loc = (*loc, "signature")
    if scheme == Scheme.NONE and signature.get("secrets"):
        message = "scheme 'none' verifies nothing; remove 'secrets' or choose another scheme"
        yield Finding((*at, "secrets"), message, Code.SIGNATURE_SECRET)
    if scheme != Scheme.NONE and signature.get("secrets") in (None, []):
        message = (
            f"scheme '{scheme}' needs at least one secret, "
            f"secrets: [{{env: {env_prefix(workspace)}<NAME>}}]"
        )
        yield Finding((*at, "scheme"), message, Code.SIGNATURE_SECRET)
    if scheme != Scheme.HMAC_SHA256:
        for option in _OPTIONS:
            if signature.get(option) is not None:
                message = f"'{option}' is for scheme 'hmac_sha256'; scheme '{scheme}' fixes it"
                yield Finding((*at, option), message, Code.SIGNATURE_OPTION)

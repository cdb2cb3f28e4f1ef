"""A webhook trigger: a signature that fits its scheme."""

from collections.abc import Iterator
from typing import cast

from reconciler.core.base.codes import Code
from reconciler.core.manifest.checks.finding import Finding, Loc
from reconciler.core.manifest.checks.raw import Raw, mapping
from reconciler.core.manifest.checks.secrets import env_prefix
from reconciler.core.manifest.trigger import Scheme, option_objections
from reconciler.core.webhooks.schemes import SignatureOptions

_SCHEMES = frozenset(Scheme)
_NAMES = {"timeHeader": "time_header"}


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
    options = cast("SignatureOptions", {_NAMES.get(k, k): v for k, v in signature.items()})
    for option, message in option_objections(scheme, options):
        yield Finding((*at, option), message, Code.SIGNATURE_OPTION)

"""Webhook requests as values: schemes, signatures, bodies and keys; `verify` checks a signature.

`verify` is imported when it is first used, so that whoever needs a token or a header only does not
pay for all of it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reconciler.core.webhooks.ingress import verify

__all__ = ["verify"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from reconciler.core.webhooks import ingress

    return getattr(ingress, name)

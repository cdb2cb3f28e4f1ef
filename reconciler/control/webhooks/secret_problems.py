"""Webhooks whose secrets are missing or cannot verify: for the log, for health and for `doctor`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reconciler.control.access.secrets import Secrets, SecretStore
from reconciler.core.manifest.fields import SecretRef
from reconciler.core.manifest.trigger import Scheme, Signature
from reconciler.core.webhooks.ingress import can_verify, secret_problem
from reconciler.store.engine.database import Database
from reconciler.store.webhooks.webhooks import list_webhooks


@dataclass(frozen=True, slots=True)
class SecretProblem:
    """What is wrong with the secrets of a webhook, in sentences.

    `dead`: no active secret can verify anything, so that every delivery is answered 503.
    """

    workspace: str
    autopilot: str
    trigger: str
    why: tuple[str, ...]
    dead: bool


def list_secret_problems(database: Database, secret_store: SecretStore) -> list[SecretProblem]:
    """The enabled webhooks with something wrong, by workspace and name. Blocks."""
    now = database.read(database.now)
    problems: list[SecretProblem] = []
    for webhook in database.read(list_webhooks):
        signature = _signature(webhook.document)
        if signature is None:
            continue
        active = secret_store.active(signature.secrets, webhook.workspace, now)
        if why := (*unusable_secrets(signature, active), *_doubtful(signature, active)):
            dead = not _can_verify(signature, active)
            place = (webhook.workspace, webhook.autopilot, webhook.trigger)
            problems.append(SecretProblem(*place, why, dead))
    return problems


def dead_webhooks(
    documents: Iterator[Mapping[str, Any]], workspace: str, secrets: SecretStore, now: datetime
) -> str | None:
    """Why one of these triggers (canonical JSON) can take no delivery; None where all can."""
    for document in documents:
        signature = _signature(document) if document.get("enabled", True) else None
        if signature is None:
            continue
        active = secrets.active(signature.secrets, workspace, now)
        if not _can_verify(signature, active):
            why = "; ".join(unusable_secrets(signature, active)) or "no secret is active"
            return f"trigger {document.get('name')!r} can take no delivery: {why}"
    return None


def unusable_secrets(signature: Signature, active: Secrets) -> tuple[str, ...]:
    """What is missing of the active secrets, and which of them can never verify anything."""
    wrong = [
        f"{_shown(ref)} {secret_problem(signature.scheme, secret)}"
        for ref, secret in zip(active.refs, active.values, strict=True)
        if not can_verify(signature.scheme, secret)
    ]
    return (*active.missing, *wrong)


def _doubtful(signature: Signature, active: Secrets) -> Iterator[str]:
    for ref, secret in zip(active.refs, active.values, strict=True):
        why = secret_problem(signature.scheme, secret)
        if why is not None and can_verify(signature.scheme, secret):
            yield f"{_shown(ref)} {why}"


def _can_verify(signature: Signature, active: Secrets) -> bool:
    return any(can_verify(signature.scheme, secret) for secret in active.values)


def _signature(document: Mapping[str, Any]) -> Signature | None:
    """The signature of a webhook with secrets; None for other triggers and unreadable rows."""
    if document.get("kind") != "webhook":
        return None
    try:
        signature = Signature.model_validate(document.get("signature"))
    except ValueError:
        return None  # told elsewhere: the row cannot be read at all
    return None if signature.scheme is Scheme.NONE else signature


def _shown(ref: SecretRef) -> str:
    return f"the variable {ref.env}" if ref.env is not None else f"the file {ref.file}"

"""What an `http` runtime sends: the run as JSON, signed, under the run's id as idempotency key."""

import json
from datetime import datetime

from reconciler.core.manifest.headers import is_reserved
from reconciler.core.manifest.model import ExecutionMode
from reconciler.core.runs.run import Json
from reconciler.core.webhooks.outgoing import signed_headers
from reconciler.core.webhooks.signing_key import SecretInvalid
from reconciler.dispatch.base import Job
from reconciler.dispatch.wire import Call


def post(job: Job, url: str, now: datetime, within: float) -> Call:
    """The request that gives the run to the agent. Raises ValueError with a sentence."""
    body = _body(job)
    headers = {"content-type": "application/json", "idempotency-key": job.run_id}
    return Call(
        method="POST",
        url=url,
        headers=signed(job, job.run_id, now, body) | headers,
        body=body,
        within=within,
    )


def cancel(job: Job, url: str, now: datetime, within: float) -> Call:
    """The request that asks to stop it: `DELETE` of the run below the same URL (decision 0038).

    A method of its own, so that an agent which does not know it cannot take it for another run.
    """
    base, mark, query = url.partition("?")
    return Call(
        method="DELETE",
        url=f"{base.rstrip('/')}/{job.run_id}{mark}{query}",
        headers=signed(job, f"cancel-{job.run_id}", now, b""),
        within=within,
    )


def run_of(job: Job) -> dict[str, Json]:
    """The run as an agent gets it."""
    return {**job.run, "id": job.run_id, "prompt": job.prompt}


def _body(job: Job) -> bytes:
    document = run_of(job)
    if job.mode is ExecutionMode.CREATE_SESSION:
        document |= {"callbackUrl": job.callback_url, "token": job.run_token}
    try:
        return json.dumps(document).encode("ascii")
    except (TypeError, RecursionError) as error:
        raise ValueError(f"the run cannot be written as JSON: {error}") from error


def signed(job: Job, message_id: str, now: datetime, body: bytes) -> dict[str, str]:
    """The headers of the manifest, and those that sign a request. Raises ValueError."""
    own = {name.lower(): value for name, value in job.headers.items()}
    if refused := sorted(filter(is_reserved, own)):
        raise ValueError(f"spec.runtime.headers may not set {', '.join(refused)}")
    if job.secret is None:
        return own
    try:
        return own | signed_headers(job.secret, message_id, now, body)
    except SecretInvalid as error:
        raise ValueError(f"spec.runtime.secret {error}") from error

"""`python -m reconciler.ci.identity COMMAND…`: run a command as the job that it runs in.

Where `OIDC_AUDIENCE` is set, GitHub is asked for a short-lived token of the job, which only the
command gets, as `RECONCILER_TOKEN`: no file and no log holds it. Elsewhere the command just runs.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

import httpx

from reconciler.core.base.errors import ReconcilerError, Unavailable, UsageError


def token_of_job(env: Mapping[str, str], audience: str) -> str:
    """Return the token that GitHub signs for a job. Raises UsageError and Unavailable."""
    url, secret = env.get("ACTIONS_ID_TOKEN_REQUEST_URL"), env.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
    if not (url and secret):
        raise UsageError("the job has no identity; it needs `permissions: {id-token: write}`")
    headers = {"authorization": f"Bearer {secret}"}
    transport = httpx.HTTPTransport(retries=3)
    try:
        with httpx.Client(transport=transport, timeout=30) as client:
            where = httpx.URL(url).copy_merge_params({"audience": audience})
            answer = client.get(where, headers=headers)
            token = answer.json().get("value") if answer.is_success else None
    except (httpx.HTTPError, ValueError, AttributeError) as error:
        raise Unavailable(f"the job's token is unavailable: {type(error).__name__}") from None
    if not isinstance(token, str) or not token:
        raise Unavailable(f"the job's token is unavailable: the answer was {answer.status_code}")
    return token


def main(command: Sequence[str], env: Mapping[str, str] = os.environ) -> NoReturn:
    """Become the command."""
    environment = dict(env)
    if audience := env.get("OIDC_AUDIENCE"):
        try:
            environment["RECONCILER_TOKEN"] = token_of_job(env, audience)
        except ReconcilerError as error:
            sys.stderr.write(f"error: {error}\n")
            sys.exit(error.exit_code)
    os.execvpe(command[0], list(command), environment)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])

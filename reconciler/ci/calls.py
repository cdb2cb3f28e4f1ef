"""Calls of a forge's API: which answers are worth another attempt, and when."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from reconciler.ci.forge import Forge
from reconciler.core.base.errors import ReconcilerError, Unavailable
from reconciler.core.base.safe_text import escaped

PATIENCE = 120.0
"""Seconds that a job waits in all; longer limits are reported."""
_PAGE = 100
_MAX_PAGES = 100
_TRANSIENT = {429, 500, 502, 503, 504}


class Again(Exception):
    """An answer after which the whole of a task is begun anew, in `wait` seconds."""

    def __init__(self, why: str, wait: float | None = None) -> None:
        super().__init__(why)
        self.wait = wait


class Rejected(ReconcilerError):
    """An answer that another attempt would not change. `status` is that of HTTP."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def attempts(task: Callable[[], str]) -> str:
    """Carry out a task, anew after `Again`, with growing waits. Raises Unavailable."""
    waited, pause = 0.0, 1.0
    while True:
        try:
            return task()
        except Again as again:
            wait = pause if again.wait is None else again.wait
            # A wait of nothing counts too, or a server that says so would hold the job for ever.
            waited += max(wait, 1.0)
            if waited > PATIENCE:
                raise Unavailable(f"{again}; gave up after {PATIENCE:.0f} s") from None
            time.sleep(wait)
            pause = min(2 * pause, 30.0)


class Calls:
    """Calls of one forge."""

    def __init__(self, forge: Forge, client: httpx.Client) -> None:
        self._forge = forge
        self._client = client

    def me(self) -> dict[str, Any] | None:
        """Return the token's own user; None where it belongs to an app, which has none."""
        try:
            user = self.send("GET", "/user").json()
        except Rejected as error:
            if error.status in (401, 403, 404):
                return None
            raise
        return user if isinstance(user, dict) else None

    def comments(self) -> Iterator[dict[str, Any]]:
        """All comments of the pull request, the oldest first."""
        url = f"{self._forge.comments}?per_page={_PAGE}{self._forge.oldest_first}"
        for _ in range(_MAX_PAGES):
            answer = self.send("GET", url)
            yield from (entry for entry in answer.json() if isinstance(entry, dict))
            following = answer.links.get("next", {}).get("url")
            if not following:
                return
            url = self._own(following)

    def send(self, method: str, path: str, body: str | None = None) -> httpx.Response:
        """Make one call. Raises Again and Rejected."""
        try:
            answer = self._client.request(
                method,
                path if path.startswith("http") else f"{self._forge.api}{path}",
                headers=dict(self._forge.headers),
                json=None if body is None else {"body": body},
            )
        except httpx.HTTPError as error:
            raise Again(f"{self._forge.name} cannot be reached: {type(error).__name__}") from None
        if answer.is_success:
            return answer
        if answer.status_code in _TRANSIENT or _is_limited(answer):
            why = f"{self._forge.name} answered {answer.status_code}"
            raise Again(f"{why}, rate limit" if _is_limited(answer) else why, _wait(answer))
        raise Rejected(self._sentence(method, answer), answer.status_code)

    def _own(self, url: str) -> str:
        """Return a link of an answer; the token goes there, so it must lead to the same host."""
        link, api = httpx.URL(url), httpx.URL(self._forge.api)
        if (link.scheme, link.host, link.port) != (api.scheme, api.host, api.port):
            raise Rejected(f"{self._forge.name} named a next page on another host", 502)
        return url

    def _sentence(self, method: str, answer: httpx.Response) -> str:
        what = f"{self._forge.name} refused to {_VERBS[method]}: {answer.status_code}"
        if message := _message(answer):
            what += f" {message}"
        if answer.status_code in (401, 403, 404):
            what += f"; {self._forge.missing_right}"
        return what


_VERBS = {"GET": "list comments", "POST": "write a comment", "PATCH": "edit", "PUT": "edit"}


def _message(answer: httpx.Response) -> str:
    try:
        body = answer.json()
    except ValueError:
        return ""
    message = body.get("message") or body.get("error") if isinstance(body, dict) else None
    return escaped(str(message))[:200] if message else ""


def _is_limited(answer: httpx.Response) -> bool:
    """GitHub answers 403 where others answer 429; what else is 403 is a missing right."""
    if answer.status_code == 429:
        return True
    if answer.status_code != 403:
        return False
    return "retry-after" in answer.headers or answer.headers.get("x-ratelimit-remaining") == "0"


def _wait(answer: httpx.Response) -> float | None:
    seconds = answer.headers.get("retry-after", "")
    if seconds.isascii() and seconds.isdigit():
        return float(seconds)
    moment = answer.headers.get("x-ratelimit-reset", "")
    if moment.isascii() and moment.isdigit():
        return max(0.0, float(moment) - time.time())
    return None

"""One HTTP exchange with an agent: bounded in time and size, never redirected, never raising.

What a runtime has to know of a failure is whether the request may have been acted on, so that is
what the values say: `Unreached` (surely not), `Unanswered` (perhaps), `Reply` (it said so itself).
"""

import asyncio
import json
import logging
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ssl import SSLError

import httpx

from reconciler.core.base.invisible import one_line
from reconciler.core.runs.run import Json
from reconciler.dispatch.body import ANSWER_LIMIT, TooMuch, read_body
from reconciler.dispatch.connections import Connections

CONNECT_SECONDS = 5.0
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_HEADER_VALUE = re.compile(r"(?:[!-~](?:[\t -~]*[!-~])?)?", re.ASCII)
_CAUSES = 10
QUOTED = 200
"""Characters of an agent's words that a message repeats."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The agent answered; header names in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Json:
        """The body as JSON; None where it is not."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def object(self) -> dict[str, Json]:
        """The body as a JSON object; empty where it is not."""
        value = self.json()
        return value if isinstance(value, dict) else {}

    def summary(self) -> str:
        """Return the answer's message, or else its body: one line, cut."""
        fields = self.object()
        names = ("detail", "message", "error", "title")
        message = next((fields[name] for name in names if fields.get(name)), "")
        is_text = isinstance(message, str) and message
        text = message if is_text else self.body.decode("utf-8", "replace")
        return one_line(text, QUOTED)

    def retry_after(self) -> float | None:
        """Seconds of `Retry-After`, in either of its forms."""
        value = self.headers.get("retry-after", "").strip()
        if value.isascii() and value.isdigit():
            return float(value[:9])
        with suppress(ValueError, OverflowError):
            moment = parsedate_to_datetime(value)
            aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return max(0.0, (aware - datetime.now(UTC)).total_seconds())
        return None


@dataclass(frozen=True, slots=True)
class Unreached:
    """The request did not leave this host: nothing was started."""

    message: str


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The request left and no complete answer came: it may have been acted on."""

    message: str


@dataclass(frozen=True, slots=True)
class Unsendable:
    """No request can be made of this: a URL or a header that HTTP does not allow."""

    message: str


@dataclass(frozen=True, slots=True)
class Oversized:
    """An answer came, and there is more of it than is read."""

    message: str


Exchange = Oversized | Reply | Unreached | Unanswered | Unsendable


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request; `within` are the seconds that all of it may take."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    within: float = 30.0
    limit: int = ANSWER_LIMIT


def new_client() -> httpx.AsyncClient:
    """The client of all runtimes: no proxies of the environment, no redirects, no cookies kept."""
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs URLs, which may hold tokens
    return httpx.AsyncClient(
        transport=Connections(),
        trust_env=False,
        follow_redirects=False,
        # A cookie goes to every port of its host: kept, one agent's would be sent to the others.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
        headers={"user-agent": "reconciler", "accept": "application/json"},
    )


async def exchange(client: httpx.AsyncClient, call: Call) -> Exchange:
    """Make the request and read the answer."""
    if (refusal := _header_refusal(call.headers)) is not None:
        return Unsendable(refusal)
    try:
        async with asyncio.timeout(call.within):
            return await _exchange(client, call)
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        return Unreached(f"{_origin(call.url)} cannot be reached: {_why(error)}")
    except TimeoutError:
        return Unanswered(f"{_origin(call.url)} did not answer within {call.within:g} s")
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError, ValueError):
        # The words of these errors repeat what they are about, which may be a secret.
        return Unsendable(f"no request can be made to {_origin(call.url)}: HTTP does not allow it")
    except httpx.HTTPError as error:
        return Unanswered(f"{_origin(call.url)} broke off: {_why(error)}")


async def _exchange(client: httpx.AsyncClient, call: Call) -> Exchange:
    # Decompressed, a few bytes may be gigabytes.
    headers = {"accept-encoding": "identity", **call.headers}
    async with client.stream(call.method, call.url, headers=headers, content=call.body) as answer:
        try:
            body = await read_body(answer, call.limit)
        except TooMuch as error:
            return Oversized(f"{_origin(call.url)} answered {error}")
        return Reply(answer.status_code, dict(answer.headers), body)


def _header_refusal(headers: Mapping[str, str]) -> str | None:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            return f"{one_line(name, QUOTED)!r} is not the name of a header"
        if not _HEADER_VALUE.fullmatch(value):
            return (
                f"the value of the header {name} cannot be sent: allowed is ASCII without control "
                "characters and without spaces around it"
            )
    return None


def _origin(url: str) -> str:
    """The URL without what may be secret in it: user, path and query."""
    with suppress(httpx.InvalidURL, ValueError):
        parsed = httpx.URL(url)
        return f"{parsed.scheme}://{parsed.netloc.decode('ascii', 'replace')}"
    return "the URL"


def _why(error: BaseException) -> str:
    """The system's own words, where there are any: the client's say only that no attempt worked."""
    cause: BaseException | None = error
    for _ in range(_CAUSES):
        match cause:
            case ConnectionRefusedError():
                return "nothing listens there"
            case OSError(errno=int(number)) if not isinstance(cause, SSLError) and number > 0:
                return os.strerror(number)
        cause = cause and (cause.__cause__ or cause.__context__)
    return one_line(str(error), QUOTED) or type(error).__name__

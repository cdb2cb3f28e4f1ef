"""Connections to agents: each with a pool to itself, the one that was used last first.

A pool of many connections asks each of them whether it is still there, before and after every
request, and counts them all for each that is idle: with fifty a request took 4 ms of CPU.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from ssl import SSLContext
from typing import NamedTuple

import httpx

MOST_IDLE = 50
"""Connections that are kept open for later requests."""
IDLE_SECONDS = 5.0
"""For so long; a server may close an idle connection as the next request goes out on it."""

_Origin = tuple[str, str, int | None]
_SINGLE = httpx.Limits(
    max_connections=1, max_keepalive_connections=1, keepalive_expiry=IDLE_SECONDS
)


class _Idle(NamedTuple):
    origin: _Origin
    connection: httpx.AsyncHTTPTransport
    since: float


class Connections(httpx.AsyncBaseTransport):
    """A transport of httpx without proxies; `trust_env`: certificates as the environment says.

    The first request makes the TLS context: certificates of authorities take two megabytes.
    """

    def __init__(
        self,
        *,
        trust_env: bool = False,
        most_idle: int = MOST_IDLE,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._trust_env = trust_env
        self._most_idle = most_idle
        self._idle_seconds = idle_seconds
        self._idle: deque[_Idle] = deque()
        self._tls: SSLContext | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Make the request; its connection is free again once the answer is closed."""
        origin = (request.url.scheme, request.url.host, request.url.port)
        connection = self._take(origin) or self._open()
        try:
            response = await connection.handle_async_request(request)
        except BaseException:
            # Whatever comes on it now belongs to nobody.
            await connection.aclose()
            raise
        if not isinstance(response.stream, httpx.AsyncByteStream):
            raise TypeError("an answer has no stream")
        response.stream = _Stream(response.stream, self, origin, connection)
        return response

    async def aclose(self) -> None:
        """Close what is idle; what is in use closes with its answer."""
        self._most_idle = 0
        await self._close_surplus()

    async def put_back(self, origin: _Origin, connection: httpx.AsyncHTTPTransport) -> None:
        """Keep a connection whose answer was closed; it knows whether it can be used again."""
        self._idle.append(_Idle(origin, connection, asyncio.get_running_loop().time()))
        await self._close_surplus()

    def _take(self, origin: _Origin) -> httpx.AsyncHTTPTransport | None:
        for at in range(len(self._idle) - 1, -1, -1):
            if self._idle[at].origin == origin:
                connection = self._idle[at].connection
                del self._idle[at]
                return connection
        return None

    def _open(self) -> httpx.AsyncHTTPTransport:
        if self._tls is None:
            self._tls = httpx.create_ssl_context(trust_env=self._trust_env)
        return httpx.AsyncHTTPTransport(verify=self._tls, trust_env=False, limits=_SINGLE)

    async def _close_surplus(self) -> None:
        """Close those that nobody has used for longest."""
        until = asyncio.get_running_loop().time() - self._idle_seconds
        while self._idle and (len(self._idle) > self._most_idle or self._idle[0].since < until):
            await self._idle.popleft().connection.aclose()


@dataclass(slots=True, eq=False)
class _Stream(httpx.AsyncByteStream):
    """The body of an answer, which gives its connection back when it is closed."""

    body: httpx.AsyncByteStream
    connections: Connections
    origin: _Origin
    connection: httpx.AsyncHTTPTransport | None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self.body:
            yield part

    async def aclose(self) -> None:
        connection, self.connection = self.connection, None
        if connection is None:
            return
        try:
            await self.body.aclose()
        except BaseException:
            with suppress(Exception):
                await connection.aclose()
            raise
        await self.connections.put_back(self.origin, connection)

"""gzip for large answers, where the client takes it and nothing in them is worth guessing."""

import asyncio
import gzip
import re
from functools import partial

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LEAST = 2048
"""Bytes below which an answer is sent as it is."""
LARGE = 64 * 1024
"""Bytes from which compressing is done beside the event loop."""
LEVEL = 5
_TYPES = re.compile(r"(?:application/(?:\w+\+)?(?:json|yaml)|text/(?:html|css|javascript|yaml))\b")
_SECRET = re.compile(r"/v1/autopilots/[^/]+/triggers/[^/]+/url|/autopilots/[^/]+|/login")
"""These hold URLs that are secrets. The size of a compressed answer tells about a secret in it to
whoever can have other parts of it chosen (BREACH)."""


class Compressed:
    """Compresses whole answers; streams and what is encoded already go through as they are."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _SECRET.fullmatch(scope["path"]):
            await self.app(scope, receive, send)
            return
        takes = _takes_gzip(Headers(scope=scope).get("accept-encoding", ""))
        held: list[Message] = []

        async def send_compressed(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_compressible(message):
                held.append(message)
                return
            if held:
                start = held.pop()
                if not message.get("more_body"):
                    await _compress(start, message, takes)
                await send(start)
            await send(message)

        await self.app(scope, receive, send_compressed)


def _takes_gzip(accept: str) -> bool:
    for part in accept.lower().split(","):
        name, _, parameters = part.partition(";")
        if name.strip() in ("gzip", "*"):
            quality = parameters.replace(" ", "").removeprefix("q=") or "1"
            return quality.strip("0.") != ""
    return False


def _is_compressible(start: Message) -> bool:
    headers = Headers(raw=start["headers"])
    return _TYPES.match(headers.get("content-type", "")) is not None and (
        "content-encoding" not in headers
    )


async def _compress(start: Message, message: Message, takes: bool) -> None:
    headers = MutableHeaders(raw=start["headers"])
    headers.add_vary_header("Accept-Encoding")
    body: bytes = message.get("body", b"")
    if takes and len(body) >= LEAST:
        # Without a moment of its own: equal answers are equal bytes.
        encode = partial(gzip.compress, body, LEVEL, mtime=0)
        message["body"] = encode() if len(body) < LARGE else await asyncio.to_thread(encode)
        headers["Content-Encoding"] = "gzip"
        headers["Content-Length"] = str(len(message["body"]))
    start["headers"] = headers.raw

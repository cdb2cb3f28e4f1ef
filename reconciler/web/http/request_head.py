"""Request heads, read more strictly than h11 reads them, so that no proxy reads them otherwise."""

import re
from typing import NoReturn
from urllib.parse import urlsplit

import h11

from reconciler.web.http.problems import Problem

MAX_HEAD = 64 * 1024
"""Bytes of a request line and its headers together."""

_END = re.compile(rb"\n\r?\n")
_AMBIGUOUS = re.compile(rb"(?i)\n[ \t]|\ncontent-length[ \t]*:[^\r\n]*,")
"""A header that goes on in the next line, and several lengths in one header."""
_FRAMING = re.compile(rb"(?im)^(content-length|transfer-encoding)[ \t]*:")
_ABSOLUTE = re.compile(rb"(?i)https?://")

INVALID = Problem(400, "request-invalid", "this is not a valid HTTP/1.1 request")
TOO_LARGE = Problem(
    431, "headers-too-large", f"the request line and headers may have {MAX_HEAD} bytes together"
)


class RequestReader(h11.Connection):
    """The server's side of one connection. `refusal` says what was wrong once h11 raised.

    h11 takes a bare LF for the end of a line, merges equal Content-Length headers, and bounds only
    heads that have not ended yet. A proxy in front may read such a head otherwise, and then a
    request can hide in another one's body (request smuggling).
    """

    def __init__(self) -> None:
        super().__init__(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self.refusal = INVALID

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """The next event. Raises `h11.RemoteProtocolError` for what is refused."""
        if self.their_state is h11.IDLE:
            self._require_strict(self.trailing_data[0])
        event = super().next_event()
        if not isinstance(event, h11.Request) or not _ABSOLUTE.match(event.target):
            return event
        try:
            return _in_origin_form(event)
        except ValueError:
            self._refuse(INVALID)

    def _require_strict(self, received: bytes) -> None:
        end = _END.search(received)
        head = received[: end.end()] if end else received
        if len(head) > MAX_HEAD:
            self._refuse(TOO_LARGE)
        bare = head.count(b"\n") != head.count(b"\r\n")
        if bare or len(_FRAMING.findall(head)) > 1 or _AMBIGUOUS.search(head):
            self._refuse(INVALID)

    def _refuse(self, refusal: Problem) -> NoReturn:
        self.refusal = refusal
        raise h11.RemoteProtocolError(refusal.detail, error_status_hint=refusal.status)


def _in_origin_form(request: h11.Request) -> h11.Request:
    """`GET http://host/path` as `GET /path` with that host, whatever `Host` says (RFC 9112, 3.2.2).

    Whoever checks `Host` afterwards checks the name that the request is really for. Raises
    ValueError for an address that is malformed.
    """
    parts = urlsplit(request.target.decode("ascii"))
    if not parts.hostname:
        raise ValueError("an address without a host")
    query = f"?{parts.query}" if parts.query else ""
    headers = [(name, value) for name, value in request.headers if name != b"host"]
    return h11.Request(
        method=request.method,
        target=f"{parts.path or '/'}{query}",
        headers=[(b"host", parts.netloc.encode("ascii")), *headers],
        http_version=request.http_version,
    )

"""What a stand-in that is asked over HTTP has been sent: a whole request or nothing."""

from http.server import BaseHTTPRequestHandler

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


def whole_body(handler: BaseHTTPRequestHandler) -> bytes:
    """Read the body of a request.

    Raises ConnectionAbortedError where the sender died on the way. `http.server` takes the end of
    the connection for the end of the headers, and `read` gives what came: half a request would
    count as one.
    """
    length = handler.headers.get("content-length")
    if length is None and handler.command in _WITH_BODY:
        raise ConnectionAbortedError("the connection ended within the headers")
    body = handler.rfile.read(int(length or 0))
    if len(body) < int(length or 0):
        raise ConnectionAbortedError("the connection ended within the body")
    return body

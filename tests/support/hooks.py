"""Receivers of notifications on loopback: HTTP that records what it is sent, and may misbehave."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.bodies import whole_body


@dataclass(frozen=True)
class Posted:
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class HookServer:
    """What came, and how it is answered: `status`, or the result of `answer`; it may hang."""

    url: str = ""
    status: int = 204
    hangs: bool = False
    posted: list[Posted] = field(default_factory=list)
    arriving: int = 0
    """Requests that came, answered or not."""
    arrived: threading.Event = field(default_factory=threading.Event)
    """Set by the first of them."""
    answer: Callable[[Posted], int] | None = None
    released: threading.Event = field(default_factory=threading.Event)

    def ids(self) -> list[str]:
        """The `webhook-id` of each request."""
        return [post.headers["webhook-id"] for post in self.posted]


@contextmanager
def hook_server() -> Iterator[HookServer]:
    """A receiver on a free port of loopback."""
    state = HookServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = whole_body(self)
            headers = {name.lower(): value for name, value in self.headers.items()}
            post = Posted(self.path, headers, body)
            state.arriving += 1
            state.arrived.set()
            if state.hangs:
                state.released.wait(60)
            state.posted.append(post)
            with suppress(ConnectionError):  # whoever asked may have been killed meanwhile
                self.send_response(state.answer(post) if state.answer else state.status)
                self.send_header("content-length", "0")
                self.end_headers()

        def log_message(self, *_args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.released.set()
        server.shutdown()
        server.server_close()
        thread.join()

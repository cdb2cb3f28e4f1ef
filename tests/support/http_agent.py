"""A stand-in agent of the `http` runtime: it takes runs, remembers them, and reports.

    with HttpAgent() as agent:
        agent.answer(503, headers={"Retry-After": "7"})   for the next request
        agent.requests[0].header("webhook-id")

Without an answer set, a run with a callback URL is accepted (202) and any other one is completed
(200); the same idempotency key gets the same answer and counts once. `python -m
tests.support.http_agent --port 0` serves as a process of its own, prints its URL, and reports each
session to its callback URL as completed.
"""

import argparse
import json
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import httpx

from tests.support.bodies import whole_body

Json = Any


@dataclass(frozen=True)
class Received:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def header(self, name: str) -> str:
        """A header, or an empty text."""
        return self.headers.get(name.lower(), "")

    def json(self) -> dict[str, Json]:
        """The body."""
        return dict(json.loads(self.body))


@dataclass(frozen=True)
class Answer:
    """What to say; `hold` says nothing before the agent is released, `cut` breaks off."""

    status: int
    body: bytes
    headers: dict[str, str]
    hold: bool = False
    cut: bool = False


@dataclass
class HttpAgent:
    """The agent, serving on a free port while it is entered."""

    port: int = 0
    report: bool = False
    requests: list[Received] = field(default_factory=list)
    runs: dict[str, Answer] = field(default_factory=dict)
    """What each idempotency key was answered: how many runs there really were."""
    _answers: deque[Answer] = field(default_factory=deque)
    _released: threading.Event = field(default_factory=threading.Event)

    def answer(
        self,
        status: int,
        body: Json = None,
        headers: dict[str, str] | None = None,
        *,
        hold: bool = False,
        cut: bool = False,
    ) -> None:
        """What the next request is answered; bytes as they are, anything else as JSON."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._answers.append(Answer(status, raw, headers or {}, hold, cut))

    def release(self) -> None:
        """Let everything that is held go on."""
        self._released.set()

    @property
    def url(self) -> str:
        """Where runs are posted."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/runs"

    def __enter__(self) -> Self:
        agent = self

        class Handler(_Handler):
            def take(self, received: Received) -> Answer:
                return agent._take(received)

        self._server = _Server(("127.0.0.1", self.port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _take(self, received: Received) -> Answer:
        if self._answers:
            answer = self._answers.popleft()
        elif received.method != "POST":
            answer = Answer(204, b"", {})
        else:
            answer = self._usual(received)
        self.requests.append(received)  # whoever sees it knows that its answer is chosen
        if answer.hold:
            self._released.wait(60)
        return answer

    def _usual(self, received: Received) -> Answer:
        key, run = received.header("idempotency-key"), received.json()
        if key not in self.runs:
            if run.get("callbackUrl"):
                self.runs[key] = Answer(202, json.dumps({"sessionId": f"s-{key}"}).encode(), {})
                if self.report:
                    threading.Thread(target=_complete, args=(run,), daemon=True).start()
            else:
                done = {"status": "completed", "result": {"labelled": 3}}
                self.runs[key] = Answer(200, json.dumps(done).encode(), {})
        return self.runs[key]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hangs up is nothing to print about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def take(self, received: Received) -> Answer:
        """What to say to a request."""
        raise NotImplementedError

    def do_POST(self) -> None:
        body = whole_body(self)
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.take(Received(self.command, self.path, headers, body))
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(answer.body) + (100 if answer.cut else 0)))
        self.end_headers()
        try:
            self.wfile.write(answer.body)
        except OSError:  # the server hung up, which is its right
            self.close_connection = True
        if answer.cut:
            self.close_connection = True

    do_DELETE = do_GET = do_POST  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


def _complete(run: dict[str, Json]) -> None:
    """Report the end of a session, with the run's own token."""
    httpx.post(
        run["callbackUrl"],
        json={"status": "completed", "result": {"title": run["title"]}},
        headers={"Authorization": f"Bearer {run['token']}"},
        trust_env=False,
        timeout=30,
    )


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description="a stand-in http agent")
    parser.add_argument("--port", type=int, default=0)
    with HttpAgent(port=parser.parse_args().port, report=True) as agent:
        print(agent.url, flush=True)  # noqa: T201 - whoever started it reads this line
        threading.Event().wait()


if __name__ == "__main__":
    main()

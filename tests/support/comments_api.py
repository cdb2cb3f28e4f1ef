"""A stand-in for the REST APIs of GitHub and GitLab, as their documentation describes them.

GitHub: "List / Create / Update an issue comment", "Rate limits for the REST API", "Using pagination
in the REST API". GitLab: "Notes API" of merge requests, "Pagination" (`Link` headers).
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.bodies import whole_body
from tests.support.github_api import wrong_with_answer, wrong_with_request

TOKEN = "forge-token-of-the-job"
MOST = 65_536
"""Characters of a comment that GitHub takes."""

BOT = {"id": 41898282, "login": "github-actions[bot]", "type": "Bot"}
ADA = {"id": 7, "login": "ada", "type": "User"}
PROJECT_BOT = {"id": 99, "username": "project_1_bot", "state": "active"}

_GITHUB = re.compile(r"/repos/acme/automations/issues/(?:(?P<number>\d+)/comments|comments/(\d+))")
_GITLAB = re.compile(r"/api/v4/projects/1/merge_requests/(?P<number>\d+)/notes(?:/(\d+))?")


@dataclass
class ForgeServer:
    """Pull request 5 (merge request 5 of project 1), its comments, and what goes wrong next.

    `failures` are answered first, one each; "lost" does the work and closes the connection;
    "deleted" answers 404 to the next edit and forgets the comment.
    """

    url: str = ""
    comments: list[dict[str, Any]] = field(default_factory=list)
    failures: list[tuple[int, dict[str, str], str] | str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    may_write: bool = True
    most: int = MOST
    next_page: str | None = None

    @property
    def github(self) -> dict[str, str]:
        """The environment of a job of GitHub."""
        return {
            "GITHUB_API_URL": self.url,
            "GITHUB_REPOSITORY": "acme/automations",
            "GITHUB_TOKEN": TOKEN,
            "PULL_REQUEST": "5",
        }

    @property
    def gitlab(self) -> dict[str, str]:
        """The environment of a job of GitLab."""
        return {
            "CI_API_V4_URL": f"{self.url}/api/v4",
            "CI_PROJECT_ID": "1",
            "CI_MERGE_REQUEST_IID": "5",
            "GITLAB_TOKEN": TOKEN,
        }

    def add(self, body: str, by: dict[str, Any] = BOT) -> None:
        """Have somebody write a comment."""
        number = 1000 + len(self.comments)
        self.comments.append({"id": number, "body": body, "user": by, "author": by})

    @property
    def bodies(self) -> list[str]:
        """What the comments say, the oldest first."""
        return [comment["body"] for comment in self.comments]


@contextmanager
def a_forge() -> Iterator[ForgeServer]:
    """A running stand-in."""
    forge = ForgeServer()

    class Handler(_Handler):
        state = forge

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    forge.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield forge
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    state: ForgeServer

    def do_GET(self) -> None:
        self._answer_call()

    def do_POST(self) -> None:
        self._answer_call()

    def do_PATCH(self) -> None:
        self._answer_call()

    def do_PUT(self) -> None:
        self._answer_call()

    def _answer_call(self) -> None:
        forge, url = self.state, urlsplit(self.path)
        sent_body = whole_body(self)
        body = json.loads(sent_body) if sent_body else None
        forge.calls.append(f"{self.command} {url.path}")
        failure = forge.failures.pop(0) if forge.failures else None
        if isinstance(failure, tuple):
            status, headers, message = failure
            return self._send(status, {"message": message}, headers)
        on_gitlab = url.path.startswith("/api/v4")
        sent = self.headers.get("private-token" if on_gitlab else "authorization")
        if sent != (TOKEN if on_gitlab else f"Bearer {TOKEN}"):
            return self._send(401, {"message": "Bad credentials"})
        if url.path == "/user":
            return self._send(403, {"message": "Resource not accessible by integration"})
        if url.path == "/api/v4/user":
            return self._send(200, PROJECT_BOT)
        if not on_gitlab and (wrong := wrong_with_request(self.command, self.path, body)):
            return self._send(422, {"message": f"Validation Failed: {wrong}"})
        status, answer = self._carry_out(
            url.path, body, failure, by=PROJECT_BOT if on_gitlab else BOT
        )
        if not on_gitlab and (wrong := wrong_with_answer(self.command, url.path, status, answer)):
            return self._send(500, {"message": f"the stand-in is wrong: {wrong}"})
        if failure == "lost":
            self.close_connection = True
            return None
        if self.command == "GET" and status == 200:
            return self._page(url.path, parse_qs(url.query), answer)
        return self._send(status, answer)

    def _carry_out(self, path: str, body: Any, failure: Any, by: dict[str, Any]) -> tuple[int, Any]:
        forge = self.state
        match = _GITHUB.fullmatch(path) or _GITLAB.fullmatch(path)
        if match is None or match["number"] not in (None, "5"):
            return 404, {"message": "Not Found"}
        if self.command == "GET":
            return 200, forge.comments
        if not forge.may_write:
            return 403, {"message": "Resource not accessible by integration"}
        if len(body["body"]) > forge.most:
            return 422, {
                "message": "Validation Failed: body is too long (maximum is 65536 characters)"
            }
        if self.command == "POST":
            forge.add(body["body"], by)
            return 201, forge.comments[-1]
        old = [comment for comment in forge.comments if str(comment["id"]) == match[2]]
        if failure == "deleted" or not old:
            forge.comments = [comment for comment in forge.comments if comment not in old]
            return 404, {"message": "Not Found"}
        old[0]["body"] = body["body"]
        return 200, old[0]

    def _page(self, path: str, query: dict[str, list[str]], entries: list[Any]) -> None:
        size = min(int(query.get("per_page", ["30"])[0]), 100)
        number = int(query.get("page", ["1"])[0])
        headers = {}
        if number * size < len(entries):
            link = f"{self.state.url}{path}?per_page={size}&page={number + 1}"
            headers["Link"] = f'<{self.state.next_page or link}>; rel="next", <{link}>; rel="last"'
        self._send(200, entries[(number - 1) * size : number * size], headers)

    def _send(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

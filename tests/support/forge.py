"""Stand-ins of GitHub's and GitLab's APIs for opening requests, as their documentation says.

They know one project, `acme/automations`, take one token, want their own fields and headers, and
refuse what the real ones refuse, in their words.
"""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.support.bodies import whole_body
from tests.support.github_api import wrong_with_answer, wrong_with_request

TOKEN = "forge-token-1234567890"
PROJECT = "acme/automations"
Answer = tuple[int, dict[str, Any]]


@dataclass
class StandInForge:
    """Serves while it is entered. `opened` are the bodies that were taken, in their order."""

    opened: list[dict[str, Any]] = field(default_factory=list)
    _server: ThreadingHTTPServer = field(init=False)

    def __enter__(self) -> Self:
        forge = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(whole_body(self))
                status, document = forge.answer(self.path, dict(self.headers.items()), body)
                data = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json; charset=utf-8")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def github(self) -> str:
        """The base of GitHub's API."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def gitlab(self) -> str:
        """The base of GitLab's API."""
        return f"{self.github}/api/v4"

    def answer(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> Answer:
        """What the forge of this path says. GitHub's answers are held to its own description."""
        named = {name.lower(): value for name, value in headers.items()}
        if path.startswith("/api/v4/"):
            return self._as_gitlab(path, named, body)
        status, document = self._as_github(path, named, body)
        wrong = wrong_with_answer("POST", path, status, document)
        return (
            (500, {"message": f"the stand-in is wrong: {wrong}"}) if wrong else (status, document)
        )

    def _as_github(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> Answer:
        if headers.get("authorization") != f"Bearer {TOKEN}":
            return 401, {"message": "Bad credentials", "status": "401"}
        if path != f"/repos/{PROJECT}/pulls":
            return 404, {"message": "Not Found", "status": "404"}
        if wrong := wrong_with_request("POST", path, body):
            return 422, {"message": f"Validation Failed: {wrong}", "errors": [], "status": "422"}
        if self._has("head", body):
            return 422, {"message": "Validation Failed", "errors": [], "status": "422"}
        self.opened.append(body)
        number = len(self.opened)
        url = f"https://github.com/{PROJECT}/pull/{number}"
        return 201, {"number": number, "state": "open", "html_url": url}

    def _as_gitlab(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> Answer:
        if headers.get("private-token") != TOKEN:
            return 401, {"message": "401 Unauthorized"}
        if path != "/api/v4/projects/acme%2Fautomations/merge_requests":
            return 404, {"message": "404 Project Not Found"}
        if missing := {"source_branch", "target_branch", "title"} - body.keys():
            return 400, {"error": f"{', '.join(sorted(missing))} is missing"}
        if self._has("source_branch", body):
            message = "Another open merge request already exists for this source branch: !1"
            return 409, {"message": [message]}
        self.opened.append(body)
        number = len(self.opened)
        url = f"https://gitlab.example.com/{PROJECT}/-/merge_requests/{number}"
        return 201, {"iid": number, "state": "opened", "web_url": url}

    def _has(self, name: str, body: dict[str, Any]) -> bool:
        return any(other.get(name) == body[name] for other in self.opened)

"""Stand-ins of GitHub's and GitLab's APIs for opening requests, as their documentation says.

They know one project, `acme/automations`, take one token, want their own fields and headers, and
refuse what the real ones refuse, in their words.
"""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

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
                length = int(self.headers.get("Content-Length", "0"))
                body = json.loads(self.rfile.read(length))
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
        """What the forge of this path says."""
        named = {name.lower(): value for name, value in headers.items()}
        take = self._as_gitlab if path.startswith("/api/v4/") else self._as_github
        return take(path, named, body)

    def _as_github(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> Answer:
        if headers.get("authorization") != f"Bearer {TOKEN}":
            return 401, {"message": "Bad credentials", "status": "401"}
        if path != f"/repos/{PROJECT}/pulls":
            return 404, {"message": "Not Found", "status": "404"}
        if not {"head", "base", "title"} <= body.keys() or self._has("head", body):
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

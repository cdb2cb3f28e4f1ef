"""A command that runs as the job that it is in: the token is its alone."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

SHOW = [sys.executable, "-c", "import os; print(os.environ.get('RECONCILER_TOKEN'))"]


class _Handler(BaseHTTPRequestHandler):
    """As GitHub documents it: `GET …?api-version=2.0&audience=A` with a bearer token."""

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        known = self.headers["authorization"] == "Bearer of-the-job" and "api-version" in query
        body = json.dumps({"value": f"jwt-for-{query['audience'][0]}"} if known else {}).encode()
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def issuer() -> Iterator[dict[str, str]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield {
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"http://127.0.0.1:{server.server_address[1]}/?api-version=2.0",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "of-the-job",
        "OIDC_AUDIENCE": "reconciler",
    }
    server.shutdown()
    server.server_close()


def run(env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "reconciler.ci.identity", *SHOW]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=30)


def test_the_command_gets_the_token_of_the_job(issuer: dict[str, str]) -> None:
    done = run(issuer)
    assert (done.returncode, done.stdout, done.stderr) == (0, "jwt-for-reconciler\n", "")


def test_without_an_audience_the_command_just_runs(issuer: dict[str, str]) -> None:
    assert run({**issuer, "OIDC_AUDIENCE": "", "RECONCILER_TOKEN": "rct_x"}).stdout == "rct_x\n"


def test_a_job_without_an_identity_is_told_which_permission_it_needs() -> None:
    done = run({"OIDC_AUDIENCE": "reconciler"})
    assert (done.returncode, done.stdout) == (64, "")
    assert "id-token: write" in done.stderr


def test_a_token_that_is_refused_ends_the_step_and_shows_nothing(issuer: dict[str, str]) -> None:
    done = run({**issuer, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "other"})
    assert (done.returncode, done.stdout) == (1, "")
    assert "the answer was 401" in done.stderr
    assert "other" not in done.stderr

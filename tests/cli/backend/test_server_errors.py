"""A server that cannot be reached, or answers otherwise than expected: a sentence says so."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.cli import Cli
from tests.support.ports import free_port

PROBLEM = "application/problem+json"


@contextmanager
def answering(status: int, body: str = "", **headers: str) -> Iterator[tuple[str, list[str]]]:
    """A server with one answer to everything; its address, and the tokens that it was sent."""
    tokens: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            tokens.append(self.headers.get("authorization", ""))
            content = body.encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", tokens
        finally:
            server.shutdown()
            thread.join()


def problem(status: int, code: str, detail: str, **more: object) -> str:
    """A problem document."""
    return json.dumps({"status": status, "code": code, "detail": detail, **more})


@pytest.mark.parametrize(
    ("status", "code", "exit_code", "sentence"),
    [
        pytest.param(401, "unauthenticated", 1, "set RECONCILER_TOKEN", id="no token"),
        pytest.param(403, "forbidden", 1, "--token-file names the token", id="another role"),
        pytest.param(404, "not-found", 1, "no such thing", id="an object that is not there"),
        pytest.param(405, "method-not-allowed", 1, "older than this command", id="an older server"),
        pytest.param(409, "source-followed", 1, "no such thing", id="a conflict"),
        pytest.param(409, "blocked", 4, "no such thing", id="blocked"),
        pytest.param(409, "unsafe", 4, "no such thing", id="unsafe"),
        pytest.param(409, "stale-plan", 5, "no such thing", id="stale"),
        pytest.param(503, "locked", 6, "no such thing", id="locked"),
        pytest.param(503, "unavailable", 1, "no such thing", id="no database"),
        pytest.param(422, "body-invalid", 1, "version", id="another version"),
    ],
)  # fmt: skip
def test_problems_have_the_exit_codes_of_a_database(
    cli: Cli, status: int, code: str, exit_code: int, sentence: str
) -> None:
    document = problem(status, code, "no such thing")
    with answering(status, document, Content_Type=PROBLEM) as (url, _):
        answer = cli("history", "--server", url)
    assert (answer.code, sentence in answer.err) == (exit_code, True), answer.err


def test_an_address_that_an_older_server_does_not_have(cli: Cli) -> None:
    document = problem(404, "not-found", "there is nothing at this address; /openapi.json lists")
    with answering(404, document, Content_Type=PROBLEM) as (url, _):
        answer = cli("history", "--server", url)
    assert (answer.code, "has no GET /v1/revisions: it is older" in answer.err) == (1, True)


def test_a_server_that_is_not_there(cli: Cli) -> None:
    answer = cli("history", "--server", f"http://127.0.0.1:{free_port()}")
    assert (answer.code, "cannot be reached" in answer.err) == (1, True)


def test_redirects_are_not_followed_and_others_are_no_server(cli: Cli) -> None:
    with (
        answering(200, "{}") as (_, tokens),
        answering(307, Location="http://127.0.0.1:9/elsewhere") as (url, _),
    ):
        answer = cli("history", "--server", url)
    assert (answer.code, "redirects to http://127.0.0.1:9/elsewhere" in answer.err) == (1, True)
    assert tokens == []
    with answering(502, "<html>", Content_Type="text/html") as (url, _):
        answer = cli("history", "--server", url)
    assert (answer.code, "is no reconciler server" in answer.err) == (1, True)


def test_proxies_of_the_environment_are_not_asked_for_loopback(cli: Cli) -> None:
    cli.monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    with answering(200, '{"items": [], "nextCursor": null}') as (url, _):
        assert cli("history", "--server", url).out == "no revisions\n"


class TestTokens:
    """The token comes from a file, or from the environment."""

    def test_the_file_comes_first(self, cli: Cli) -> None:
        file = cli.folder / "token"
        file.write_text("rct_file\n")
        cli.monkeypatch.setenv("RECONCILER_TOKEN", "rct_env")
        with answering(200, '{"items": [], "nextCursor": null}') as (url, tokens):
            cli("history", "--server", url)
            cli("history", "--server", url, "--token-file", str(file))
        assert tokens == ["Bearer rct_env", "Bearer rct_file"]

    @pytest.mark.parametrize("text", ["", "two words", "a\nb", "é"])
    def test_what_is_no_token_is_64(self, cli: Cli, text: str) -> None:
        Path("token").write_text(text)
        answer = cli("history", "--server", "http://127.0.0.1:9", "--token-file", "token")
        assert answer.code == 64
        assert not text or text not in answer.err


class TestWhichOne:
    """A server and a database exclude each other; what cannot be honoured is exit code 64."""

    def test_both_alike_are_64(self, cli: Cli) -> None:
        server, database = "http://127.0.0.1:9", "sqlite:///x.db"
        assert cli("history", "--server", server, "--database", database).code == 64
        cli.monkeypatch.setenv("RECONCILER_SERVER", server)
        cli.monkeypatch.setenv("RECONCILER_DATABASE", database)
        assert cli("history").code == 64
        assert "cannot be reached" in cli("history", "--server", server).err
        assert "there is no state in" in cli("history", "--database", database).err

    def test_what_a_server_decides_is_64(self, cli: Cli) -> None:
        cli.monkeypatch.setenv("RECONCILER_SERVER", "http://127.0.0.1:9")
        assert cli("plan", ".", "--allow-command", "a=/bin/true").code == 64
        assert cli("serve").code == 64
        assert cli("history", "--server", "ftp://x").code == 64

"""Connections on real sockets: strict heads, and answers that end the connection."""

import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.web.http import connection, lingering
from reconciler.web.http.connections import SPARE, Connections
from tests.support.sockets import SECONDS, connected, read_all, read_answer
from tests.support.web import Web


@pytest.fixture
def url(web: Web, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server whose deadlines no busy machine reaches: none of these tests waits for one."""
    monkeypatch.setattr(connection, "HEAD_DEADLINE", SECONDS)
    monkeypatch.setattr(lingering, "LINGER", SECONDS)
    with web.served() as served:
        yield served


def _taken(client: socket.socket) -> int:
    """Bytes that the connection still takes."""
    try:
        return client.send(b"x" * 65536)
    except ConnectionError:
        return 0


def spoken(url: str, sent: bytes) -> bytes:
    """All that a server answers to these bytes."""
    with connected(url) as client:
        client.sendall(sent)
        return read_all(client)


def head(*lines: str, first: str = "GET /healthz HTTP/1.1", end: str = "\r\n") -> bytes:
    """A request head."""
    return end.join([first, "Host: 127.0.0.1", *lines, "", ""]).encode("latin-1")


def test_who_says_nothing_is_not_waited_for(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """What else there is to deadlines is in `test_deadlines`, without waiting."""
    monkeypatch.setattr(connection, "HEAD_DEADLINE", 0.1)
    with web.served() as url:
        assert spoken(url, b"") == b""


class TestEarlyAnswers:
    def test_a_413_ends_the_connection_and_is_delivered(self, url: str) -> None:
        first = "POST /v1/webhooks/none HTTP/1.1"
        with connected(url) as client:
            client.sendall(head("Content-Length: 3000000000", first=first))
            sent = 0
            while sent < 100_000_000 and (taken := _taken(client)):
                sent += taken
        assert 0 < sent < 50_000_000

    def test_the_answer_is_read_although_the_body_was_not(self, url: str) -> None:
        first = "POST /v1/webhooks/none HTTP/1.1"
        body = b"x" * 300_000
        answer = spoken(url, head(f"Content-Length: {len(body) * 3}", first=first) + body)
        assert answer.startswith(b"HTTP/1.1 404 ")
        assert b"connection: close" in answer.lower()
        assert b'"webhook-unknown"' in answer

    def test_an_answer_after_the_whole_body_keeps_the_connection(self, url: str) -> None:
        first = "POST /v1/webhooks/none HTTP/1.1"
        with connected(url) as client:
            client.sendall(head("Content-Length: 2", first=first) + b"{}")
            assert "connection" not in read_answer(client).headers
            client.sendall(head())
            assert read_answer(client).status_code == 200


class TestHeads:
    @pytest.mark.parametrize(
        ("sent", "status"),
        [
            pytest.param(head(end="\n"), 400, id="bare LF everywhere"),
            pytest.param(head("A: 1\nB: 2"), 400, id="a bare LF"),
            pytest.param(head("A: 1\rB: 2"), 400, id="a bare CR"),
            pytest.param(head("Content-Length: 0", "Content-Length: 0"), 400, id="length twice"),
            pytest.param(head("Content-Length: 0, 0"), 400, id="length twice in one"),
            pytest.param(head("A: 1\r\n 2"), 400, id="a header of two lines"),
            pytest.param(
                head("Content-Length: 5", "Transfer-Encoding: chunked"), 400, id="two framings"
            ),
            pytest.param(head(f"A: {'a' * 65536}"), 431, id="more than 64 KiB at once"),
            pytest.param(head(*[f"A{n}: {'a' * 1000}" for n in range(70)]), 431, id="in many"),
            pytest.param(b"\x16\x03\x01\x02\x00\x01", 400, id="TLS"),
            pytest.param(head(first="GET http://[::1/x HTTP/1.1"), 400, id="half an address"),
            pytest.param(head(first="GET http:// HTTP/1.1"), 400, id="an address without a host"),
            pytest.param(b"GET\r\n\r\n", 400, id="no request line"),
        ],
    )
    def test_what_a_proxy_may_read_otherwise_is_refused(
        self, url: str, sent: bytes, status: int
    ) -> None:
        answer = spoken(url, sent)
        assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:200]
        assert b"application/problem+json" in answer
        assert b"connection: close" in answer.lower()

    def test_a_head_of_just_under_64_kib_is_taken(self, url: str) -> None:
        answer = spoken(url, head(f"A: {'a' * 65000}", "Connection: close"))
        assert answer.startswith(b"HTTP/1.1 200 ")

    def test_requests_in_one_packet_are_answered_in_order(self, url: str) -> None:
        missing = head("Connection: close", first="GET /nothing HTTP/1.1")
        answer = spoken(url, head() + head() + missing)
        statuses = [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]]
        assert statuses == [b"200", b"200", b"404"]

    @pytest.mark.parametrize(
        "target", ["http://127.0.0.1/healthz", "HTTP://localhost:1/v1/runs?limit=1"]
    )
    def test_the_absolute_form_is_understood(self, url: str, target: str) -> None:
        answer = spoken(url, head("Connection: close", first=f"GET {target} HTTP/1.1"))
        assert answer.startswith(b"HTTP/1.1 200 "), answer[:300]

    def test_its_host_counts_and_not_the_header(self, url: str) -> None:
        first = "GET http://rebound.example/v1/runs HTTP/1.1"
        answer = spoken(url, head("Connection: close", first=first))
        assert b'"host-refused"' in answer


class _Idle:
    def __init__(self, table: Connections) -> None:
        self.table = table
        table.opened()
        table.idle(self)

    def close_idle(self) -> None:
        self.table.closed(self)


@given(st.lists(st.sampled_from(["open", "busy", "idle", "close"]), max_size=200))
def test_there_is_room_while_one_is_idle_and_never_more_than_the_cap(steps: list[str]) -> None:
    table = Connections(most=5)
    opened: list[_Idle] = []
    for step in steps:
        alive = [one for one in opened if one in table._idle] or opened
        if step == "open" and table.has_room():
            opened.append(_Idle(table))
        elif alive and step == "busy":
            table.busy(alive[0])
        elif alive and step == "idle" and alive[0] in opened:
            table.idle(alive[0])
    assert table.count <= 5 + SPARE
    if table._idle:
        assert table.has_room()

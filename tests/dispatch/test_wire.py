"""One HTTP exchange, and what is repeated of it."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from reconciler.core.base.invisible import one_line
from reconciler.dispatch.wire import Call, Oversized, Reply, Unreached, exchange, new_client
from tests.support.http_agent import HttpAgent


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("7", 7.0, id="seconds"),
        pytest.param(" 0 ", 0.0, id="at once"),
        pytest.param("9" * 5000, 999999999.0, id="for ever"),
        pytest.param("-1", None, id="negative"),
        pytest.param("1.5", None, id="a fraction"),
        pytest.param("٣", None, id="digits of another script"),
        pytest.param("soon", None, id="a word"),
        pytest.param("", None, id="nothing"),
        pytest.param("Fri, 99 Dec 2026 25:00:00 GMT", None, id="no such date"),
        pytest.param("Thu, 01 Jan 1970 00:00:00 GMT", 0.0, id="long ago"),
    ],
)
def test_retry_after(value: str, expected: float | None) -> None:
    assert Reply(429, {"retry-after": value}).retry_after() == expected


def test_retry_after_as_a_date() -> None:
    at = datetime.now(UTC) + timedelta(seconds=90)
    found = Reply(503, {"retry-after": format_datetime(at, usegmt=True)}).retry_after()
    assert found == pytest.approx(90, abs=5)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b'{"detail": "too\\nmany", "title": "x"}', "too many", id="problem details"),
        pytest.param(b'{"code": "X", "message": "No such dir"}', "No such dir", id="a message"),
        pytest.param(b'{"error": {"n": 1}}', '{"error": {"n": 1}}', id="an error that is no text"),
        pytest.param(b"plain\r\nwords\x1b[31m", "plain words [31m", id="plain words"),
        pytest.param(b"", "", id="nothing"),
        pytest.param(b"\xff\xfe", "\ufffd\ufffd", id="not text"),
        pytest.param(b"x" * 5000, "x" * 200 + "…", id="a book"),
    ],
)
def test_what_an_agent_said(body: bytes, expected: str) -> None:
    assert Reply(400, {}, body).summary() == expected


def test_one_line_holds_nothing_that_moves_a_terminal() -> None:
    assert one_line("a\u202eb\x07\u2028c\ud800d") == "a b c d"


@pytest.mark.anyio
async def test_a_cookie_is_sent_to_no_agent_however_the_answer_ended() -> None:
    cookie = {"Set-Cookie": "session=theirs; Path=/"}
    with HttpAgent() as agent:
        agent.answer(200, b"x" * 2_000_000, cookie)
        agent.answer(200, b"{}", cookie)
        async with new_client() as client:
            call = Call(method="GET", url=agent.url)
            assert isinstance(await exchange(client, call), Oversized)
            for _ in range(2):
                assert isinstance(await exchange(client, call), Reply)
        assert not any(request.header("cookie") for request in agent.requests)


@pytest.mark.anyio
async def test_an_agent_that_is_not_there_is_told_in_words_of_the_system() -> None:
    with HttpAgent() as agent:
        url = agent.url
    async with new_client() as client:
        answer = await exchange(client, Call(method="GET", url=url))
    assert answer == Unreached(
        f"{url.removesuffix('/runs')} cannot be reached: nothing listens there"
    )

"""Which URLs the setting `allowed_runtime_urls` admits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.manifest.reach import LOOPBACK, admits, parse_url


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1",
        "http://127.0.0.1:9100",
        "HTTP://LOCALHOST:8000/a?b=c",
        "http://[::1]:80/",
        "http://localhost./a",
    ],
)
def test_this_machine_is_admitted(url: str) -> None:
    assert admits(LOOPBACK, url)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://127.0.0.1", id="another scheme"),
        pytest.param("http://127.0.0.1.evil.example", id="a longer host"),
        pytest.param("http://127.0.0.1@evil.example", id="a user that looks like a host"),
        pytest.param("http://evil.example#@127.0.0.1", id="a fragment"),
        pytest.param("http://evil.example\\@127.0.0.1", id="a backslash"),
        pytest.param("http://u:p@127.0.0.1", id="a password"),
        pytest.param("http://2130706433", id="the address as a number"),
        pytest.param("http://0x7f.1", id="the address in hexadecimal"),
        pytest.param("http://127.1", id="a short address"),
        pytest.param("http://127.0.0.1:99999", id="no port"),
        pytest.param("http://127.0.0.1:", id="an empty port"),
        pytest.param("http://127.0.0.1 .evil.example", id="a blank"),
        pytest.param("http://127.0.0.1\n", id="a line break"),
        pytest.param("http://", id="no host"),
        pytest.param("//127.0.0.1", id="no scheme"),
        pytest.param("http://１２７.0.0.1", id="digits that are no ASCII"),
    ],
)
def test_not_admitted(url: str) -> None:
    assert not admits(LOOPBACK, url)


@pytest.mark.parametrize(
    ("entry", "url", "admitted"),
    [
        pytest.param("https://a.example:8443", "https://a.example:8443/x", True, id="same port"),
        pytest.param("https://a.example:8443", "https://a.example/x", False, id="another port"),
        pytest.param("https://a.example:443", "https://a.example/x", True, id="the usual port"),
        pytest.param("https://a.example/v1", "https://a.example/v1/run", True, id="below the path"),
        pytest.param("https://a.example/v1", "https://a.example/v1", True, id="the path itself"),
        pytest.param("https://a.example/v1", "https://a.example/v10", False, id="a longer segment"),
        pytest.param("https://a.example/v1/", "https://a.example/v1", True, id="a final slash"),
        pytest.param("https://a.example/v1", "https://a.example/v1/../x", False, id="dots"),
        pytest.param(
            "https://a.example/v1", "https://a.example/v1/%2E%2e/x", False, id="coded dots"
        ),
        pytest.param(
            "https://a.example/v1", "https://a.example/v1/..%2Fx", False, id="a coded slash"
        ),
        pytest.param(
            "https://a.example/v1", "https://a.example/v1/a%5c%2e%2E%5Cx", False, id="backslashes"
        ),
        pytest.param(
            "https://a.example/v1", "https://a.example/v1/a%2Fb..c", True, id="a name with a slash"
        ),
        pytest.param("https://a.example", "https://b.a.example", False, id="a subdomain"),
        pytest.param("not a url", "https://a.example", False, id="an entry that is no URL"),
        pytest.param("", "https://a.example", False, id="an empty entry"),
    ],
)
def test_an_entry(entry: str, url: str, admitted: bool) -> None:
    assert admits([entry], url) is admitted


@given(st.text(alphabet="htps:/.@[]0127#?\\%2e\n", max_size=30))
def test_any_text_is_looked_at(text: str) -> None:
    assert not admits([], text)
    url = parse_url(text)
    assert url is None or url.host

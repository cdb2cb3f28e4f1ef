"""What follows from the settings."""

import socket

import pytest

from reconciler.settings import Settings


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({}, "http://127.0.0.1:8484", id="the default"),
        pytest.param({"host": "10.0.0.5", "port": 80}, "http://10.0.0.5:80", id="an address"),
        pytest.param({"host": "::1"}, "http://[::1]:8484", id="an address of IPv6"),
        pytest.param(
            {"host": "0.0.0.0"}, f"http://{socket.gethostname()}:8484", id="every address"
        ),
        pytest.param({"host": "::"}, f"http://{socket.gethostname()}:8484", id="every one of IPv6"),
        pytest.param(
            {"host": "0.0.0.0", "public_url": "https://hooks.example.com"},
            "https://hooks.example.com",
            id="a public name",
        ),
    ],
)
def test_what_urls_begin_with(given: dict[str, object], expected: str) -> None:
    assert Settings(**given).base_url() == expected  # type: ignore[arg-type]

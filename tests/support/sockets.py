"""A client on a bare socket: whole answers, however many pieces they come in."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse

import httpx

SECONDS = 60.0
"""Longer than any answer takes: whoever waits so long waits in vain."""


@contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    """A connection to the server of an address."""
    parts = httpx.URL(url)
    with socket.create_connection((parts.host, parts.port or 80), timeout=SECONDS) as client:
        yield client


def read_answer(client: socket.socket) -> httpx.Response:
    """Read one answer with its whole body, so that what comes next is the next answer."""
    with HTTPResponse(client) as answer:
        answer.begin()
        headers = answer.getheaders()
        return httpx.Response(answer.status, headers=headers, content=answer.read())


def read_all(client: socket.socket) -> bytes:
    """Read until the server closes."""
    received = b""
    while chunk := client.recv(65536):
        received += chunk
    return received

"""A server with few open files: idle and slow clients never keep the others out."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from tests.support import patient
from tests.support.process import Serving, Site
from tests.support.rig import autopilot, webhook


def address(serving: Serving) -> tuple[str, int]:
    """Host and port of a server."""
    url = httpx.URL(serving.url)
    return url.host, url.port or 80


@contextmanager
def held(serving: Serving, count: int, sent: bytes = b"") -> Iterator[list[socket.socket]]:
    """So many connections that say no more than `sent`."""
    with ExitStack() as stack:
        clients = []
        for _ in range(count):
            client = stack.enter_context(socket.create_connection(address(serving), timeout=10))
            client.sendall(sent)
            clients.append(client)
        yield clients


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTT"], ids=["silent", "half a head"])
def test_1100_idle_connections_stop_neither_probes_nor_webhooks(
    sqlite_site: Site, sent: bytes
) -> None:
    sqlite_site.descriptors = 1024
    sqlite_site.write("all.yaml", sqlite_site.agent(), autopilot("hooks", webhook()))
    serving = sqlite_site.serve()
    hook = sqlite_site.cli("webhook", "url", "hooks/hook").stdout.strip()
    with held(serving, 1100, sent):
        for _ in range(20):
            assert patient.get(f"{serving.url}/healthz").status_code == 200
            assert patient.get(f"{serving.url}/readyz").status_code == 200
        assert patient.post(hook, json={}).status_code == 202
    assert not [event for event in serving.events() if "exception" in event]


def test_a_server_out_of_open_files_says_so_and_goes_on(sqlite_site: Site) -> None:
    sqlite_site.descriptors = 64
    sqlite_site.write("all.yaml", sqlite_site.agent(), autopilot("hooks", webhook()))
    serving = sqlite_site.serve()
    hook = sqlite_site.cli("webhook", "url", "hooks/hook").stdout.strip()
    body = b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
    with held(serving, 100, body):
        assert patient.get(f"{serving.url}/healthz").status_code == 200
    with patient.Client() as client:
        answers = [client.post(hook, json={"n": n}).status_code for n in range(20)]
    assert answers == [202] * 20
    assert serving.terminate() == 0

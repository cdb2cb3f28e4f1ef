"""Ports of loopback."""

import socket


def free_port() -> int:
    """A port that nobody uses; whoever takes it can be found there again after a restart."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

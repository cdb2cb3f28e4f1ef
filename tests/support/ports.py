"""Ports of loopback that nobody else is given: no other test, and no client by chance."""

import random
import socket

_RANGE = range(20_000, 32_000)
"""Below what Linux gives to clients, and to servers that ask for any (`ip_local_port_range`)."""


def free_port() -> int:
    """A port that stays this process's own; whoever takes it can be found there after a restart.

    A socket that is bound to port 0 and closed would leave its port to whoever asks next: another
    test process, or the client's side of any connection.
    """
    for port in random.sample(_RANGE, len(_RANGE)):
        if _claimed(port) and _is_free(port):
            return port
    raise AssertionError("every port is taken")


def _claimed(port: int) -> bool:
    """Claim it among the test processes of this machine, until this one ends."""
    with socket.socket(socket.AF_UNIX) as claim:
        try:
            claim.bind(f"\0reconciler-test-port-{port}")
        except OSError:
            return False
        claim.detach()  # the kernel closes it with the process
        return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True

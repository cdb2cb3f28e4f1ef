"""While many webhooks come they are written by a second process: either may be killed at any time.

What was answered with 202 is there once, whoever was killed; senders repeat all else.
"""

import random
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest

from tests.e2e.ledger import Ledger, assert_every_delivery_is_there_once
from tests.support.eventually import eventually
from tests.support.pids import is_gone
from tests.support.ports import free_port
from tests.support.process import Serving, Site, passes
from tests.support.rig import autopilot, webhook
from tests.support.sender import sending

CROWD = 32
"""Senders at once: enough for groups that the second process is started for."""

ROUNDS = [
    pytest.param(3, 4, id="3 rounds", marks=pytest.mark.timeout(300)),
    pytest.param(50, 5, id="50 rounds", marks=[pytest.mark.soak, pytest.mark.timeout(1800)]),
]


@pytest.mark.parametrize(("rounds", "seed"), ROUNDS)
def test_whoever_is_killed_nothing_accepted_is_lost(here: Site, rounds: int, seed: int) -> None:
    here.write("all.yaml", here.agent(), autopilot("hooks", webhook(), pauseAfterFailures=0))
    port, ledger, chance = free_port(), Ledger(here), random.Random(seed)
    server = here.serve(port)
    with sending([server.webhook_url], threads=CROWD) as sender:
        for number in range(rounds):
            writer = writer_of(server)
            passes(chance.uniform(0, 0.5))
            if number % 3 == 1:
                writer.kill()
                await_loss(server)
            server.kill()
            eventually(lambda pid=writer.pid: is_gone(pid))  # type: ignore[misc]
            server = here.serve(port)
    assert_every_delivery_is_there_once(ledger, sender)


def test_a_server_that_is_stopped_takes_its_writer_along(here: Site) -> None:
    here.write("all.yaml", here.agent(), autopilot("hooks", webhook(), pauseAfterFailures=0))
    server, ledger = here.serve(port := free_port()), Ledger(here)
    with sending([server.webhook_url], threads=CROWD) as sender:
        writer = writer_of(server)
        assert server.terminate() == 0
        eventually(lambda: is_gone(writer.pid))  # by itself, as its pipe has ended
        here.serve(port)
    assert_every_delivery_is_there_once(ledger, sender)


def writer_of(server: Serving) -> psutil.Process:
    """The second process, once it is there."""
    (found,) = eventually(lambda: list(_writers(psutil.Process(server.process.pid))))
    return found


def _writers(server: psutil.Process) -> Iterator[psutil.Process]:
    for child in server.children():
        with suppress(psutil.Error):
            if "writer_worker" in " ".join(child.cmdline()):
                yield child


def await_loss(server: Serving) -> None:
    """Wait until the server has noticed."""
    eventually(lambda: server.events("the process that writes deliveries has ended"))

"""A client that posts webhooks without a pause and takes no answer but a final one.

It sends each delivery under a key of its own, again and again through crashes and refusals, until
it is told which run it made: what a careful sender does.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle

import httpx

_PAUSE = 0.02
"""Seconds between two requests of one thread."""


@dataclass
class Sender:
    """`answered` holds the run of each key, `accepted` those keys that were answered with 202."""

    answered: dict[str, str] = field(default_factory=dict)
    accepted: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    _ending: threading.Event = field(default_factory=threading.Event)
    _patient: bool = True

    def work(self, name: str, url: str) -> None:
        """Send until the end is asked for; what was begun is brought to an answer first."""
        with httpx.Client(timeout=5) as client:
            number = 0
            while not self._ending.wait(_PAUSE):
                number += 1
                self._deliver(client, url, f"{name}-{number}")

    def _deliver(self, client: httpx.Client, url: str, key: str) -> None:
        while self._patient:
            answer = _post(client, url, key)
            if answer is None or answer.status_code == 503:
                _rest()
                continue
            if answer.status_code not in (200, 202) or "runId" not in answer.json():
                self.refused.append(f"{answer.status_code} {answer.text}")
                return
            self.answered[key] = answer.json()["runId"]
            if answer.status_code == 202:
                self.accepted.add(key)
            return

    def end(self) -> None:
        """Begin nothing more."""
        self._ending.set()

    def give_up(self) -> None:
        """Leave what has no answer without one."""
        self._patient = False
        self._ending.set()


def _post(client: httpx.Client, url: str, key: str) -> httpx.Response | None:
    try:
        return client.post(url, json={"key": key}, headers={"Idempotency-Key": key})
    except httpx.TransportError:
        return None


def _rest() -> None:
    """A server that is down is asked again in a moment."""
    time.sleep(_PAUSE)


@contextmanager
def sending(urls: Sequence[str], threads: int = 3) -> Iterator[Sender]:
    """Post to these in several threads for the block; what was begun then gets its answer."""
    sender = Sender()
    workers = [
        threading.Thread(target=sender.work, args=(f"sender-{n}", url), daemon=True)
        for n, url in zip(range(threads), cycle(urls), strict=False)
    ]
    for worker in workers:
        worker.start()
    try:
        yield sender
        sender.end()
        for worker in workers:
            worker.join(60)
            assert not worker.is_alive()
    finally:
        sender.give_up()
        for worker in workers:
            worker.join(60)

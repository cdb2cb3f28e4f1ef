"""A client that posts webhooks without a pause and takes no answer but a final one.

It sends each delivery under a key of its own, again and again through crashes and refusals, until
it is told which run it made: what a careful sender does.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

_PAUSE = 0.02
"""Seconds between two requests of one thread."""


@dataclass
class Sender:
    """`url` is where it posts; several threads do. `answered` holds the run of each key."""

    url: str
    answered: dict[str, str] = field(default_factory=dict)
    accepted: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    _ending: threading.Event = field(default_factory=threading.Event)
    _patient: bool = True

    def work(self, name: str) -> None:
        """Send until the end is asked for; what was begun is brought to an answer first."""
        with httpx.Client(timeout=5) as client:
            number = 0
            while not self._ending.wait(_PAUSE):
                number += 1
                self._deliver(client, f"{name}-{number}")

    def _deliver(self, client: httpx.Client, key: str) -> None:
        while self._patient:
            answer = self._post(client, key)
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

    def _post(self, client: httpx.Client, key: str) -> httpx.Response | None:
        try:
            return client.post(self.url, json={"key": key}, headers={"Idempotency-Key": key})
        except httpx.TransportError:
            return None

    def end(self) -> None:
        """Begin nothing more."""
        self._ending.set()

    def give_up(self) -> None:
        """Leave what has no answer without one."""
        self._patient = False
        self._ending.set()


def _rest() -> None:
    """A server that is down is asked again in a moment."""
    time.sleep(_PAUSE)


@contextmanager
def sending(url: str, threads: int = 3) -> Iterator[Sender]:
    """Post from several threads for the block; `end` brings what was begun to an answer."""
    sender = Sender(url)
    workers = [
        threading.Thread(target=sender.work, args=(f"sender-{n}",), daemon=True)
        for n in range(threads)
    ]
    for worker in workers:
        worker.start()
    try:
        yield sender
        sender.end()
        for worker in workers:
            worker.join(30)
            assert not worker.is_alive()
    finally:
        sender.give_up()
        for worker in workers:
            worker.join(10)

"""A service that Apprise knows, spoken to from a child process.

Apprise is synchronous, takes 40 MiB and a while to import, and a service may hang in it for good.
So each batch has a process of its own: it is killed when a message takes too long, the server needs
none of this while nobody is told anything, and secrets stay out of its logs (decision 0123).
"""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from typing import Any

from reconciler.control.interpreter import interpreter
from reconciler.control.notify.channel import Delivery, NotSent, Sent
from reconciler.control.notify.webhook_channel import ChannelUnusable
from reconciler.core.manifest.checks.secrets import is_secret_variable
from reconciler.core.notify.message import Message


class AppriseChannel:
    """Sends texts. `url` is read each time, and raises ChannelUnusable."""

    def __init__(self, url: Callable[[], str], *, links: bool = False) -> None:
        self.links = links
        self._url = url

    async def deliver(
        self, messages: Sequence[Message], within: float, begun: set[str]
    ) -> AsyncGenerator[Delivery, None]:
        """Send one after the other, in one child."""
        try:
            url = self._url()
            child = await _started()
        except (ChannelUnusable, OSError) as error:
            yield messages[0], NotSent(str(error), gone=True)
            return
        try:
            patience = 2 * within  # the child has to start
            for message in messages:
                begun.add(message.id)
                lines = [url] if message is messages[0] else []
                outcome = await _outcome(child, [*lines, _texts(message)], patience)
                yield message, outcome
                if isinstance(outcome, NotSent) and outcome.gone:
                    return
                patience = within
        finally:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()


def _texts(message: Message) -> dict[str, str]:
    return {"title": message.title, "text": message.text}


async def _started() -> asyncio.subprocess.Process:
    environment = {
        name: value for name, value in os.environ.items() if not is_secret_variable(name)
    }
    return await asyncio.create_subprocess_exec(
        *interpreter("reconciler.control.notify.apprise_worker"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment,
        start_new_session=True,  # a Ctrl-C is the parent's business
    )


async def _outcome(
    child: asyncio.subprocess.Process, lines: Sequence[Any], patience: float
) -> Sent | NotSent:
    # The URL comes through the pipe: arguments and variables can be read by others.
    request = "".join(f"{json.dumps(line)}\n" for line in lines)
    answer: Any = None
    try:
        async with asyncio.timeout(patience):
            if child.stdin is not None and child.stdout is not None:
                child.stdin.write(request.encode())
                await child.stdin.drain()
                answer = json.loads(await child.stdout.readline() or b"null")
    except TimeoutError:
        return NotSent("the service did not answer in time", gone=True)
    except (ValueError, ConnectionError):
        pass
    match answer:
        case {"sent": True}:
            return Sent()
        case {"why": str(why)}:
            # Apprise does not say whose fault it is; most likely the next one fares the same.
            return NotSent(why, gone=True)
        case _:
            return NotSent("the process that sends through Apprise ended", gone=True)

"""A webhook that is signed by Standard Webhooks: the event as JSON, the same id for each repeat."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import UTC, datetime

import httpx

from reconciler.control.notify.channel import Delivery, NotSent, Sent
from reconciler.core.notify.message import Message
from reconciler.core.webhooks.outgoing import signed_headers
from reconciler.core.webhooks.signing_key import SecretInvalid
from reconciler.dispatch.wire import Call, Exchange, Reply, exchange, new_client

AT_ONCE = 8
"""Messages that are on their way to one webhook."""
_ANSWER_LIMIT = 16 * 1024


class WebhookChannel:
    """Posts events. `url` and `secret` are read each time, and raise ChannelUnusable."""

    links = True
    """Programs read it: nothing is changed."""

    def __init__(self, url: Callable[[], str], secret: Callable[[], str]) -> None:
        self._url = url
        self._secret = secret
        self._client: httpx.AsyncClient | None = None

    async def deliver(
        self, messages: Sequence[Message], within: float, begun: set[str]
    ) -> AsyncGenerator[Delivery, None]:
        """Post a few at once; stop where the receiver cannot take any."""
        for start in range(0, len(messages), AT_ONCE):
            group = messages[start : start + AT_ONCE]
            begun.update(message.id for message in group)
            outcomes = await asyncio.gather(*(self._post(message, within) for message in group))
            for delivery in zip(group, outcomes, strict=True):
                yield delivery
            if any(isinstance(outcome, NotSent) and outcome.gone for outcome in outcomes):
                return

    async def _post(self, message: Message, within: float) -> Sent | NotSent:
        body = message.body()
        try:
            url, secret = self._url(), self._secret()
            headers = signed_headers(secret, message.id, datetime.now(UTC), body)
        except SecretInvalid as error:
            return NotSent(f"the secret of the webhook {error}", gone=True)
        except ChannelUnusable as error:
            return NotSent(str(error), gone=True)
        if self._client is None:
            self._client = new_client()
        headers["content-type"] = "application/json"
        call = Call(
            method="POST", url=url, headers=headers, body=body, within=within, limit=_ANSWER_LIMIT
        )
        return _outcome(await exchange(self._client, call))

    async def close(self) -> None:
        """Close its connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


def _outcome(answer: Exchange) -> Sent | NotSent:
    if not isinstance(answer, Reply):
        return NotSent(answer.message, gone=True)
    if 200 <= answer.status < 300:
        return Sent()
    # Its words are not repeated: they may quote the request, or be anybody's.
    busy = answer.status == 429 or answer.status >= 500
    return NotSent(f"the receiver answered {answer.status}", gone=busy, wait=answer.retry_after())


class ChannelUnusable(Exception):
    """A channel that cannot be used as it is; the message names no secret."""

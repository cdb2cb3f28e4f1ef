"""One A2A agent through the SDK's client: bounded, never redirected, never raising.

The only module that knows the SDK, which is an extra and takes a while to import.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import httpx
from a2a.client.card_resolver import parse_agent_card
from a2a.client.client import Client, ClientCallContext, ClientConfig
from a2a.client.client_factory import ClientFactory
from a2a.client.errors import A2AClientError, A2AClientTimeoutError
from a2a.types.a2a_pb2 import (
    AgentCard,
    AgentInterface,
    AuthenticationInfo,
    CancelTaskRequest,
    GetTaskRequest,
    ListTasksRequest,
    Message,
    Part,
    Role,
    SendMessageConfiguration,
    SendMessageRequest,
    TaskPushNotificationConfig,
)
from a2a.utils.constants import TransportProtocol
from a2a.utils.errors import (
    A2AError,
    InternalError,
    InvalidParamsError,
    PushNotificationNotSupportedError,
    TaskNotFoundError,
)
from google.protobuf import json_format

from reconciler.core.base.invisible import one_line
from reconciler.dispatch.a2a.answers import (
    Away,
    Creation,
    Lost,
    Refused,
    Replied,
    Trouble,
    Unknown,
    Unlisted,
)
from reconciler.dispatch.a2a.card import usable
from reconciler.dispatch.a2a.task import A2aTask, content_of, read_task
from reconciler.dispatch.base import LONGEST_SESSION_ID, Hints
from reconciler.dispatch.body import TooMuch, read_body
from reconciler.dispatch.connections import Connections
from reconciler.dispatch.reach import Reach
from reconciler.dispatch.wire import CONNECT_SECONDS, QUOTED, Reply

ANSWER_LIMIT = 4 * 1024 * 1024
"""Bytes of an answer that are read: a task brings its artifacts."""
TOKENS_LIMIT = 100_000
"""See `body.TOKENS_LIMIT`: the SDK takes microseconds for each value."""
_BINDINGS = [TransportProtocol.JSONRPC, TransportProtocol.HTTP_JSON]
_PAGE = 10
_NO_PUSH = (InvalidParamsError, PushNotificationNotSupportedError)
"""What an agent answers that does not want to call where it is told to."""
_FIND_SECONDS = 20.0
_READING = (A2AError, json_format.Error, ValueError, TypeError, KeyError, AttributeError)
"""What the SDK raises over answers that are not of the protocol."""
T = TypeVar("T")


class _Bounded(httpx.AsyncBaseTransport):
    """Reads no more of an answer than the limit, asks for none that is packed, takes no cookies."""

    def __init__(self, inner: httpx.AsyncBaseTransport | None) -> None:
        self._inner = inner or Connections(trust_env=True)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Decompressed, a few bytes may be gigabytes.

        One client speaks to all agents, and a cookie goes to every port of its host: an agent would
        give one to the others.
        """
        request.headers["accept-encoding"] = "identity"
        response = await self._inner.handle_async_request(request)
        response.headers.pop("set-cookie", None)
        try:
            body = await read_body(response, ANSWER_LIMIT, TOKENS_LIMIT)
        except TooMuch as error:
            raise httpx.ReadError(f"it answered {error}") from error
        finally:
            await response.aclose()
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            stream=httpx.ByteStream(body),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


def new_a2a_client(transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """The HTTP client of all A2A agents; the SDK adds a header of its own to it."""
    return httpx.AsyncClient(
        transport=_Bounded(transport),
        trust_env=False,
        follow_redirects=False,
        timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
        headers={"user-agent": "reconciler"},
    )


class Connection:
    """An agent, by one interface of its card.

    `lists`: it can list tasks. `pushes`: it can say by itself when a task has news.
    """

    def __init__(self, client: Client, interface: AgentInterface, *, pushes: bool) -> None:
        self._client = client
        self.pushes = pushes
        self.lists = not interface.protocol_version.startswith("0.")

    async def send(
        self, prompt: str, run_id: str, headers: Mapping[str, str], hints: Hints | None = None
    ) -> Creation:
        """Give the agent its work. The caller bounds the time: a message may take long to write.

        The context's id is the run's, and the only thing by which the task is found again. `hints`
        is where the agent says that there is news, if it can.
        """
        message = Message(
            message_id=run_id, context_id=run_id, role=Role.ROLE_USER, parts=[Part(text=prompt)]
        )
        return await self._sent(message, headers, hints if self.pushes else None)

    async def reply(
        self, words: str, task_id: str, run_id: str, headers: Mapping[str, str]
    ) -> Creation:
        """Answer what a task asked for."""
        message = Message(
            message_id=f"{run_id}-{task_id}-answer",
            context_id=run_id,
            task_id=task_id,
            role=Role.ROLE_USER,
            parts=[Part(text=words)],
        )
        return await self._sent(message, headers)

    async def task(
        self, task_id: str, headers: Mapping[str, str], within: float, messages: int = 0
    ) -> A2aTask | Unknown | Trouble:
        """Return a task as it is now, with so many messages of its history at most."""
        request = GetTaskRequest(id=task_id, history_length=messages)

        async def call() -> A2aTask:
            return _read(await self._client.get_task(request, context=_context(headers)), task_id)

        return await _tried(call, within, unknown=True)

    async def find(
        self, run_id: str, headers: Mapping[str, str], within: float
    ) -> A2aTask | Unknown | Unlisted | Trouble:
        """Return the task of a run, the first one if there were several."""
        if not self.lists:
            return Unlisted()
        request = ListTasksRequest(context_id=run_id, page_size=_PAGE, include_artifacts=True)

        async def call() -> A2aTask | Unknown:
            answer = await self._client.list_tasks(request, context=_context(headers))
            # The filter is the server's; one that ignores it must not lend a run another's task.
            tasks = [task for task in answer.tasks if task.context_id == run_id]
            return _read(tasks[-1]) if tasks else Unknown()

        return await _tried(call, within)

    async def cancel(
        self, task_id: str, headers: Mapping[str, str], within: float
    ) -> A2aTask | Unknown | Trouble:
        """Ask the agent to cancel a task; a task that has ended answers as itself."""
        request = CancelTaskRequest(id=task_id)

        async def call() -> A2aTask:
            task = await self._client.cancel_task(request, context=_context(headers))
            return _read(task, task_id)

        answer = await _tried(call, within, unknown=True)
        if isinstance(answer, Refused):
            # It may have ended just before, which not every agent says in the protocol's words.
            task = await self.task(task_id, headers, within)
            return task if isinstance(task, A2aTask) and task.ended else answer
        return answer

    async def _sent(
        self, message: Message, headers: Mapping[str, str], hints: Hints | None = None
    ) -> Creation:
        configuration = SendMessageConfiguration(return_immediately=True)
        if hints is not None:
            configuration.task_push_notification_config.CopyFrom(_push(hints))
        request = SendMessageRequest(message=message, configuration=configuration)

        async def call() -> A2aTask | Replied:
            try:
                return await answer()
            except _NO_PUSH:
                if hints is None:
                    raise
            # Refused before anything began, by whoever keeps to the protocol: but a message that
            # comes twice is two tasks, so it is looked for where that is possible.
            known = await self.find(message.context_id, headers, _FIND_SECONDS)
            if isinstance(known, A2aTask):
                return known
            request.configuration.ClearField("task_push_notification_config")
            return await answer()

        async def answer() -> A2aTask | Replied:
            async for event in self._client.send_message(request, context=_context(headers)):
                if event.HasField("task"):
                    return _read(event.task)
                document = json_format.MessageToDict(event.message)
                return Replied(content_of(document.get("parts", [])))
            raise ValueError("the answer is empty")

        sent = await _tried(call, None)
        return Lost("the agent knows no such task") if isinstance(sent, Unknown) else sent


def connect(
    http: httpx.AsyncClient, answer: Reply, base: str, reach: Reach
) -> Connection | Refused:
    """Read an agent's card and choose the interface of it that is used."""
    try:
        card = parse_agent_card(answer.object())
    except _READING as error:
        return Refused(f"the agent's card cannot be read: {_words(error)}")
    interface = _choose(card, base, reach)
    if isinstance(interface, Refused):
        return interface
    only = AgentCard()
    only.CopyFrom(card)
    del only.supported_interfaces[:]
    only.supported_interfaces.append(interface)
    config = ClientConfig(
        streaming=False,
        polling=True,
        httpx_client=http,
        supported_protocol_bindings=[*_BINDINGS],
    )
    try:
        client = ClientFactory(config).create(only)
        return Connection(client, interface, pushes=card.capabilities.push_notifications)
    except (A2AError, ValueError, ImportError) as error:
        return Refused(f"the agent's card cannot be used: {_words(error)}")


def _choose(card: AgentCard, base: str, reach: Reach) -> AgentInterface | Refused:
    """The first of protocol 1 that may be used, or else of 0.3, which cannot list tasks."""
    interfaces: list[AgentInterface] = [*card.supported_interfaces]
    spoken = [each for each in interfaces if each.protocol_binding in _BINDINGS]
    if not spoken:
        named = ", ".join(each.protocol_binding for each in interfaces) or "none"
        return Refused(f"the agent speaks neither JSONRPC nor HTTP+JSON; its card names {named}")
    refusals = [refusal for each in spoken if (refusal := usable(each.url, base, reach))]
    allowed = [each for each in spoken if usable(each.url, base, reach) is None]
    if not allowed:
        return Refused(f"the agent's card leads elsewhere: {refusals[0]}")
    current = [each for each in allowed if each.protocol_version.startswith("1.")]
    return (current or allowed)[0]


def _read(message: Any, asked_for: str | None = None) -> A2aTask:
    """The task of an answer. Raises ValueError where it is not the one that was asked for.

    Its id is what the run is found by later, and stands on its row.
    """
    task = read_task(json_format.MessageToDict(message))
    if asked_for is not None and task.id != asked_for:
        raise ValueError("it is about another task than the one that was asked for")
    if not (0 < len(task.id) <= LONGEST_SESSION_ID and task.id.isprintable()):
        raise ValueError(f"its task has no id of 1 to {LONGEST_SESSION_ID} characters")
    return task


def _push(hints: Hints) -> TaskPushNotificationConfig:
    """Servers differ in the header that they send: one takes the token, another credentials."""
    bearer = AuthenticationInfo(scheme="Bearer", credentials=hints.token)
    return TaskPushNotificationConfig(url=hints.url, token=hints.token, authentication=bearer)


def _context(headers: Mapping[str, str]) -> ClientCallContext:
    return ClientCallContext(service_parameters=dict(headers))


async def _tried(
    call: Callable[[], Awaitable[T]], within: float | None, *, unknown: bool = False
) -> T | Unknown | Trouble:
    """The call's value, or what its failure says."""
    try:
        async with asyncio.timeout(within):
            return await call()
    except TaskNotFoundError as error:
        return Unknown() if unknown else Refused(_words(error))
    except TimeoutError:
        return Lost(f"the agent did not answer within {within:g} s")
    except NotImplementedError as error:
        return Refused(_words(error))
    except (*_READING, RecursionError) as error:
        return _meaning(error)


def _meaning(error: Exception) -> Trouble:
    cause = error.__cause__
    if isinstance(cause, httpx.ConnectError | httpx.ConnectTimeout):
        return Away(f"the agent cannot be reached: {_words(cause)}")
    if isinstance(cause, httpx.HTTPStatusError):
        return of_status(Reply(cause.response.status_code, dict(cause.response.headers)), error)
    if isinstance(error, A2AError) and not isinstance(error, A2AClientError | InternalError):
        return Refused(f"the agent refused: {_words(error)}")
    if isinstance(error, A2AClientTimeoutError):
        return Lost("the agent did not answer in time")
    return Lost(f"the agent's answer cannot be used: {_words(error)}")


def of_status(answer: Reply, error: Exception | None = None) -> Trouble:
    """Return what a status of HTTP says of a call."""
    told = isinstance(error, A2AError) and not isinstance(error, A2AClientError)
    message = f"the agent answered {answer.status}{f': {_words(error)}' if told else ''}"
    match answer.status:
        case 429 | 503:
            return Away(message, answer.retry_after(), quota=answer.status == 429)
        case status if status >= 500 or isinstance(error, InternalError):
            return Lost(message)
        case status if 300 <= status < 400:
            return Refused(f"{message}; redirects are not followed")
        case _:
            return Refused(message)


def _words(error: Exception | None) -> str:
    return one_line(str(error), QUOTED) or type(error).__name__

"""The server of `a2a_agent.py`: an A2A server of the official SDK that serves until killed.

python -m tests.support.a2a_server --port 9000 --binding JSONRPC --protocol 1.0 --log FILE
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from a2a.helpers.proto_helpers import new_data_part, new_task_from_user_message, new_text_message
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes, create_rest_routes
from a2a.server.tasks import (
    BasePushNotificationSender,
    InMemoryPushNotificationConfigStore,
    InMemoryTaskStore,
    TaskUpdater,
)
from a2a.types.a2a_pb2 import AgentCapabilities, AgentCard, AgentInterface, Part, TaskState
from starlette.applications import Starlette
from starlette.middleware import Middleware

USAGE = {"usage": {"costUsd": 0.25, "inputTokens": 100}}


async def complete(updater: TaskUpdater) -> None:
    """One artifact, with what it cost."""
    await updater.add_artifact([Part(text="Labelled 3 issues.")], metadata=USAGE)
    await updater.complete()


async def data(updater: TaskUpdater) -> None:
    """An artifact of JSON."""
    await updater.add_artifact([new_data_part({"labelled": 3})])
    await updater.complete()


async def work(updater: TaskUpdater) -> None:
    """Says something, then goes on until it is cancelled."""
    for step in ("Reading.", "Labelling."):
        message = updater.new_agent_message([Part(text=step)])
        await updater.update_status(TaskState.TASK_STATE_WORKING, message)
    await asyncio.sleep(600)


async def fail(updater: TaskUpdater) -> None:
    """Says why."""
    await updater.failed(updater.new_agent_message([Part(text="no access")]))


async def reject(updater: TaskUpdater) -> None:
    """Says why."""
    await updater.reject(updater.new_agent_message([Part(text="not my business")]))


async def ask(updater: TaskUpdater) -> None:
    """Waits for a word."""
    await updater.requires_input(updater.new_agent_message([Part(text="Delete the branch?")]))


async def auth(updater: TaskUpdater) -> None:
    """Waits for a credential."""
    await updater.requires_auth(updater.new_agent_message([Part(text="Log in first.")]))


async def crash(_updater: TaskUpdater) -> None:
    """A bug."""
    raise RuntimeError("a bug")


BEHAVIOURS: dict[str, Callable[[TaskUpdater], Awaitable[None]]] = {
    each.__name__: each for each in (complete, data, work, fail, reject, ask, auth, crash)
}
MESSAGE = "message"
"""The prompt that is answered without a task."""


class Obedient(AgentExecutor):
    """Does what the prompt says, and notes each execution."""

    def __init__(self, log: Path) -> None:
        self._log = log

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        """One piece of work, or the answer to what a task asked."""
        words = context.get_user_input().split()
        with self._log.open("a") as file:
            file.write(f"{context.context_id}\n")
        if MESSAGE in words:
            await event_queue.enqueue_event(new_text_message("Nothing to do."))
            return
        updater = TaskUpdater(event_queue, str(context.task_id), str(context.context_id))
        if context.current_task is not None:
            await (complete if "approved" in words else fail)(updater)
            return
        assert context.message is not None
        await event_queue.enqueue_event(new_task_from_user_message(context.message))
        await updater.start_work()
        await next((BEHAVIOURS[word] for word in words if word in BEHAVIOURS), complete)(updater)

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Stop it."""
        updater = TaskUpdater(event_queue, str(context.task_id), str(context.context_id))
        await updater.update_status(TaskState.TASK_STATE_CANCELED)


class Guard:
    """Asks every call for the token."""

    def __init__(self, app: Callable[..., Awaitable[None]], token: str) -> None:
        self._app, self._token = app, token

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope.get("headers", []))
        wanted = f"Bearer {self._token}".encode()
        if scope["type"] == "http" and headers.get(b"authorization") != wanted:
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await self._app(scope, receive, send)


def app(args: argparse.Namespace) -> Starlette:
    """The server by its arguments."""
    url = args.card_url or f"http://127.0.0.1:{args.port}/a2a"
    card = AgentCard(
        name="stand-in",
        description="Does as it is told.",
        version="1",
        supported_interfaces=[
            AgentInterface(url=url, protocol_binding=args.binding, protocol_version=args.protocol)
        ],
        capabilities=AgentCapabilities(streaming=False, push_notifications=True),
        default_input_modes=["text"],
        default_output_modes=["text"],
    )
    configs = InMemoryPushNotificationConfigStore()
    handler = DefaultRequestHandler(
        agent_executor=Obedient(Path(args.log)),
        task_store=InMemoryTaskStore(),
        agent_card=card,
        push_config_store=configs,
        push_sender=BasePushNotificationSender(httpx.AsyncClient(trust_env=False), configs),
    )
    legacy = args.protocol == "0.3"
    routes: list[Any] = (
        [*create_jsonrpc_routes(handler, "/a2a", enable_v0_3_compat=legacy)]
        if args.binding == "JSONRPC"
        else [*create_rest_routes(handler, path_prefix="/a2a", enable_v0_3_compat=legacy)]
    )
    guard = [Middleware(Guard, token=args.token)] if args.token else []
    return Starlette(routes=[*create_agent_card_routes(card), *routes], middleware=guard)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description="an A2A agent")
    for name in ("port", "binding", "protocol", "log", "card-url", "token"):
        parser.add_argument(f"--{name}")
    args = parser.parse_args()
    uvicorn.run(app(args), host="127.0.0.1", port=int(args.port), log_level="error")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""An A2A agent: gives each message to a program, whose output is the task's (docs/runtimes.md#a2a).

a2a_agent.py PORT PROGRAM [ARGUMENT…]     with the packages a2a-sdk[http-server] and uvicorn
"""

import asyncio
import os
import signal
import sys
from contextlib import suppress

import uvicorn
from a2a.helpers.proto_helpers import new_task_from_user_message
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types.a2a_pb2 import (
    AgentCapabilities,
    AgentCard,
    AgentInterface,
    AgentSkill,
    Part,
    TaskState,
)
from starlette.applications import Starlette


class Program(AgentExecutor):
    def __init__(self, command: list[str]) -> None:
        self.command = command
        self.running: dict[str, asyncio.subprocess.Process] = {}

    async def execute(self, context: RequestContext, queue: EventQueue) -> None:
        task = new_task_from_user_message(context.message)
        await queue.enqueue_event(task)
        told = TaskUpdater(queue, task.id, task.context_id)
        pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
        program = await asyncio.create_subprocess_exec(
            *self.command, start_new_session=True, **pipes
        )
        self.running[task.id] = program
        output, _ = await program.communicate(context.get_user_input().encode())
        if self.running.pop(task.id, None) is None:
            return  # it was cancelled
        # What the work has cost goes along where it is known: metadata={"usage": {"costUsd": 0.12}}
        await told.add_artifact([Part(text=output.decode("utf-8", "replace"))])
        if program.returncode == 0:
            await told.complete()
        else:
            why = Part(text=f"{self.command[0]} exited with status {program.returncode}")
            await told.failed(told.new_agent_message([why]))

    async def cancel(self, context: RequestContext, queue: EventQueue) -> None:
        if (program := self.running.pop(context.task_id, None)) is not None:
            with suppress(ProcessLookupError):  # the program and what it has started
                os.killpg(program.pid, signal.SIGTERM)
            await program.wait()
        told = TaskUpdater(queue, context.task_id, context.context_id)
        await told.update_status(TaskState.TASK_STATE_CANCELED)


def main(port: str, *command: str) -> None:
    url = f"http://127.0.0.1:{port}"
    interface = AgentInterface(url=url, protocol_binding="JSONRPC", protocol_version="1.0")
    card = AgentCard(
        name=command[0],
        description=f"Gives each message to {command[0]}.",
        version="1",
        supported_interfaces=[interface],
        capabilities=AgentCapabilities(streaming=False),
        default_input_modes=["text"],
        default_output_modes=["text"],
        skills=[
            AgentSkill(id="work", name="work", description="Do as the message says.", tags=["work"])
        ],
    )
    tasks = InMemoryTaskStore()
    handler = DefaultRequestHandler(
        agent_executor=Program([*command]), task_store=tasks, agent_card=card
    )
    routes = [*create_agent_card_routes(card), *create_jsonrpc_routes(handler, "/")]
    uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=int(port), log_level="warning")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: a2a_agent.py PORT PROGRAM [ARGUMENT…]")
    main(*sys.argv[1:])

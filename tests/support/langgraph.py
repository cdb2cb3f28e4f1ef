"""LangGraph's own server on loopback, with a graph that does what its prompt says.

It keeps everything in memory, writes it to its folder now and then, and takes up again what a
killed process left behind. Its packages live in an environment of their own (.ci/system-packages).
"""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from tests.support import patient
from tests.support.eventually import eventually, eventually_async
from tests.support.missing import missing
from tests.support.ports import free_port
from tests.support.process import die_with_parent

PYTHON = Path("/opt/langgraph/bin/python")
WITHIN = 120.0
_SERVE = """
from langgraph_api.cli import main
from langgraph_runtime_inmem import _persistence
_persistence._flush_interval = 0.5  # seconds; 10 by itself
main()
"""
_GRAPH = '''
"""Fails, asks a person or waits for a file, if its prompt says so; then answers."""
import asyncio
from pathlib import Path
from typing import Annotated, TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import interrupt


class State(TypedDict):
    messages: Annotated[list, add_messages]


async def work(state, config: RunnableConfig):
    text = state["messages"][0].content
    begun = Path("begun-" + config["configurable"]["thread_id"])
    await asyncio.to_thread(begun.touch)
    if "FAIL" in text:
        raise RuntimeError("the model refused")
    while "WAIT" in text and not await asyncio.to_thread(Path("go").exists):
        await asyncio.sleep(0.05)
    allowed = interrupt("May I push?") if "ASK" in text else "by nobody"
    usage = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
    answer = {"role": "assistant", "content": f"Done, allowed {allowed}", "usage_metadata": usage}
    return {"messages": [answer]}


graph = StateGraph(State)
graph.add_node("work", work)
graph.add_edge(START, "work")
graph.add_edge("work", END)
agent = graph.compile()
'''


@dataclass
class LangGraph:
    """A server in a folder, which may be killed and started again on the same port."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        environment = {
            "PATH": os.environ["PATH"],
            "LANGGRAPH_NO_VERSION_CHECK": "true",
            "LANGSMITH_TRACING": "false",
        }
        options = ["--no-reload", "--port", str(self.port), "--n-jobs-per-worker", "4"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(PYTHON), "-c", _SERVE, *options],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,
            )
        eventually(self._answers, WITHIN)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "log").read_text()
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/ok").status_code == 200
        return False

    def kill(self) -> None:
        """`kill -9`."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)

    def runs(self, thread: str) -> list[dict[str, Any]]:
        """The runs of a thread."""
        listed: list[dict[str, Any]] = patient.get(f"{self.url}/threads/{thread}/runs").json()
        return listed

    def resume(self, thread: str, answer: str) -> None:
        """Answer what a graph asked, as a person does: by another run of its thread."""
        body = {"assistant_id": "agent", "command": {"resume": answer}}
        patient.post(f"{self.url}/threads/{thread}/runs", json=body).raise_for_status()

    async def keep(self, thread: str) -> None:
        """Wait until the graph is at work, and until its server has written all that it knows.

        It writes one file after the other. Whatever is killed in between leaves files that do not
        fit each other, so each has to be written twice after the last thing that happened.
        """
        await eventually_async(lambda: self._has_begun(thread), WITHIN)
        for _ in range(2):
            await eventually_async(partial(self._wrote_all_since, self._written()), WITHIN)

    async def _has_begun(self, thread: str) -> bool:
        return (self.folder / f"begun-{thread}").exists()

    def _written(self) -> dict[Path, int]:
        files = (self.folder / ".langgraph_api").glob("*.pckl")
        return {path: path.stat().st_mtime_ns for path in files}

    async def _wrote_all_since(self, before: dict[Path, int]) -> bool:
        now = self._written()
        return bool(now) and all(before.get(path) != moment for path, moment in now.items())


@contextmanager
def langgraph(folder: Path) -> Iterator[LangGraph]:
    """A running server."""
    if not PYTHON.exists():
        missing("LangGraph's server")
    (folder / "graph.py").write_text(_GRAPH)
    settings = {"dependencies": ["."], "graphs": {"agent": "./graph.py:agent"}}
    (folder / "langgraph.json").write_text(json.dumps(settings))
    server = LangGraph(folder, free_port())
    try:
        server.start()
        yield server
    finally:
        server.kill()

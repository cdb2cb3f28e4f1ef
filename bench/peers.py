"""The same request to the same agent by task queues: huey on SQLite, procrastinate on PostgreSQL.

    python -m bench.peers huey|procrastinate WHERE AGENT work      works until it is ended
    python -m bench.peers huey|procrastinate WHERE AGENT enqueue N

`WHERE` is a file or the address of a database, `AGENT` the address that gets the request. Both keep
a task durably before it is worked on, with ten workers, and neither knows what a session, a policy
or a run is.
"""

import asyncio
import sys
import time
from typing import Any

import httpx

WORKERS = 10


def body() -> dict[str, Any]:
    """What a task sends."""
    return {"payload": {"sent": time.monotonic_ns()}, "prompt": "x" * 2000}


def huey(where: str, agent: str, act: str, count: int) -> None:
    """Threads, and SQLite in its own journal with a commit for each step."""
    from huey import SqliteHuey
    from huey.consumer import Consumer

    queue = SqliteHuey(filename=where, fsync=True)
    client = httpx.Client()

    @queue.task()  # type: ignore[untyped-decorator]
    def work(content: dict[str, Any]) -> str:
        return client.post(agent, json=content).text

    if act == "enqueue":
        for _ in range(count):
            work(body())
        return
    Consumer(queue, workers=WORKERS, initial_delay=0.01, max_delay=0.1).run()


def procrastinate(where: str, agent: str, act: str, count: int) -> None:
    """Coroutines, and LISTEN and NOTIFY."""
    from procrastinate import App, PsycopgConnector

    app = App(connector=PsycopgConnector(conninfo=where))

    async def main() -> None:
        async with app.open_async(), httpx.AsyncClient() as client:

            @app.task(name="work")
            async def work(content: dict[str, Any]) -> str:
                return (await client.post(agent, json=content)).text

            if act == "schema":
                await app.schema_manager.apply_schema_async()
            elif act == "enqueue":
                for _ in range(count):
                    await work.defer_async(content=body())
            else:
                await app.run_worker_async(concurrency=WORKERS)

    asyncio.run(main())


if __name__ == "__main__":
    name, where, agent, act, *more = sys.argv[1:]
    {"huey": huey, "procrastinate": procrastinate}[name](where, agent, act, int((more or ["0"])[0]))

"""The least that an agent can be: it reads a request, says that it is done, and remembers when.

    python -m bench.agent PORT

`POST /` with `{"sent": NS}` somewhere in its payload; `GET /seen` says how many nanoseconds after
that moment of the monotonic clock the first byte of each request came, and when the last one came.
"""

import asyncio
import json
import re
import sys
import time

SENT = re.compile(rb'"sent":\s*(\d+)')
DONE = json.dumps({"status": "completed", "result": "ok"}).encode()


class Agent(asyncio.Protocol):
    """One connection; requests come one after the other."""

    late: list[int] = []  # noqa: RUF012 - of the process
    last = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.buffer, self.first = transport, b"", 0

    def data_received(self, data: bytes) -> None:
        """Answer once the request is whole."""
        if not self.buffer:
            self.first = time.monotonic_ns()
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        length = re.search(rb"content-length:\s*(\d+)", head, re.IGNORECASE)
        if not found or len(body) < int(length[1] if length else 0):
            return
        self.buffer = b""
        if head.startswith(b"GET /seen"):
            self.answer(json.dumps({"late": Agent.late, "last": Agent.last}).encode())
        else:
            sent = SENT.search(body)
            Agent.late.append(self.first - int(sent[1]) if sent else 0)
            Agent.last = time.monotonic_ns()
            self.answer(DONE)

    def answer(self, body: bytes) -> None:
        """200 with JSON."""
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        self.transport.write(f"{head}\r\n\r\n".encode() + body)


async def main(port: int) -> None:
    """Serve for ever."""
    server = await asyncio.get_running_loop().create_server(Agent, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))

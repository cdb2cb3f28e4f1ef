"""Stand-ins of model APIs on loopback, streamed: Anthropic's Messages, OpenAI's Responses and chat
completions, Google's generateContent.

They say what the real ones say to a coding agent, in the same events; what the model answers is
what the test wants.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.support.bodies import whole_body
from tests.support.model_chats import (
    CACHED,
    INPUT,
    OUTPUT,
    TEXT,
    chat_completion,
    generate_content,
)

Event = tuple[str, Mapping[str, Any]]

_PLACE = {"output_index": 0}


@dataclass
class ModelApi:
    """What the next answers are: `status` other than 200 refuses; `command` asks for a tool first.

    `bodies` are the requests so far. While `open` is cleared, answers wait.
    """

    status: int = 200
    command: str | None = None
    bodies: list[dict[str, Any]] = field(default_factory=list)
    open: threading.Event = field(default_factory=threading.Event)
    server: ThreadingHTTPServer = field(init=False)

    def __enter__(self) -> Self:
        self.open.set()
        self.server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Bound", (_Handler,), {"api": self})
        )
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.open.set()
        self.stop()

    def stop(self) -> None:
        """Be down: connections are refused from now on."""
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server.server_port}"

    def stream(self, path: str, body: Mapping[str, Any]) -> Iterator[str]:
        """The stream that answers one request."""
        if "GenerateContent" in path:
            return generate_content()
        if path.endswith("/chat/completions"):
            return chat_completion(body["model"])
        events = _messages if path.startswith("/v1/messages") else _responses
        return map(_event, events(body, self.command))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: ModelApi

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_HEAD(self) -> None:
        self._whole(200, b"")

    def do_GET(self) -> None:
        self._whole(404, b"{}")

    def do_POST(self) -> None:
        body = json.loads(whole_body(self))
        self.api.bodies.append(body)
        if self.api.status != 200:
            error = {"type": "api_error", "message": "the stand-in says no"}
            text = json.dumps({"type": "error", "error": error}).encode()
            self._whole(self.api.status, text)
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        self.api.open.wait(60)
        try:
            for event in self.api.stream(self.path, body):
                self.wfile.write(event.encode())
        except OSError:
            return  # the agent was stopped

    def _whole(self, status: int, text: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)


def _event(event: Event) -> str:
    name, fields = event
    return f"event: {name}\ndata: {json.dumps({'type': name, **fields})}\n\n"


def _messages(body: Mapping[str, Any], command: str | None) -> Iterator[Event]:
    """https://docs.anthropic.com/en/api/messages-streaming"""
    wants_tool = command is not None and "tool_result" not in json.dumps(body["messages"])
    usage = {"input_tokens": INPUT, "cache_read_input_tokens": CACHED, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"]}
    yield "message_start", {"message": {**message, "content": [], "usage": usage}}
    if wants_tool:
        block = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}
        written = json.dumps({"command": command, "description": "work"})
        delta = {"type": "input_json_delta", "partial_json": written}
    else:
        block, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": TEXT}
    yield "content_block_start", {"index": 0, "content_block": block}
    yield "content_block_delta", {"index": 0, "delta": delta}
    yield "content_block_stop", {"index": 0}
    reason = {"stop_reason": "tool_use" if wants_tool else "end_turn", "stop_sequence": None}
    yield "message_delta", {"delta": reason, "usage": {"output_tokens": OUTPUT}}
    yield "message_stop", {}


def _responses(body: Mapping[str, Any], command: str | None) -> Iterator[Event]:
    """https://platform.openai.com/docs/api-reference/responses-streaming"""
    yield "response.created", {"response": {"id": "resp_1"}}
    if command is not None and "function_call_output" not in json.dumps(body["input"]):
        call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "exec_command"}
        item: Mapping[str, Any] = {**call, "arguments": json.dumps({"cmd": command})}
    else:
        content = [{"type": "output_text", "text": TEXT}]
        item = {"type": "message", "id": "msg_1", "role": "assistant", "content": content}
    yield "response.output_item.done", {**_PLACE, "item": item}
    usage = {
        "input_tokens": INPUT,
        "input_tokens_details": {"cached_tokens": CACHED},
        "output_tokens": OUTPUT,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": INPUT + OUTPUT,
    }
    yield "response.completed", {"response": {"id": "resp_1", "usage": usage}}

"""The real yaml-language-server, asked over stdio as an editor asks it."""

import json
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import pytest

SENTENCE = "yaml-language-server is not installed (npm install -g yaml-language-server)"
_SECONDS = 60


class YamlServer:
    """One running server; `diagnostics` is what it has to say about a file."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._into = process.stdin
        self._settings: Mapping[str, Any] = {}
        self._messages: queue.Queue[dict[str, Any]] = queue.Queue()
        reader = threading.Thread(target=self._read, args=(process.stdout,), daemon=True)
        reader.start()

    def start(self, folder: Path, settings: Mapping[str, Any]) -> None:
        """Initialize it for a folder with the settings of an editor."""
        uri = folder.as_uri()
        self._send(
            id=1,
            method="initialize",
            params={
                "processId": os.getpid(),
                "rootUri": uri,
                "workspaceFolders": [{"uri": uri, "name": "folder"}],
                "capabilities": {"workspace": {"workspaceFolders": True, "configuration": True}},
            },
        )
        while self._next().get("id") != 1:
            pass
        self._settings = {"validate": True, "schemaStore": {"enable": False}, **settings}
        self._send(method="initialized", params={})
        self._send(method="workspace/didChangeConfiguration", params={"settings": {}})
        # It asks for its settings; what is opened before it has them is checked without a schema.
        while self._next().get("method") != "workspace/configuration":
            pass

    def diagnostics(self, file: Path) -> list[dict[str, Any]]:
        """Open a file and wait for the answer."""
        document = {
            "uri": file.as_uri(),
            "languageId": "yaml",
            "version": 1,
            "text": file.read_text("utf-8"),
        }
        self._send(method="textDocument/didOpen", params={"textDocument": document})
        while True:
            message = self._next()
            told = message.get("params", {})
            if message.get("method") == "textDocument/publishDiagnostics" and (
                told["uri"] == file.as_uri()
            ):
                entries: list[dict[str, Any]] = told["diagnostics"]
                return entries

    def _next(self) -> dict[str, Any]:
        message = self._messages.get(timeout=_SECONDS)
        if "id" in message and "method" in message:
            asked = message["params"].get("items", []) if message.get("params") else []
            answer = [self._settings if item["section"] == "yaml" else {} for item in asked]
            self._send(id=message["id"], result=answer or None)
        return message

    def _send(self, **message: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._into.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._into.flush()

    def _read(self, out: BinaryIO) -> None:
        with suppress(ValueError, OSError):
            while head := out.readline():
                length = int(head.split(b":")[1])
                while out.readline().strip():
                    pass
                self._messages.put(json.loads(out.read(length)))


@contextmanager
def yaml_server(folder: Path, settings: Mapping[str, Any]) -> Iterator[YamlServer]:
    """A server for a folder. Without the program the test is skipped, but never in CI."""
    program = shutil.which("yaml-language-server")
    if program is None:
        if os.environ.get("CI", "").lower() in ("", "0", "false"):
            pytest.skip(SENTENCE)
        pytest.fail(SENTENCE)
    process = subprocess.Popen(
        [program, "--stdio"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        server = YamlServer(process)
        server.start(folder, settings)
        yield server
    finally:
        process.kill()
        process.communicate()

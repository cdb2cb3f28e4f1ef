#!/usr/bin/env python3
"""An http agent: gives each prompt to a program and reports its end (docs/runtimes.md#http).

ENDPOINT_SECRET=whsec_… endpoint.py PORT PROGRAM [ARGUMENT…]
What it knows of its runs is in memory: a real one keeps it, so that a repeat after its own restart
begins nothing anew.
"""

import base64
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = os.environ.get("ENDPOINT_SECRET", "")
RUNS: dict[str, "Work"] = {}
ONE_AT_A_TIME = threading.Lock()


class Work:
    """The program of one run, and what came of it."""

    def __init__(self, run: dict) -> None:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.run, self.ended = run, threading.Event()
        self.program = subprocess.Popen(sys.argv[2:], start_new_session=True, **pipes)
        threading.Thread(target=self.follow, daemon=True).start()

    def follow(self) -> None:
        result, _ = self.program.communicate(self.run["prompt"])
        status = "completed" if self.program.returncode == 0 else "failed"
        # What the work has cost goes along where it is known: "usage": {"costUsd": 0.12}
        self.outcome = {"status": status, "result": result}
        self.ended.set()
        if self.run.get("callbackUrl"):
            report(self.run, self.outcome)

    def stop(self) -> None:
        with suppress(ProcessLookupError):  # the program and what it has started
            os.killpg(self.program.pid, signal.SIGTERM)
        self.ended.wait()


def is_genuine(headers, body: bytes) -> bool:
    """Whether the server signed this, within the last five minutes (Standard Webhooks)."""
    if not SECRET:
        return True
    message, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (at.isascii() and at.isdigit()) or abs(time.time() - int(at)) > 300:
        return False
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    mac = hmac.digest(key, f"{message}.{at}.".encode() + body, hashlib.sha256)
    signature = f"v1,{base64.b64encode(mac).decode()}"
    told = headers.get("webhook-signature", "").encode("utf-8", "replace")
    return hmac.compare_digest(signature.encode(), told)


def report(run: dict, outcome: dict) -> None:
    body = json.dumps(outcome).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {run['token']}"}
    while True:
        try:
            request = urllib.request.Request(run["callbackUrl"], body, headers)
            return urllib.request.urlopen(request, timeout=20).close()
        except urllib.error.HTTPError as error:
            if error.code < 500:  # 409: the run has ended, this was heard before
                return print(f"run {run['id']}: {error}", file=sys.stderr)
        except OSError as error:  # a server that is started anew
            print(f"{run['callbackUrl']}: {error}", file=sys.stderr)
        time.sleep(1)


class Endpoint(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        if not is_genuine(self.headers, body):
            self.answer(401, {"message": "the signature is wrong: is it the same secret?"})
            return
        run = json.loads(body)
        with ONE_AT_A_TIME:  # one piece of work for one run, however often it is asked for
            if run["id"] not in RUNS:
                RUNS[run["id"]] = Work(run)
        work = RUNS[run["id"]]
        if run.get("callbackUrl"):
            self.answer(202, {"sessionId": f"process-{work.program.pid}"})
        else:  # run_only: the answer is the end
            work.ended.wait()
            self.answer(200, work.outcome)

    def do_DELETE(self) -> None:
        if not is_genuine(self.headers, b""):
            self.answer(401, {"message": "the signature is wrong: is it the same secret?"})
            return
        if (work := RUNS.get(self.path.rpartition("/")[2])) is not None:
            work.stop()
        self.answer(200, {})  # nothing of the run is alive

    def answer(self, status: int, document: dict) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: endpoint.py PORT PROGRAM [ARGUMENT…]")
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Endpoint)
    print(f"http://127.0.0.1:{server.server_address[1]}/runs", flush=True)
    server.serve_forever()

#!/usr/bin/env python3
"""A worker: claims the runs of one agent and gives each prompt to a program (docs/workers.md).

RECONCILER_SERVER=http://127.0.0.1:8484 RECONCILER_TOKEN=rct_… worker.py AGENT PROGRAM [ARGUMENT…]
"""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request

SERVER = os.environ.get("RECONCILER_SERVER", "http://127.0.0.1:8484")
TOKEN = os.environ.get("RECONCILER_TOKEN", "")
LEASE = float(os.environ.get("LEASE", "30"))  # seconds that this worker may be silent


def post(path: str, body: dict) -> dict:
    headers = {"Content-Type": "application/json"}
    if TOKEN:  # without tokens the server takes work from its own machine only
        headers["Authorization"] = f"Bearer {TOKEN}"
    request = urllib.request.Request(f"{SERVER}/v1/runs/{path}", json.dumps(body).encode(), headers)
    while True:
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return json.load(answer)
        except urllib.error.HTTPError:
            raise
        except OSError as error:  # a server that is started anew
            print(f"{SERVER}: {error}", file=sys.stderr)
            time.sleep(1)


def work(claimed: dict, command: list[str]) -> None:
    run, lease = claimed["run"]["id"], {"leaseToken": claimed["leaseToken"]}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    program, prompt = subprocess.Popen(command, **pipes), claimed["prompt"]
    try:
        while True:
            try:
                result, _ = program.communicate(prompt, timeout=LEASE / 3)
                break
            except subprocess.TimeoutExpired:
                prompt = None  # it is given once
                if post(f"{run}/heartbeat", lease)["cancel"]:
                    program.terminate()
        status = "completed" if program.returncode == 0 else "failed"
        # What the work has cost goes along where it is known: "usage": {"costUsd": 0.12}
        post(f"{run}/complete", {**lease, "status": status, "result": result})
    except urllib.error.HTTPError as error:
        print(f"run {run}: {error}", file=sys.stderr)  # 409: the lease is lost, another has it
    finally:
        program.kill()  # nothing goes on without a lease


def main(agent: str, *command: str) -> None:
    if shutil.which(command[0]) is None:  # seen now, and not once a run is claimed
        sys.exit(f"{command[0]}: there is no such program, or it is not executable")
    while True:
        order = {"agents": [agent], "max": 1, "leaseSeconds": LEASE}
        try:
            claimed = post("claim", order)["items"]
        except urllib.error.HTTPError as error:  # 401, 403: the token
            sys.exit(f"{SERVER}: {error}: {error.read().decode('utf-8', 'replace')}")
        for item in claimed:
            work(item, [*command])
        if not claimed:
            time.sleep(1)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: worker.py AGENT PROGRAM [ARGUMENT…]")
    main(*sys.argv[1:])

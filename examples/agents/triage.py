#!/usr/bin/env python3
"""An agent for the `command` runtime: reads the run on stdin, triages issues, prints a report.

    reconciler serve … --allow-command triage=examples/agents/triage.py

    runtime: {type: command, program: triage, args: ["--seconds", "5"]}

The issues come from the run's payload (`{"issues": [{"number": 7, "title": "…"}]}`); without any
it invents some, the same ones for the same RUN_ID. Only the standard library is used.
"""

import argparse
import hashlib
import json
import os
import signal
import sys
import time

LABELS = {
    "crash": "bug",
    "fails": "bug",
    "slow": "performance",
    "typo": "documentation",
    "how": "question",
    "please": "enhancement",
}
TITLES = (
    "Crash when the config is empty",
    "Login fails behind a proxy",
    "Search is slow with 10,000 items",
    "Typo in the installation guide",
    "How do I rotate the token?",
    "Please add a dark theme",
    "Release notes for the last version",
)


def main() -> int:
    """0 when all is triaged, 3 where `--fail` asked for it, 143 when told to stop."""
    options = _options()
    signal.signal(signal.SIGTERM, _stopped)
    run = json.load(sys.stdin)
    issues = _issues(run)
    print(f"{run['title']}: {len(issues)} issues", flush=True)
    for issue in issues:
        time.sleep(options.seconds / len(issues))
        print(f"  #{issue['number']} {issue['title']} -> {_label(issue['title'])}", flush=True)
    if options.fail:
        print("the tracker refused the labels", file=sys.stderr)
        return 3
    print("done")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0.0, help="how long the work takes")
    parser.add_argument("--fail", action="store_true", help="end with status 3")
    return parser.parse_args()


def _issues(run: dict) -> list:
    payload = run.get("payload")
    found = payload.get("issues") if isinstance(payload, dict) else None
    given = [issue for issue in found if isinstance(issue, dict)] if isinstance(found, list) else []
    if given:
        return [{"number": i.get("number", "?"), "title": str(i.get("title", ""))} for i in given]
    dice = hashlib.sha256(os.environ.get("RUN_ID", "").encode()).digest()
    thrown = dice[: 2 + dice[-1] % 4]
    return [{"number": 100 + die, "title": TITLES[die % len(TITLES)]} for die in thrown]


def _label(title: str) -> str:
    words = title.lower()
    return next((label for word, label in LABELS.items() if word in words), "needs-triage")


def _stopped(*_: object) -> None:
    print("stopped: what is labelled stays labelled", flush=True)
    sys.exit(143)


if __name__ == "__main__":
    sys.exit(main())

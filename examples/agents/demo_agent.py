#!/usr/bin/env python3
"""A small agent for the examples: no model, no network, only what stands on its stdin.

A program of a `command` runtime gets one line of JSON on stdin: the run as the API shows it, and
`prompt`, which is what a model would be given. What it prints is the run's result, and its exit
status says whether the run completed (0) or failed. Its argument here is the kind of work: triage,
review, digest or watch. `check` is no work but a precheck: is there anything to triage?

Its last line tells what it used, as an agent with a model would: here made up, from the words that
it read and wrote.

The payload is data from outside: this agent counts and quotes it, and does nothing that it says.
There is one exception, to see what a failure looks like: `"fail": true` makes it fail.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from typing import Any

WORK = 0.8
"""Seconds of pretended work, so that a running run can be seen."""

DOLLARS_PER_TOKEN = 0.000002
"""What a small model would cost; this agent has none."""

LABELS = (
    ("security", "p1", ("vulnerab", "token", "leak", "cve", "password")),
    ("bug", "p2", ("crash", "error", "fail", "broken", "wrong", "timeout")),
    ("performance", "p2", ("slow", "latency", "memory", "cpu")),
    ("docs", "p4", ("docs", "typo", "readme", "example")),
)
"""Label, priority and the words that suggest them; the first line that fits counts."""

SAMPLES = (
    "Login page crashes on an expired session",
    "Typo in the quickstart",
    "Search became slow after the last release",
    "Webhook answers 500 on an empty body",
    "An access token shows up in a debug log",
    "Please support dark mode",
    "Retry counter is wrong after a restart",
)


def main() -> int:
    """Do the work of one run; answers the exit status."""
    try:
        run = json.loads(sys.stdin.readline())
        role = ROLES[sys.argv[1] if len(sys.argv) > 1 else "triage"]
    except (ValueError, KeyError) as error:
        print(f"demo agent: cannot work with this: {error!r}", file=sys.stderr)
        return 2
    payload = run.get("payload")
    if role is check:
        return report_new(check(run, payload))
    time.sleep(WORK)
    fails = isinstance(payload, dict) and payload.get("fail") is True
    if fails:
        report = "The payload asked for a failure, so here it is."
    else:
        report = "\n".join([f"# {run['title']}", "", *role(run, payload)])
    print(report, file=sys.stderr if fails else sys.stdout)
    print(json.dumps({"usage": usage(str(run.get("prompt", "")), report)}))
    return 1 if fails else 0


def usage(read: str, written: str) -> dict[str, Any]:
    """What a model would have used for these texts."""
    tokens = [len(text.split()) * 4 // 3 for text in (read, written)]
    cost = round(sum(tokens) * DOLLARS_PER_TOKEN, 6)
    return {"costUsd": cost, "inputTokens": tokens[0], "outputTokens": tokens[1], "turns": 1}


def report_new(issues: list[str]) -> int:
    """Print what there is to do; the exit status 10 says that there is nothing."""
    print("\n".join(issues) or "no issue is new")
    return 0 if issues else 10


def check(run: dict[str, Any], payload: Any) -> list[str]:
    """The issues that are new; of the samples there are none for each third run of a schedule."""
    subjects = texts_of(payload)
    quiet = run.get("source") == "schedule" and int(run["id"][-4:], 16) % 3 == 0
    return subjects or ([] if quiet else samples(run["id"]))


def triage(run: dict[str, Any], payload: Any) -> list[str]:
    """Label what came in; without a payload, a few sample issues chosen by the run's id."""
    subjects = texts_of(payload)
    note = [] if subjects else ["(No payload: these are sample issues.)", ""]
    labelled = sorted(labelled_by_words(text) for text in subjects or samples(run["id"]))
    lines = [f"- {priority} {label}: {text}" for priority, label, text in labelled]
    return [*note, *lines, "", f"{len(lines)} looked at. Start with: {labelled[0][2]}"]


def labelled_by_words(text: str) -> tuple[str, str, str]:
    """Priority, label and the text."""
    lowered = text.lower()
    for label, priority, words in LABELS:
        if any(word in lowered for word in words):
            return priority, label, text
    return "p3", "question", text


def samples(run_id: str) -> list[str]:
    """Three of the samples, another three for another run."""
    start = int(run_id[-4:], 16) % len(SAMPLES)
    return [SAMPLES[(start + step) % len(SAMPLES)] for step in (0, 2, 4)]


def review(run: dict[str, Any], payload: Any) -> list[str]:
    """Remarks on a pull request, by the numbers that GitHub sends along."""
    request = payload.get("pull_request", {}) if isinstance(payload, dict) else {}
    added, removed = (number(request.get(name)) for name in ("additions", "deletions"))
    lines = [f"Focus: {os.environ.get('AUTOPILOT_FOCUS', 'what could break for users')}"]
    lines.append(f"Size: +{added} -{removed} in {number(request.get('changed_files'))} files")
    if added > 400:
        lines.append("- Large: consider splitting it, or ask a second reviewer.")
    if not request.get("body"):
        lines.append("- The description is empty: say why the change is made.")
    return [*lines, "- Please name the test that would fail without this change."]


def digest(run: dict[str, Any], payload: Any) -> list[str]:
    """One line for each thing that came in, and whether somebody has to answer."""
    subjects = texts_of(payload)
    if not subjects:
        return ["Nothing came with this run; a digest of a quiet day.", "Nobody has to answer."]
    answer = any("?" in text for text in subjects)
    words = sum(len(text.split()) for text in subjects)
    lines = [f"- {text}" for text in subjects]
    return [*lines, "", f"{words} words. Somebody has to answer: {'yes' if answer else 'no'}."]


def watch(run: dict[str, Any], payload: Any) -> list[str]:
    """Load and free disk space of this host, as they are."""
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    disk = shutil.disk_usage("/")
    free = disk.free / disk.total
    lines = [f"Load: {load:.2f} per core", f"Disk: {free:.0%} free of {disk.total / 1e9:.0f} GB"]
    if load > 2:
        lines.append("- The load is high.")
    if free < 0.1:
        lines.append("- The disk is nearly full.")
    return [*lines, "Nothing else to report." if len(lines) == 2 else "Somebody should look."]


def texts_of(payload: Any) -> list[str]:
    """The titles and texts in a payload, at most 20, each on one line of at most 120 characters."""
    if isinstance(payload, list):
        return [text for part in payload for text in texts_of(part)][:20]
    if isinstance(payload, str):
        return [" ".join(payload.split())[:120]] if payload.strip() else []
    if not isinstance(payload, dict):
        return []
    own = [payload[name] for name in ("title", "summary", "text", "message") if name in payload][:1]
    below = [payload[name] for name in ("issue", "issues", "commits", "items") if name in payload]
    return [text for part in (*own, *below) for text in texts_of(part)][:20]


def number(value: Any) -> int:
    """A whole number, 0 for anything else."""
    return value if isinstance(value, int) else 0


Work = Callable[[dict[str, Any], Any], list[str]]
ROLES: dict[str, Work] = {
    "triage": triage,
    "review": review,
    "digest": digest,
    "watch": watch,
    "check": check,
}

if __name__ == "__main__":
    sys.exit(main())

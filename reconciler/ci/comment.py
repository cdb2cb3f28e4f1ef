"""`python -m reconciler.ci.comment FILE`: one comment on a pull request, edited in place.

FILE is what `reconciler.ci.propose` wrote, or `plan -o markdown`. Its first line is hidden and says
which comment it is (docs/ci.md).
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from reconciler.ci.calls import Again, Calls, Rejected, attempts
from reconciler.ci.forge import Forge, github, gitlab, is_by
from reconciler.core.base.errors import ReconcilerError, Unavailable, UsageError
from reconciler.core.base.safe_text import escaped

_FORGES = {"github": github, "gitlab": gitlab}
_TIMEOUT = 30.0


def put_comment(forge: Forge, body: str, client: httpx.Client) -> str:
    """Make the comment that begins with the body's first line say `body`.

    Returns created, updated or unchanged. Whatever goes wrong on the way, it begins with the list
    again: a creation whose answer was lost is found there, and not made a second time. Raises
    Unavailable and Rejected.
    """
    return attempts(lambda: _put(Calls(forge, client), forge, body))


def _put(calls: Calls, forge: Forge, body: str) -> str:
    old = _ours(calls, body.partition("\n")[0])
    if old is None:
        _write(calls, "POST", forge.comments, body)
        return "created"
    if str(old.get("body", "")).replace("\r\n", "\n").rstrip() == body.rstrip():
        return "unchanged"
    try:
        _write(calls, forge.edit_method, f"{forge.comment}/{int(old['id'])}", body)
    except Rejected as error:
        if error.status == 404:
            raise Again("the comment was deleted meanwhile", 0.0) from None
        raise
    return "updated"


def _ours(calls: Calls, first_line: str) -> dict[str, Any] | None:
    me = calls.me()
    return next(
        (
            comment
            for comment in calls.comments()
            if str(comment.get("body", "")).startswith(first_line) and is_by(comment, me)
        ),
        None,
    )


def _write(calls: Calls, method: str, path: str, body: str) -> None:
    try:
        calls.send(method, path, body)
    except Rejected as error:
        short = _summary_of(body)
        if error.status not in (413, 422) or short == body:
            raise
        calls.send(method, path, short)


def _summary_of(body: str) -> str:
    """What stands above the first part: marker, title and sums."""
    head, parts, _ = body.partition("\n<details>")
    if not parts:
        return body
    return f"{head}\nThe plan is longer than a comment may be here; the log of the job has it.\n"


def main(arguments: Sequence[str] | None = None, env: Mapping[str, str] = os.environ) -> int:
    """Put the comment; exit code 0, or 1 and 64 with a sentence on stderr."""
    options = _parser().parse_args(arguments)
    try:
        forge = _FORGES[options.forge](env)
        with httpx.Client(timeout=_TIMEOUT) as client:
            done = put_comment(forge, _body(options.file), client)
    except ReconcilerError as error:
        sys.stderr.write(f"error: {escaped(str(error))}\n")
        return error.exit_code
    sys.stderr.write(f"comment {done}\n")
    return 0


def _body(file: Path) -> str:
    try:
        body = file.read_text("utf-8", "replace")
    except OSError as error:
        raise Unavailable(f"{file}: {error.strerror}") from None
    if not body.startswith("<!-- reconciler-plan:"):
        raise UsageError(f"{file} is no comment; write one with: reconciler plan PATH -o markdown")
    return body


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="reconciler.ci.comment", description=__doc__)
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--forge", choices=sorted(_FORGES), default="github")
    return parser


if __name__ == "__main__":
    sys.exit(main())

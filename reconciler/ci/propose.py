"""`python -m reconciler.ci.propose PATH --out FILE`: a pull request's changes, as a comment.

With a server or a database that is `reconciler plan`, followed by what the manifests would have
done over the last seven days (`reconciler simulate`); without either `reconciler diff` against
`--base`. FILE always holds a comment: where no plan could be made it says why, so that an older one
never stays below a pull request (docs/ci.md).
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from reconciler.cli.rendering.markdown import MAX_CHARACTERS, marker, render_failure
from reconciler.core.manifest.fields import format_instant

_PLACES = ("RECONCILER_SERVER", "RECONCILER_DATABASE")
_CHANGES = 2
"""The exit code of a plan that changes something."""


def main(arguments: Sequence[str] | None = None, env: Mapping[str, str] = os.environ) -> int:
    """Write the comment, and return the exit code of the command that made it."""
    options = _parser().parse_args(arguments)
    source = env.get("RECONCILER_SOURCE") or "default"
    there = any(env.get(name) for name in _PLACES)
    if there:
        done = _reconciler(env, "plan", options.path, "--detailed-exitcode", "-o", "markdown")
    else:
        against = ["--base", options.base, "--source", source]
        done = _reconciler(env, "diff", options.path, *against, "-o", "markdown")
    comment, messages = done.stdout, done.stderr
    if not comment.startswith(marker(source)):
        comment = render_failure(messages, source)
    elif done.returncode == _CHANGES and options.days > 0:
        comment += _rehearsal(env, options, MAX_CHARACTERS - len(comment))
    options.out.write_text(comment, "utf-8")
    return 0 if done.returncode == _CHANGES else done.returncode


def _rehearsal(env: Mapping[str, str], options: argparse.Namespace, room: int) -> str:
    """What the manifests would have done lately; nothing where that cannot be told.

    The plan stands without it: a server may be older, or its token may not simulate.
    """
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    since, until = map(format_instant, (now - timedelta(days=options.days), now))
    done = _reconciler(
        env, "simulate", options.path, "--from", since, "--to", until, "-o", "markdown"
    )
    section = f"\n{done.stdout}"
    return section if done.returncode == 0 and len(section) <= room else ""


def _reconciler(env: Mapping[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "reconciler", *arguments]
    done = subprocess.run(
        command, env=dict(env), capture_output=True, check=False, encoding="utf-8", errors="replace"
    )
    sys.stderr.write(done.stderr)
    return done


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="reconciler.ci.propose", description=__doc__)
    parser.add_argument("path", metavar="PATH")
    parser.add_argument("--base", required=True, help="the revision that the changes go onto")
    parser.add_argument(
        "--days", type=int, default=7, help="simulated with a server or a database; 0: none"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    return parser


if __name__ == "__main__":
    sys.exit(main())

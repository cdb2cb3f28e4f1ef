"""`python -m reconciler.ci.propose PATH --out FILE`: a pull request's changes, as a comment.

With a server or a database that is `reconciler plan`; without either `reconciler diff` against
`--base`. FILE always holds a comment: where no plan could be made it says why, so that an older
one never stays below a pull request (docs/ci.md).
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from reconciler.cli.rendering.markdown import marker, render_failure

_PLACES = ("RECONCILER_SERVER", "RECONCILER_DATABASE")


def main(arguments: Sequence[str] | None = None, env: Mapping[str, str] = os.environ) -> int:
    """Write the comment, and return the exit code of the command that made it."""
    options = _parser().parse_args(arguments)
    source = env.get("RECONCILER_SOURCE") or "default"
    command = [sys.executable, "-m", "reconciler", *_command(options, source, env)]
    done = subprocess.run(command, env=dict(env), capture_output=True, check=False)
    messages = done.stderr.decode("utf-8", "replace")
    sys.stderr.write(messages)
    comment = done.stdout.decode("utf-8", "replace")
    if not comment.startswith(marker(source)):
        comment = render_failure(messages, source)
    options.out.write_text(comment, "utf-8")
    return done.returncode


def _command(options: argparse.Namespace, source: str, env: Mapping[str, str]) -> list[str]:
    if any(env.get(name) for name in _PLACES):
        return ["plan", options.path, "-o", "markdown"]
    return ["diff", options.path, "--base", options.base, "--source", source, "-o", "markdown"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="reconciler.ci.propose", description=__doc__)
    parser.add_argument("path", metavar="PATH")
    parser.add_argument("--base", required=True, help="the revision that the changes go onto")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    return parser


if __name__ == "__main__":
    sys.exit(main())

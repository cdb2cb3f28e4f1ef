"""How long short commands take, beside an empty Python and the libraries that are given."""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.processes import PYTHON, RECONCILER, best_of

MANIFEST = """\
apiVersion: autopilots/v1
kind: Agent
metadata: {name: bot}
spec:
  runtime: {type: worker}
"""


def rows(folder: Path) -> dict[str, Sequence[str]]:
    """What is timed, by what it is called."""
    (folder / "agent.yaml").write_text(MANIFEST)
    return {
        "python -c pass": [PYTHON, "-c", "pass"],
        "import pydantic": [PYTHON, "-c", "import pydantic; pydantic.BaseModel"],
        "import pydantic, typer": [PYTHON, "-c", "import pydantic, typer; typer.Typer"],
        "reconciler --version": [*RECONCILER, "--version"],
        "reconciler --help": [*RECONCILER, "--help"],
        "reconciler validate FILE": [*RECONCILER, "validate", "agent.yaml"],
        "reconciler plan DIR": [*RECONCILER, "plan", "."],
        "complete a command's name": [
            "env",
            "_RECONCILER_COMPLETE=complete_bash",
            "COMP_WORDS=reconciler p",
            "COMP_CWORD=1",
            *RECONCILER,
        ],
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=10)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for what, command in rows(folder).items():
            took = best_of(given.times, command, folder=folder).seconds
            print(f"{what:<28} {took * 1e3:6.0f} ms")


if __name__ == "__main__":
    main()

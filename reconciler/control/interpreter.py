"""How this program starts an interpreter of its own code in a child process."""

import json
import sys
from pathlib import Path

_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); from {module} import main; main()"
)


def interpreter(module: str, *arguments: str) -> list[str]:
    """The command that calls `main()` of a module, which finds the arguments in `sys.argv`.

    Nothing but our own path is searched: no folder that we happen to run in, no `PYTHON…` variable.
    """
    path = json.dumps([str(Path(entry).resolve()) for entry in sys.path])
    return [sys.executable, "-I", "-c", _BOOT.format(module=module), *arguments, path]

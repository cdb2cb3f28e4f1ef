"""`reconciler`, and `python -m reconciler`: the entry point, which imports little itself."""

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command. A server hears signals before the second that its imports take."""
    if sys.argv[1:2] == ["serve"]:
        from reconciler.server.stopping import end_at_once

        end_at_once()
    from reconciler.cli.main import main as run

    run()


if __name__ == "__main__":
    main()

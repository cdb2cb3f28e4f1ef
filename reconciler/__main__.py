"""`reconciler`, and `python -m reconciler`: the entry point, which imports little itself."""

import os
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command. A server hears signals before the second that its imports take."""
    _require_utf_8()
    if sys.argv[1:2] == ["serve"]:
        from reconciler.server.stopping import end_at_once

        end_at_once()
    from reconciler.cli.main import main as run

    run()


def _require_utf_8() -> None:
    """Start again where names of files would be ASCII: manifests name them in UTF-8.

    So is `LC_ALL=C` with Python's own remedy switched off, and every locale of another encoding.
    Text for people still goes out in the encoding of the locale.
    """
    if sys.getfilesystemencoding() == "utf-8":
        return
    if sys.stdout is not None:
        os.environ.setdefault("PYTHONIOENCODING", sys.stdout.encoding)
    os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606


if __name__ == "__main__":
    main()

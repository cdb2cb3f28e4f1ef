"""Imports structlog and httpx without rich, which they take along wherever it is installed.

A server writes no colored tracebacks and calls no command line of httpx: it spares the memory.
Whoever serves imports this before anything that imports either.
"""

import sys
from types import ModuleType

_SPARED = ("rich", "pygments")
_modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]

_absent = [name for name in _SPARED if name not in _modules]
# None makes an import fail as if the package was not installed, which both are prepared for.
_modules.update(dict.fromkeys(_absent))
try:
    import httpx
    import structlog
finally:
    for _name in _absent:
        del _modules[_name]

__all__ = ["httpx", "structlog"]

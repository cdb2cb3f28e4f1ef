"""Names in a text that is no YAML: whoever refers to them is not to blame."""

import re

_NAME = re.compile(rb"""\bname["']?\s*:\s*["']?([a-z0-9][-a-z0-9]{0,62})\b""")
_MOST = 10_000


def possible_names(data: bytes) -> set[str]:
    """Every word that may be the name of an object."""
    names: set[str] = set()
    for match in _NAME.finditer(data):
        names.add(match[1].decode("ascii"))
        if len(names) >= _MOST:
            break
    return names

"""The rules of axe-core (npm): what is seriously wrong with a page for who cannot see it."""

import os
from pathlib import Path
from typing import Any

import pytest

_PLACES = ("/usr/lib/node_modules", "/usr/local/lib/node_modules")
_SENTENCE = "axe-core is not installed (npm install --global axe-core)"
_RUN = "() => axe.run(document).then(found => found.violations)"


def violations(page: Any) -> list[str]:
    """What is wrong, a line each. Skips without axe-core, but never in CI."""
    script = next(
        (p for place in _PLACES if (p := Path(place) / "axe-core/axe.min.js").exists()), None
    )
    if script is None:
        if os.environ.get("CI", "").lower() in ("", "0", "false"):
            pytest.skip(_SENTENCE)
        pytest.fail(_SENTENCE)
    page.evaluate(script.read_text("utf-8"))  # not as an element: our policy would forbid it
    return [
        f"{rule['id']}: {node['html'][:200]}"
        for rule in page.evaluate(_RUN)
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]

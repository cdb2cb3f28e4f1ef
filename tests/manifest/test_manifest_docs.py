"""docs/manifest.md: its example is a valid source."""

import re
from pathlib import Path

from tests.support.builders import problems_of

MANIFEST = (Path(__file__).parents[2] / "docs/manifest.md").read_text(encoding="utf-8")


def test_the_example_is_valid() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", MANIFEST, re.DOTALL)
    assert problems_of(example) == []


def test_its_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", MANIFEST):
        assert (Path(__file__).parents[2] / "docs" / target).exists()

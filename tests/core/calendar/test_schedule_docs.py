"""docs/time.md says what the engine does: each row of its table of occurrences is computed."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.core.calendar.schedule import next_after

_PAGE = Path(__file__).parents[3] / "docs" / "time.md"
_ROW = re.compile(r"^\| `(.+?)` \| (\S+) \| (\S+) \| (\S+) \| (\S+) \|$", re.MULTILINE)
_ROWS = _ROW.findall(_PAGE.read_text(encoding="utf-8"))


def test_the_table_is_there() -> None:
    assert len(_ROWS) >= 10


@pytest.mark.parametrize(("expr", "zone", "after", "first", "second"), _ROWS)
def test_occurrences_in_the_docs(expr: str, zone: str, after: str, first: str, second: str) -> None:
    at = datetime.fromisoformat(after).replace(tzinfo=UTC)
    for expected in (first, second):
        found = next_after(expr, zone, at)
        assert found is not None
        assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)
        at = found

"""The pages of a list: each row on one of them, in order, with what else was asked for."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

import hypothesis.strategies as st
from hypothesis import given
from starlette.requests import Request

from reconciler.web.http.cursor import Paged, read_page


@dataclass(frozen=True)
class Row:
    """A row of a list that is newest first."""

    id: str


def page(address: str, count: int, size: int) -> Paged[Row]:
    """What stands at an address of a list of so many rows."""
    path, query = urlsplit(address)[2:4]
    scope = {"type": "http", "path": path, "query_string": query.encode(), "headers": []}
    rows = [Row(f"{number:03}") for number in range(count, 0, -1)]

    def read(before: str | None, limit: int) -> list[Row]:
        return [row for row in rows if before is None or row.id < before][:limit]

    return read_page(Request(scope), "rows", size, read)


@given(st.integers(0, 30), st.integers(1, 7))
def test_whoever_goes_to_older_ones_sees_every_row_once_in_order(count: int, size: int) -> None:
    address: str | None = "/rows?status=failed&label=a&label=b&empty="
    seen: list[str] = []
    while address is not None:
        shown = page(address, count, size)
        seen += [row.id for row in shown.rows]
        first = "cursor" not in address
        assert (shown.newest is None) is first
        assert first or shown.newest == "/rows?status=failed&label=a&label=b"
        address = shown.older
        if address is not None:
            asked = [(name, value) for name, value in parse_qsl(urlsplit(address).query)]
            assert asked[:3] == [("status", "failed"), ("label", "a"), ("label", "b")]
    assert seen == [f"{number:03}" for number in range(count, 0, -1)]

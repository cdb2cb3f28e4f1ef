"""Rows as an aligned table of text."""

from collections.abc import Iterable, Sequence

from reconciler.core.base.safe_text import escaped


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A header and one line per row; cells are made harmless, the last column is not padded."""
    shown = [tuple(columns), *(tuple(map(escaped, row)) for row in rows)]
    widths = [max(len(row[place]) for row in shown) for place in range(len(columns))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in shown
    )

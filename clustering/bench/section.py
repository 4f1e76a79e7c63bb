"""A section of a bench: a table with a title and what must be known to read it; and tables as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, eq=False)
class Section:
    """One table.

    Parameters
    ----------
    name : of the section it belongs to; several tables may share it.
    title : a heading.
    note : how to read it.
    table : columns are headings, as they are printed.
    """

    name: str
    title: str
    note: str
    table: pl.DataFrame


def table_of(rows: Sequence[tuple[object, ...]], columns: Sequence[str]) -> pl.DataFrame:
    """A table from its rows; a column without a value is of type Null."""
    return pl.DataFrame(rows, schema=list(columns), orient="row", infer_schema_length=None)


def as_text(value: object) -> str:
    """A cell: counts as they are, others with three digits, a dash where nothing was measured."""
    if value is None:
        return "\u2013"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def markdown(sections: Iterable[Section]) -> str:
    """All sections as a Markdown text that ends in a line break."""
    parts = []
    for section in sections:
        numeric = [dtype.is_numeric() for dtype in section.table.dtypes]
        lines = [
            _line(section.table.columns),
            _line("---:" if number else "---" for number in numeric),
            *(_line(as_text(value) for value in row) for row in section.table.iter_rows()),
        ]
        note = [section.note, ""] if section.note else []
        parts.append("\n".join([f"### {section.title}", "", *note, *lines]))
    return "\n\n".join(parts) + "\n"


def _line(cells: Iterable[str]) -> str:
    safe = (cell.replace("|", "\\|").replace("\n", " ") for cell in cells)
    return "| " + " | ".join(safe) + " |"

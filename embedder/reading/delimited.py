"""CSV, plain or compressed, by the standard library's strict reader: a malformed record is a rejected row."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl

from embedder.reading.messages import messages_from_column
from embedder.reading.records import (
    BATCH_BYTES,
    MAX_RECORD_BYTES,
    ColumnMap,
    LogError,
    RawBatch,
    require_columns,
)
from embedder.reading.sources import Source, open_log

_NOT_UTF8 = "not valid UTF-8"


def read_csv(source: Source, columns: ColumnMap, *, batch_rows: int) -> Iterator[RawBatch]:
    """Read a comma-separated file with a header.

    Parameters
    ----------
    source
        The file, UTF-8 with or without a byte order mark.
    columns
        Where each canonical column is found; a path is a column's whole name, dots and all.
    batch_rows
        Rows a batch at most; a batch also ends at ``BATCH_BYTES`` characters.

    Yields
    ------
    RawBatch
        Row numbers count records, not lines, without the header; blank lines are passed over. All values are
        strings; ``messages`` holds JSON text.

    Raises
    ------
    LogError
        A truncated or unreadable file, a missing column, or a column used twice in the header.
    """
    position = 0
    with open_log(source) as log:
        # Bytes that are no UTF-8 travel as lone surrogates, so that only their row is lost.
        text = io.TextIOWrapper(log.bytes, encoding="utf-8-sig", errors="surrogateescape", newline="")
        reader = csv.reader(iter(lambda: text.readline(MAX_RECORD_BYTES), ""), strict=True)
        places, width = _header(source.path, reader, columns)
        for rows, records, reasons in _batches(reader, width, batch_rows):
            here = log.raw.tell()
            yield _raw_batch(rows, records, reasons=reasons, places=places, bytes_read=here - position)
            position = here


@contextmanager
def _wide_fields() -> Iterator[None]:
    """Raise the csv module's limit on fields, global to the process, for as long as a batch is read."""
    before = csv.field_size_limit(MAX_RECORD_BYTES)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _header(file: str, reader: Iterator[list[str]], columns: ColumnMap) -> tuple[dict[str, int], int]:
    """Position of each canonical column in a record, and a record's width; 0 for an empty file."""
    try:
        with _wide_fields():
            names = next(reader, [])
    except csv.Error as error:
        raise LogError(f"{file}: the header is not CSV ({error}); re-export it") from error
    if not names:
        return {}, 0
    places = {name: names.index(path) for name, path in columns.paths.items() if path in names}
    twice = next((path for path in columns.paths.values() if names.count(path) > 1), None)
    if twice is not None:
        raise LogError(f"{file}: column {twice!r} occurs twice in the header; rename one")
    require_columns(file, set(places), there=names, columns=columns)
    return places, len(names)


def _batches(
    reader: Iterator[list[str]], width: int, batch_rows: int
) -> Iterator[tuple[list[int], list[list[str]], list[str | None]]]:
    """Row numbers, records (of ``width`` fields, empty where there is a reason) and reasons."""
    number, ended = 0, False
    while not ended:
        rows: list[int] = []
        records: list[list[str]] = []
        reasons: list[str | None] = []
        size = 0
        with _wide_fields():
            while len(rows) < batch_rows and size < BATCH_BYTES:
                reason = None
                try:
                    record = next(reader)
                except StopIteration:
                    ended = True
                    break
                except csv.Error as error:
                    record, reason = [""], f"not valid CSV: {error}" + _hint(error)
                if not record:
                    continue
                number += 1
                if reason is None and len(record) != width:
                    reason = f"{len(record)} fields where the header has {width}"
                size += sum(map(len, record))
                rows.append(number)
                records.append(record if reason is None else [""] * width)
                reasons.append(reason)
        if rows or ended:
            yield rows, records, reasons


def _hint(error: csv.Error) -> str:
    return " (is a quote left open?)" if "field limit" in str(error) else ""


def _raw_batch(
    rows: list[int],
    records: list[list[str]],
    *,
    reasons: list[str | None],
    places: dict[str, int],
    bytes_read: int,
) -> RawBatch:
    columns: dict[str, pl.Series] = {}
    for name, place in places.items():
        values: list[str | None] = [record[place] for record in records]
        try:
            columns[name] = pl.Series(name, values, dtype=pl.String)
        except UnicodeEncodeError:
            for i, value in enumerate(values):
                if value is not None and any("\ud800" <= char <= "\udfff" for char in value):
                    values[i], reasons[i] = None, reasons[i] or _NOT_UTF8
            columns[name] = pl.Series(name, values, dtype=pl.String)
    messages = columns.pop("messages", None)
    return RawBatch(
        pl.Series("row", rows, dtype=pl.Int64),
        pl.Series("reason", reasons, dtype=pl.String),
        columns,
        None if messages is None else messages_from_column(messages),
        bytes_read,
    )

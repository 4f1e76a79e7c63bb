"""CSV, plain or compressed, by the standard library's strict reader: a malformed record is a rejected row."""

from __future__ import annotations

import csv
import io
import re
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
_SURROGATE = re.compile("[\ud800-\udfff]")
#: Fields of a record at most; each costs memory of its own, however short it is.
MAX_FIELDS = 1 << 20


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
        lines = _Lines(text)
        reader = csv.reader(lines, strict=True)
        places, width = _header(source.path, reader, columns)
        records = _records(lines, reader, places=list(places.values()), width=width)
        for batch in _batches(records, batch_rows):
            here = log.raw.tell()
            yield _raw_batch(batch, list(places), bytes_read=here - position)
            position = here


class _Lines:
    """Lines for the csv module, which itself would build a record of any size: quoted fields span lines.

    What is too large raises ``csv.Error`` and is gone; the next record begins with the next line.
    """

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._size = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._text.readline(MAX_RECORD_BYTES)
        if not line:
            raise StopIteration
        self._size += len(line)
        if len(line) == MAX_RECORD_BYTES and line[-1] not in "\r\n":
            while (rest := self._text.readline(1 << 20)) and rest[-1] not in "\r\n":
                pass
        if self._size >= MAX_RECORD_BYTES:
            raise csv.Error(f"longer than {MAX_RECORD_BYTES:,} characters; is a quote left open?")
        if len(line) > MAX_FIELDS and line.count(",") > MAX_FIELDS:
            raise csv.Error(f"more than {MAX_FIELDS:,} fields")
        return line

    def begin_record(self) -> None:
        self._size = 0


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
    other = next((sign for sign in ";\t|" if len(names) == 1 and sign in names[0]), None)
    if other is not None:
        raise LogError(f"{file}: the header has {other!r} where commas should be; re-export it with commas")
    places = {name: names.index(path) for name, path in columns.paths.items() if path in names}
    twice = next((path for path in columns.paths.values() if names.count(path) > 1), None)
    if twice is not None:
        raise LogError(f"{file}: column {twice!r} occurs twice in the header; rename one")
    require_columns(file, set(places), there=names, columns=columns)
    return places, len(names)


def _records(
    lines: _Lines, reader: Iterator[list[str]], *, places: list[int], width: int
) -> Iterator[tuple[list[str | None], str | None]]:
    """The wanted fields of each record, nulls where there is a reason, and the reason."""
    nothing: list[str | None] = [None] * len(places)
    while True:
        lines.begin_record()
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield nothing, f"not valid CSV: {error}"
            continue
        if not record:
            continue
        if len(record) != width:
            yield nothing, f"{len(record):,} fields where the header has {width:,}"
            continue
        yield [record[place] for place in places], None


def _batches(
    records: Iterator[tuple[list[str | None], str | None]], batch_rows: int
) -> Iterator[tuple[list[int], list[list[str | None]], list[str | None]]]:
    """Row numbers, records and reasons."""
    number, ended = 0, False
    while not ended:
        batch: list[list[str | None]] = []
        reasons: list[str | None] = []
        size = 0
        with _wide_fields():
            while len(batch) < batch_rows and size < BATCH_BYTES:
                record, reason = next(records, (None, None))
                if record is None:
                    ended = True
                    break
                size += sum(len(value) for value in record if value)
                batch.append(record)
                reasons.append(reason)
        if batch or ended:
            yield list(range(number + 1, number + 1 + len(batch))), batch, reasons
        number += len(batch)


def _raw_batch(
    batch: tuple[list[int], list[list[str | None]], list[str | None]], names: list[str], *, bytes_read: int
) -> RawBatch:
    rows, records, reasons = batch
    columns: dict[str, pl.Series] = {}
    for place, name in enumerate(names):
        values = [record[place] for record in records]
        try:
            columns[name] = pl.Series(name, values, dtype=pl.String)
        except UnicodeEncodeError:
            for i, value in enumerate(values):
                if value is not None and _SURROGATE.search(value):
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

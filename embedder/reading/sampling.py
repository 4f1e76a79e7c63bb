"""A sample of logs: enough to tell what all of them hold, in bounded time however large they are.

Contract
--------
- Small logs are read whole. Of larger ones about `n_rows` rows are kept at most, with about ``SAMPLE_BYTES``
  of text: from ``MOST_FILES`` files, spread over all of them by size; pieces of neighbouring rows all through
  a Parquet file, the first rows of a text file.
- Rows are exact for Parquet, whose files tell them, and for what was read to its end. Those of other text
  files follow from the bytes on disk that the records read took.
- What is wrong with a file that is looked at raises ``LogError`` as it does when all is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl

from embedder.reading.canonical import canonical_batch
from embedder.reading.delimited import read_csv
from embedder.reading.jsonl import read_jsonl
from embedder.reading.parquet import read_parquet
from embedder.reading.parquet_sample import parquet_rows, sample_parquet
from embedder.reading.records import CANONICAL, ColumnMap, RawBatch, column_map, require_values
from embedder.reading.sources import Source, find_sources

SAMPLE_ROWS = 50_000
SAMPLE_BYTES = 64 << 20
MOST_FILES = 16
PIECE_ROWS = 512  # neighbouring rows that count as one place in the logs
_SMALL_BYTES = 4 << 20  # on disk: so little is read whatever the number of files
_REACH = 8  # rows decoded for each one kept, at most
_BATCH_ROWS = 8 * PIECE_ROWS
_READ_AHEAD = 4 << 10  # of a text file: what is read ahead is taken for bytes of the records read
_READERS = {"parquet": read_parquet, "jsonl": read_jsonl, "csv": read_csv}


@dataclass(frozen=True, eq=False)
class LogSample:
    """Some rows of logs, and what the logs hold in all.

    Attributes
    ----------
    accepted
        Usable rows: ``CANONICAL`` and ``piece`` (Int64), the place in the logs that a row was taken from.
    n_sampled, n_rejected
        Rows read, and those of them that cannot be used.
    n_rows
        Rows of all logs.
    is_exact
        Whether ``n_rows`` is known and no estimate.
    is_whole
        Whether every row was read.
    n_files, n_bytes
        Files of the logs, and their size on disk.
    """

    accepted: pl.DataFrame
    n_sampled: int
    n_rejected: int
    n_rows: int
    is_exact: bool
    is_whole: bool
    n_files: int
    n_bytes: int


@dataclass
class _FilePart:
    """What was read of a file, and the bytes on disk that its rows took."""

    source: Source
    n_rows: int = 0
    n_rejected: int = 0
    n_bytes: int = 0
    text_bytes: int = 0
    is_whole: bool = False
    columns: set[str] = field(default_factory=set)
    frames: list[pl.DataFrame] = field(default_factory=list)


def sample_logs(
    paths: str | Path | Sequence[str | Path],
    *,
    columns: Mapping[str, str] | None = None,
    n_rows: int = SAMPLE_ROWS,
) -> LogSample:
    """Read a sample of logs; see the module. Deterministic.

    Parameters
    ----------
    paths, columns
        As for ``read_logs``.
    n_rows
        Rows to read at most, about; logs of no more are read whole.

    Raises
    ------
    LogError
        As ``read_logs`` for what is looked at; a mapped column without any value only where all is read.
    """
    mapping = column_map(columns)
    sources = find_sources(paths)
    known = {source.path: parquet_rows(source) for source in sources if source.format == "parquet"}
    all_known = len(known) == len(sources)
    chosen = sources if all_known and sum(known.values()) <= n_rows else _chosen(sources)
    weights = [known[source.path] if all_known else source.size for source in chosen]
    parts: list[_FilePart] = []
    rows_left, bytes_left = n_rows, SAMPLE_BYTES
    for number, source in enumerate(chosen):
        share = weights[number] / max(1, sum(weights[number:]))
        budget = max(1, round(rows_left * share)), max(1, round(bytes_left * share))
        part = _read_part(source, mapping, known.get(source.path), budget=budget)
        parts.append(part)
        rows_left, bytes_left = max(0, rows_left - part.n_rows), max(0, bytes_left - part.text_bytes)
    is_whole = len(parts) == len(sources) and all(part.is_whole for part in parts)
    n_sampled = sum(part.n_rows for part in parts)
    if is_whole and n_sampled:
        require_values(mapping, set().union(*(part.columns for part in parts)), n_rows=n_sampled)
    text_rows, text_exact = _text_rows([source for source in sources if source.path not in known], parts)
    return LogSample(
        _joined(parts),
        n_sampled,
        sum(part.n_rejected for part in parts),
        n_rows=sum(known.values()) + text_rows,
        is_exact=text_exact,
        is_whole=is_whole,
        n_files=len(sources),
        n_bytes=sum(source.size for source in sources),
    )


def _chosen(sources: Sequence[Source]) -> list[Source]:
    """All of few or small files; else those that hold evenly spaced bytes of all."""
    ends = np.cumsum([source.size for source in sources])
    if len(sources) <= MOST_FILES or ends[-1] <= _SMALL_BYTES:
        return list(sources)
    at = (np.arange(MOST_FILES) + 0.5) / MOST_FILES * ends[-1]
    return [sources[i] for i in np.unique(np.searchsorted(ends, at, side="right"))]


def _read_part(
    source: Source, columns: ColumnMap, known: int | None, *, budget: tuple[int, int]
) -> _FilePart:
    """Read a file until its rows or their text (bytes) reach the budget."""
    most_rows, most_bytes = budget
    part = _FilePart(source, is_whole=known is None or known <= most_rows)
    for raw in _batches(source, columns, known, n_rows=most_rows):
        batch = canonical_batch(source.path, raw)
        part.columns |= raw.columns.keys() | ({"messages"} if raw.messages is not None else set())
        part.n_rows += len(raw.rows)
        part.n_rejected += batch.rejected.height
        part.n_bytes += raw.bytes_read
        part.text_bytes += int(batch.accepted["prompt"].str.len_bytes().sum())
        part.frames.append(batch.accepted)
        if part.n_bytes < source.size and (part.n_rows >= most_rows or part.text_bytes >= most_bytes):
            part.is_whole = part.n_rows == known
            break
    return part


def _batches(source: Source, columns: ColumnMap, known: int | None, *, n_rows: int) -> Iterator[RawBatch]:
    if known is not None and known > n_rows:
        yield from sample_parquet(
            source, columns, n_rows=n_rows, piece_rows=PIECE_ROWS, reach=_REACH * n_rows
        )
        return
    rows = min(_BATCH_ROWS, n_rows)
    yield from _READERS[source.format](replace(source, read_ahead=_READ_AHEAD), columns, batch_rows=rows)


def _text_rows(sources: Sequence[Source], parts: Sequence[_FilePart]) -> tuple[int, bool]:
    """Rows of text files, by the bytes that rows of their kind of file took; and whether that is exact."""
    read = {part.source.path: part for part in parts}
    total, exact = 0.0, True
    for source in sources:
        part = read.get(source.path)
        if part is not None and (part.is_whole or part.n_bytes):
            total += part.n_rows if part.is_whole else part.n_rows * source.size / part.n_bytes
            exact &= part.is_whole
            continue
        alike = [one for one in parts if _kind(one.source) == _kind(source) and one.n_bytes]
        alike = alike or [one for one in parts if one.n_bytes]
        taken = sum(one.n_bytes for one in alike)
        total += source.size * sum(one.n_rows for one in alike) / max(1, taken)
        exact &= source.size == 0
    return round(total), exact


def _kind(source: Source) -> tuple[str, str | None]:
    return source.format, source.compression


def _joined(parts: Sequence[_FilePart]) -> pl.DataFrame:
    """The usable rows, numbered by places of ``PIECE_ROWS``; no place reaches over two batches of a file."""
    frames = [pl.DataFrame(schema=CANONICAL).with_columns(piece=pl.lit(None, pl.Int64))]
    first = 0
    for frame in (frame for part in parts for frame in part.frames if frame.height):
        frames.append(frame.with_columns(piece=first + pl.int_range(pl.len()) // PIECE_ROWS))
        first += -(-frame.height // PIECE_ROWS)
    return pl.concat(frames)

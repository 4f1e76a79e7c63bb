"""Request logs, read in batches: Parquet, JSON lines and CSV in, checked canonical columns out.

Contract
--------
- Bounded memory: a batch ends at ``batch_rows`` rows or about 16 MiB of text (one record
  may be larger), whichever comes first. No Python object per request outlives its batch. A small file that
  holds gigabytes is refused early; see ``inflation``.
- Whatever a row holds, it is either accepted or rejected with its file, number and reason; only a log that
  cannot be used as a whole raises, always ``LogError``, one line that names the file or column and the
  remedy.
- The same rows give the same canonical columns from any format; an instant has the same microseconds from
  any.
- Prompts are kept whole, whatever their length; a record of more than 64 MiB is rejected.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from embedder.reading.canonical import canonical_batch
from embedder.reading.delimited import read_csv
from embedder.reading.jsonl import read_jsonl
from embedder.reading.parquet import read_parquet
from embedder.reading.records import (
    CANONICAL,
    LOG_COLUMNS,
    REJECTED,
    ColumnMap,
    LogBatch,
    LogError,
    column_map,
    require_values,
)
from embedder.reading.sources import Source, find_sources

__all__ = [
    "CANONICAL",
    "LOG_COLUMNS",
    "REJECTED",
    "LogBatch",
    "LogError",
    "Source",
    "find_sources",
    "read_logs",
]

_READERS = {"parquet": read_parquet, "jsonl": read_jsonl, "csv": read_csv}


def read_logs(
    paths: str | Path | Sequence[str | Path],
    *,
    columns: Mapping[str, str] | None = None,
    batch_rows: int = 65_536,
) -> Iterator[LogBatch]:
    """Read request logs.

    Parameters
    ----------
    paths
        Files, folders (searched through) or globs; see ``find_sources``. Formats go by the name's ending:
        ``.parquet``/``.pq``; ``.jsonl``/``.ndjson``/``.json``, an object a line; ``.csv`` with a header; the
        text formats also with ``.gz`` or ``.zst``.
    columns
        Canonical name to the log's name, such as ``{"prompt": "body.text"}``: a column's own name, or in JSON
        lines and Parquet a dotted path into nested objects. Needed are ``account_id`` and one of ``prompt``
        and ``messages``; ``LOG_COLUMNS`` lists all. Where a row has both, ``prompt`` wins unless it is null.
    batch_rows
        Rows a batch at most, >= 1.

    Yields
    ------
    LogBatch
        File after file in the order of their paths, each in its own order; an empty file gives one empty
        batch. Deterministic.

    Raises
    ------
    LogError
        At the call: paths or mapping unusable. While iterating: a file unreadable, corrupt or without a
        needed column; at the end: a mapped column that had no value anywhere.
    """
    if batch_rows < 1:
        raise LogError(f"batch_rows: {batch_rows} is not a number of rows; give at least 1")
    mapping = column_map(columns)
    sources = find_sources(paths)

    return _batches(sources, mapping, batch_rows)


def _batches(sources: Sequence[Source], columns: ColumnMap, batch_rows: int) -> Iterator[LogBatch]:
    found: set[str] = set()
    n_rows = 0
    for source in sources:
        for raw in _READERS[source.format](source, columns, batch_rows=batch_rows):
            n_rows += len(raw.rows)
            found |= raw.columns.keys()
            if raw.messages is not None:
                found.add("messages")
            yield canonical_batch(source.path, raw)
    require_values(columns, found, n_rows=n_rows)

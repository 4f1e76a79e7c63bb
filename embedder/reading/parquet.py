"""Parquet by Arrow's batches: columns keep the types that they have, and nothing is trusted.

Arrow checks neither that strings are UTF-8 nor that offsets make sense when it reads a file, and Polars
trusts what it is given, so each batch is validated before it is handed on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import polars as pl
import pyarrow
import pyarrow.compute
import pyarrow.parquet

from embedder.reading.messages import messages_from_column
from embedder.reading.records import BATCH_BYTES, ColumnMap, LogError, RawBatch, require_columns
from embedder.reading.sources import Source

# Arrow ships no types.
pa: Any = pyarrow
pq: Any = pyarrow.parquet

_PIECE_ROWS = 4096
_NOT_UTF8 = "not valid UTF-8"


def read_parquet(source: Source, columns: ColumnMap, *, batch_rows: int) -> Iterator[RawBatch]:
    """Read a Parquet file.

    Parameters
    ----------
    source
        The file.
    columns
        Where each canonical column is found; a path is a column's whole name, or leads into structs.
    batch_rows
        Rows a batch at most; fewer where the row group says that they would exceed ``BATCH_BYTES``.

    Yields
    ------
    RawBatch
        Row numbers count rows from 1. Columns have the types that the file gave them.

    Raises
    ------
    LogError
        A corrupt, encrypted or unreadable file, or a missing column.
    """
    with _opened(source) as file:
        places = _places(file, source, columns)
        yield from _batches(file, places, batch_rows=batch_rows, size=source.size)


def parquet_rows(source: Source) -> int:
    """Rows of a Parquet file, by its own word; raises as ``read_parquet`` does."""
    with _opened(source) as file:
        return int(file.metadata.num_rows)


def sample_parquet(
    source: Source, columns: ColumnMap, *, n_rows: int, piece_rows: int, reach: int
) -> Iterator[RawBatch]:
    """Read pieces of neighbouring rows that are spread evenly over a Parquet file.

    A column can only be read from the start of a row group on, so what lies deep in a large one costs as much
    as all before it: pieces that lie deeper than `reach` allows are taken from nearer its start.

    Parameters
    ----------
    source, columns
        As for ``read_parquet``; raises as it does.
    n_rows
        Rows to read, about; fewer than the file has.
    piece_rows
        Neighbouring rows of a piece.
    reach
        Rows that may be decoded in all, about.

    Yields
    ------
    RawBatch
        What a row group has of the sample; rows are numbered within the sample, and ``bytes_read`` is 0.
    """
    with _opened(source) as file:
        places = _places(file, source, columns)
        wanted = sorted({".".join(place) for place in places.values()})
        row = 0
        for group, pieces in _spread(
            file.metadata, n_rows=n_rows, piece_rows=piece_rows, reach=reach
        ).items():
            found: list[Any] = []
            batches = file.iter_batches(batch_size=piece_rows, row_groups=[group], columns=wanted)
            for number, piece in zip(range(max(pieces) + 1), batches, strict=False):
                if number in pieces:
                    found.append(piece)
            joined = pa.concat_batches(found)
            yield _raw_batch(joined, places, first=row + 1, bytes_read=0)
            row += joined.num_rows


def _spread(metadata: Any, *, n_rows: int, piece_rows: int, reach: int) -> dict[int, set[int]]:
    """Numbers of the pieces to take from each row group that has any."""
    sizes = np.array([metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)])
    ends = np.cumsum(sizes)
    n_pieces = max(1, n_rows // piece_rows)
    starts = np.linspace(0, max(0, ends[-1] - piece_rows), n_pieces).astype(np.int64)
    groups = np.searchsorted(ends, starts, side="right")
    depths = starts - (ends - sizes)[groups]
    deepest = np.maximum(0, np.minimum(sizes[groups], reach // len(np.unique(groups))) - piece_rows)
    depths = depths * deepest // np.maximum(1, sizes[groups] - 1)
    chosen: dict[int, set[int]] = {}
    for group, depth in zip(groups.tolist(), depths.tolist(), strict=True):
        chosen.setdefault(group, set()).add(depth // piece_rows)
    return chosen


def _places(file: Any, source: Source, columns: ColumnMap) -> dict[str, tuple[str, ...]]:
    schema = file.schema_arrow
    places = {name: place for name, path in columns.paths.items() if (place := _place(schema, path))}
    require_columns(source.path, set(places), there=schema.names, columns=columns)
    return places


@contextmanager
def _opened(source: Source) -> Iterator[Any]:
    """The file, read as it is asked for; what Arrow raises meanwhile becomes a line."""
    try:
        with pq.ParquetFile(source.path, coerce_int96_timestamp_unit="us") as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise LogError(
                f"{source.path}: cannot be read ({error.strerror}); check the path and its permissions"
            ) from error
        said = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise LogError(f"{source.path}: truncated or corrupt Parquet ({said}); re-export it") from error


def _place(schema: Any, path: str) -> tuple[str, ...]:
    """Names that lead from the schema to the column; () when it is not there."""
    if path in schema.names:
        return (path,)
    parts = path.split(".")
    if parts[0] not in schema.names:
        return ()
    kind = schema.field(parts[0]).type
    for part in parts[1:]:
        if not pa.types.is_struct(kind) or kind.get_field_index(part) < 0:
            return ()
        kind = kind.field(part).type
    return tuple(parts)


def _batches(
    file: Any, places: dict[str, tuple[str, ...]], *, batch_rows: int, size: int
) -> Iterator[RawBatch]:
    wanted = sorted({".".join(place) for place in places.values()})
    total, row, position = max(1, file.metadata.num_rows), 0, 0
    for batch in _joined(file, wanted, batch_rows):
        here = size * (row + batch.num_rows) // total
        yield _raw_batch(batch, places, first=row + 1, bytes_read=here - position)
        row, position = row + batch.num_rows, here
    none = pl.Series("reason", [], dtype=pl.String)
    yield RawBatch(pl.Series("row", [], dtype=pl.Int64), none, {}, None, size - position)


def _joined(file: Any, wanted: list[str], batch_rows: int) -> Iterator[Any]:
    """Arrow batches of ``batch_rows`` or about ``BATCH_BYTES``, put together from small pieces.

    A row group's size on disk says little of its size in memory: a text that repeats is stored once.
    """
    pieces: list[Any] = []
    n_rows = n_bytes = 0
    for group in range(file.metadata.num_row_groups):
        meta = file.metadata.row_group(group)
        per_row = max(1, meta.total_byte_size // max(1, meta.num_rows))
        rows = max(1, min(batch_rows, _PIECE_ROWS, BATCH_BYTES // per_row))
        for piece in file.iter_batches(batch_size=rows, row_groups=[group], columns=wanted):
            if pieces and (n_rows + piece.num_rows > batch_rows or n_bytes + piece.nbytes > BATCH_BYTES):
                yield pa.concat_batches(pieces)
                pieces, n_rows, n_bytes = [], 0, 0
            pieces.append(piece)
            n_rows, n_bytes = n_rows + piece.num_rows, n_bytes + piece.nbytes
    if pieces:
        yield pa.concat_batches(pieces)


def _raw_batch(batch: Any, places: dict[str, tuple[str, ...]], *, first: int, bytes_read: int) -> RawBatch:
    n = batch.num_rows
    reasons = pl.Series("reason", [None] * n, dtype=pl.String)
    columns: dict[str, pl.Series] = {}
    for name, place in places.items():
        array = batch.column(place[0])
        for part in place[1:]:
            # flatten() carries a null struct over to its fields, field() would not.
            array = array.flatten()[array.type.get_field_index(part)]
        columns[name], bad = _series(array)
        if bad:
            reasons = reasons.scatter(bad, [f"{name} is {_NOT_UTF8}"] * len(bad))
    messages = columns.pop("messages", None)
    return RawBatch(
        pl.int_range(first, first + n, dtype=pl.Int64, eager=True).alias("row"),
        reasons,
        columns,
        None if messages is None else messages_from_column(messages),
        bytes_read,
    )


def _series(array: Any) -> tuple[pl.Series, list[int]]:
    """A Polars series of an Arrow array, and the positions of invalid text, which is null in it."""
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    bad: list[int] = []
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        bad = [i for i in range(len(array)) if not _valid(array.slice(i, 1))]
        good = pa.array([i not in set(bad) for i in range(len(array))])
        array = pa.compute.if_else(good, array, pa.scalar(None, array.type))
    if pa.types.is_fixed_size_binary(array.type) and array.type.byte_width == 16:
        return _uuid_text(pl.Series(pl.from_arrow(array))), bad
    if pa.types.is_dictionary(array.type):
        # A view per row: a long text stays in memory once, however often it repeats.
        texts, codes = pl.Series(pl.from_arrow(array.dictionary)), pl.Series(pl.from_arrow(array.indices))
        return texts.gather(codes.cast(pl.UInt32)), bad
    return pl.Series(pl.from_arrow(array)), bad


def _valid(one: Any) -> bool:
    try:
        one.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _uuid_text(column: pl.Series) -> pl.Series:
    """The usual text of 16-byte identifiers."""
    digits = pl.col("u").bin.encode("hex")
    parts = [digits.str.slice(start, n) for start, n in ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))]
    return pl.DataFrame({"u": column}).select(u=pl.concat_str(parts, separator="-"))["u"]

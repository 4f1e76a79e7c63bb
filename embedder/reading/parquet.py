"""Parquet by Arrow's batches: columns keep the types that they have, and nothing is trusted.

Arrow checks neither that strings are UTF-8 nor that offsets make sense when it reads a file, and Polars
trusts what it is given, so each batch is validated before it is handed on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow
import pyarrow.compute
import pyarrow.parquet

from embedder.reading.inflation import refuse_inflated
from embedder.reading.messages import messages_from_column
from embedder.reading.records import (
    BATCH_BYTES,
    MAX_RECORD_BYTES,
    ColumnMap,
    LogError,
    RawBatch,
    require_columns,
)
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
    with opened(source) as file:
        places = places_of(file, source, columns)
        yield from _batches(file, places, batch_rows=batch_rows, source=source)


def places_of(file: Any, source: Source, columns: ColumnMap) -> dict[str, tuple[str, ...]]:
    """Names that lead to each canonical column; refuses a file that lacks one or grows too much."""
    schema = file.schema_arrow
    places = {name: place for name, path in columns.paths.items() if (place := _place(schema, path))}
    _refuse_twins(source.path, schema, places)
    require_columns(source.path, set(places), there=schema.names, columns=columns)
    groups = [file.metadata.row_group(group) for group in range(file.metadata.num_row_groups)]
    refuse_inflated(
        source.path,
        source.size,
        "parquet",
        n_bytes=sum(max(0, group.total_byte_size) for group in groups),
        n_records=sum(max(0, group.num_rows) for group in groups),
    )
    return places


def wanted_columns(places: dict[str, tuple[str, ...]]) -> list[str]:
    """The paths of the file's columns that are read."""
    return sorted({".".join(place) for place in places.values()})


@contextmanager
def opened(source: Source) -> Iterator[Any]:
    """The file, read as it is asked for; what Arrow raises meanwhile becomes a line."""
    try:
        # Opened here because Arrow takes no path that is not UTF-8.
        with (
            Path(source.path).open("rb") as raw,
            pq.ParquetFile(raw, coerce_int96_timestamp_unit="us") as file,
        ):
            yield file
    except LogError:
        raise
    # Of a corrupt file Arrow also raises what Python has for text, keys and numbers.
    except (pa.ArrowException, OSError, ValueError, LookupError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise LogError(
                f"{source.path}: cannot be read ({error.strerror}); check the path and its permissions"
            ) from error
        said = (str(error).splitlines() or [""])[0][:200] or type(error).__name__
        raise LogError(f"{source.path}: truncated or corrupt Parquet ({said}); re-export it") from error


def _place(schema: Any, path: str) -> tuple[str, ...]:
    """Names that lead from the schema to the column; () when it is not there."""
    if path in schema.names:
        return (path,)
    parts = path.split(".")
    if parts[0] not in schema.names:
        return ()
    kind = schema.field(schema.names.index(parts[0])).type
    for part in parts[1:]:
        if not pa.types.is_struct(kind) or kind.get_field_index(part) < 0:
            return ()
        kind = kind.field(part).type
    return tuple(parts)


def _refuse_twins(file: str, schema: Any, places: dict[str, tuple[str, ...]]) -> None:
    for first in dict.fromkeys(place[0] for place in places.values()):
        if schema.names.count(first) > 1:
            raise LogError(f"{file}: column {first!r} occurs twice; rename one")


def _batches(
    file: Any, places: dict[str, tuple[str, ...]], *, batch_rows: int, source: Source
) -> Iterator[RawBatch]:
    wanted = wanted_columns(places)
    total, row, position = max(1, file.metadata.num_rows), 0, 0
    for batch in _joined(file, wanted, batch_rows=batch_rows, source=source):
        here = source.size * min(row + batch.num_rows, total) // total
        yield raw_batch(batch, places, first=row + 1, bytes_read=here - position)
        row, position = row + batch.num_rows, here
    if row != file.metadata.num_rows:
        raise pa.ArrowInvalid(f"{row:,} rows where it says {file.metadata.num_rows:,}")
    none = pl.Series("reason", [], dtype=pl.String)
    yield RawBatch(pl.Series("row", [], dtype=pl.Int64), none, {}, None, source.size - position)


def _joined(file: Any, wanted: list[str], *, batch_rows: int, source: Source) -> Iterator[Any]:
    """Arrow batches of ``batch_rows`` or about ``BATCH_BYTES``, put together from small pieces.

    A row group's size on disk says little of its size in memory: a text that repeats is stored once.
    """
    pieces: list[Any] = []
    n_rows = n_bytes = given = 0
    for group in range(file.metadata.num_row_groups):
        rows = min(batch_rows, _rows_at_once(file, source, group=group, wanted=wanted))
        for piece in file.iter_batches(batch_size=rows, row_groups=[group], columns=wanted):
            if pieces and (n_rows + piece.num_rows > batch_rows or n_bytes + piece.nbytes > BATCH_BYTES):
                yield pa.concat_batches(pieces)
                pieces, n_rows, n_bytes = [], 0, 0
            pieces.append(piece)
            n_rows, n_bytes = n_rows + piece.num_rows, n_bytes + piece.nbytes
            given += piece.nbytes
            refuse_inflated(source.path, source.size, "parquet", n_bytes=given, n_records=0)
    if pieces:
        yield pa.concat_batches(pieces)


def _rows_at_once(file: Any, source: Source, *, group: int, wanted: list[str]) -> int:
    """Rows of a row group that take no more than about ``BATCH_BYTES``, even if each has the longest text.

    Nothing is asked of the metadata of single columns: where they are corrupt, Arrow ends the process.
    """
    meta = file.metadata.row_group(group)
    rows: int = max(1, min(_PIECE_ROWS, BATCH_BYTES // max(1, meta.total_byte_size // max(1, meta.num_rows))))
    texts = [
        column.path
        for column in map(file.schema.column, range(len(file.schema)))
        if column.physical_type == "BYTE_ARRAY"
        and any(f"{column.path}.".startswith(f"{name}.") for name in wanted)
    ]
    for text in texts:
        rows = max(1, min(rows, BATCH_BYTES // _longest(source, group, text, rows=rows)))
    return rows


def _longest(source: Source, group: int, column: str, *, rows: int) -> int:
    """Bytes that a row's texts in a column may come to, judged by its dictionary; at least 1.

    Read as a dictionary, so that the texts are not put into their rows: were one of them huge, that would
    take a thousand times as much.
    """
    with Path(source.path).open("rb") as raw, pq.ParquetFile(raw, read_dictionary=[column]) as file:
        for batch in file.iter_batches(batch_size=rows, row_groups=[group], columns=[column]):
            array = batch.column(0)
            while pa.types.is_nested(array.type):
                array = array.field(0) if pa.types.is_struct(array.type) else array.values
            if not pa.types.is_dictionary(array.type):
                return 1
            longest = pa.compute.max(pa.compute.binary_length(array.dictionary)).as_py()
            if longest is not None and longest > MAX_RECORD_BYTES:
                raise LogError(
                    f"{source.path}: column {column!r} repeats a text of {longest >> 20:,} MiB; leave it out"
                )
            if longest is not None:
                return max(1, int(longest) * max(1, len(array) // int(batch.num_rows)))
    return 1


def raw_batch(batch: Any, places: dict[str, tuple[str, ...]], *, first: int, bytes_read: int) -> RawBatch:
    """An Arrow batch as the canonical columns; rows are numbered from `first`."""
    n = batch.num_rows
    reasons = pl.Series("reason", [None] * n, dtype=pl.String)
    columns: dict[str, pl.Series] = {}
    for name, place in places.items():
        array = batch.column(batch.schema.names.index(place[0]))
        for part in place[1:]:
            # flatten() carries a null struct over to its fields, field() would not.
            array = array.flatten()[array.type.get_field_index(part)]
        columns[name], bad, what = _series(array)
        if bad:
            reasons = reasons.scatter(bad, [f"{name} is {what}"] * len(bad))
    messages = columns.pop("messages", None)
    return RawBatch(
        pl.int_range(first, first + n, dtype=pl.Int64, eager=True).alias("row"),
        reasons,
        columns,
        None if messages is None else messages_from_column(messages),
        bytes_read,
    )


def _series(array: Any) -> tuple[pl.Series, list[int], str]:
    """A Polars series of an Arrow array, and the positions that are null in it because of what they are."""
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        return _from_dictionary(array)
    if pa.types.is_binary(array.type) or pa.types.is_large_binary(array.type):
        array = array.view(pa.string() if pa.types.is_binary(array.type) else pa.large_string())
    kind = _polars_kind(array.type)
    if kind is None:
        bad = np.flatnonzero(array.is_valid().to_numpy(zero_copy_only=False)).tolist()
        return (
            pl.Series([None] * len(array)),
            bad,
            f"of a type that is not read ({str(array.type).split('<')[0]})",
        )
    bad = _invalid(array)
    if bad:
        good = np.ones(len(array), np.bool_)
        good[bad] = False
        array = pa.compute.if_else(pa.array(good), array, pa.scalar(None, array.type))
    if kind != array.type:
        array = array.cast(kind)
    series = pl.Series(pl.from_arrow(array))
    if pa.types.is_fixed_size_binary(array.type) and array.type.byte_width == 16:
        series = _uuid_text(series)
    return series, bad, _NOT_UTF8


def _from_dictionary(array: Any) -> tuple[pl.Series, list[int], str]:
    """A view per row: a long text stays in memory once, however often it repeats."""
    array.indices.validate(full=True)
    texts, bad_texts, what = _series(array.dictionary)
    codes = pl.Series(pl.from_arrow(array.indices)).cast(pl.UInt32)
    if (codes >= len(texts)).any():
        raise pa.ArrowInvalid("an index beyond its dictionary")
    bad = codes.is_in(bad_texts).fill_null(False).arg_true().to_list() if bad_texts else []
    return texts.gather(codes), bad, what


def _polars_kind(kind: Any) -> Any:
    """The type that Polars can take the place of `kind` with; None when there is none (it would panic)."""
    if isinstance(kind, pa.BaseExtensionType):
        return _polars_kind(kind.storage_type)
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return pa.timestamp(kind.unit, "UTC")  # the instants stay; Polars does not know every zone's name
    if pa.types.is_struct(kind):
        fields = [kind.field(i) for i in range(kind.num_fields)]
        kinds = [_polars_kind(field.type) for field in fields]
        if None in kinds or len({field.name for field in fields}) < len(fields):
            return None
        return pa.struct([field.with_type(inner) for field, inner in zip(fields, kinds, strict=True)])
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        inner = _polars_kind(kind.value_type)
        make = pa.list_ if pa.types.is_list(kind) else pa.large_list
        return None if inner is None else make(kind.value_field.with_type(inner))
    if pa.types.is_fixed_size_list(kind):
        return kind if _polars_kind(kind.value_type) == kind.value_type else None
    if pa.types.is_dictionary(kind):
        return kind if _polars_kind(kind.value_type) == kind.value_type else None
    if pa.types.is_nested(kind) or pa.types.is_decimal256(kind):
        return None
    return kind


def _invalid(array: Any) -> list[int]:
    """Positions of values that break the rules of their type, such as text that is no UTF-8."""
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        half = len(array) // 2
        if half == 0:
            return list(range(len(array)))
        # Taken, not sliced: of a slice's lists and structs Arrow checks the values outside of it too.
        left, right = (_invalid(array.take(part)) for part in np.split(np.arange(len(array)), [half]))
        return left + [half + i for i in right]
    return []


def _uuid_text(column: pl.Series) -> pl.Series:
    """The usual text of 16-byte identifiers."""
    digits = pl.col("u").bin.encode("hex")
    parts = [digits.str.slice(start, n) for start, n in ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))]
    return pl.DataFrame({"u": column}).select(u=pl.concat_str(parts, separator="-"))["u"]

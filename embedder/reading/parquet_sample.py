"""A Parquet file's own word for its rows, and pieces of it that are spread all through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow

from embedder.reading.parquet import opened, places_of, raw_batch, wanted_columns
from embedder.reading.records import ColumnMap, RawBatch
from embedder.reading.sources import Source

pa: Any = pyarrow  # Arrow ships no types


def parquet_rows(source: Source) -> int:
    """Rows of a Parquet file, by its own word; raises as ``read_parquet`` does."""
    with opened(source) as file:
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
    with opened(source) as file:
        places = places_of(file, source, columns)
        wanted = wanted_columns(places)
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
            yield raw_batch(joined, places, first=row + 1, bytes_read=0)
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

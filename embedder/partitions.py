"""Rows sorted into partitions on disk: what shares a key's first byte is read together, and all in order.

A run of rows is sorted by partition in memory and written as one file, a compressed record batch per
partition; reading takes the same partitions from every run. This is the distribution phase of an external
sort (Knuth, The Art of Computer Programming 3, 5.4): each row is written once and read once, and no file is
written at more than one place.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow
from numpy.typing import NDArray

pa: Any = pyarrow  # Arrow ships no types

N_PARTITIONS = 256
# Bits of a 64-bit key that are not its partition.
_SHIFT = 56


class Partitions:
    """Rows in partitions by the first byte of the column ``key_high``, UInt64.

    Parameters
    ----------
    folder
        Where the runs are written; created.
    most_bytes
        Partitions are read together while they hold no more.
    """

    def __init__(self, folder: Path, *, most_bytes: int) -> None:
        folder.mkdir()
        self._folder, self._most_bytes = folder, most_bytes
        self._bytes = np.zeros(N_PARTITIONS, np.int64)
        self._runs: list[tuple[Path, NDArray[np.int64]]] = []

    def add(self, rows: pl.DataFrame) -> None:
        """Write a run; its order within a partition is kept."""
        numbers = (rows["key_high"].to_numpy() >> _SHIFT).astype(np.int64)
        order = np.argsort(numbers, kind="stable")
        ends = np.cumsum(np.bincount(numbers, minlength=N_PARTITIONS))
        # Offsets and bytes, not views: a slice of views would be written with the texts of all.
        table = rows[order].rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
        path = self._folder / f"{len(self._runs)}.arrow"
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        places = np.full(N_PARTITIONS, -1)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema, options=options) as out:
            for number in np.unique(numbers):
                start = ends[number - 1] if number else 0
                (batch,) = table.slice(start, ends[number] - start).to_batches()
                self._bytes[number] += batch.nbytes
                places[number] = (places >= 0).sum()
                out.write_batch(batch)
        self._runs.append((path, places))

    def parts(self) -> list[range]:
        """Partitions to be read together, in order; no part is empty unless all are."""
        parts, start, held = [], 0, 0
        for number, size in enumerate(self._bytes.tolist()):
            if held and size and held + size > self._most_bytes:
                parts.append(range(start, number))
                start, held = number, 0
            held += size
        return [*parts, range(start, N_PARTITIONS)]

    def read(self, part: range) -> pl.DataFrame:
        """Rows of some partitions, in the order in which they were written, whichever is theirs."""
        batches = []
        for path, places in self._runs:
            with pa.memory_map(str(path)) as source:
                run = pa.ipc.open_file(source)
                here = places[part.start : part.stop]
                batches += [run.get_batch(int(place)) for place in here[here >= 0]]
        frame = pl.from_arrow(pa.Table.from_batches(batches))
        assert isinstance(frame, pl.DataFrame)
        return frame

    def delete(self) -> None:
        """Delete the runs."""
        shutil.rmtree(self._folder)

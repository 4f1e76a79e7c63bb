"""Tables and arrays that are written part by part and mapped back whole.

Contract
--------
- Memory holds one part while it is written, and nothing of a mapped table but what is touched: its pages
  belong to the file, which may be moved or deleted meanwhile.
- A table is one Arrow IPC file of a single record batch, uncompressed: one chunk, whatever the parts were.
  Texts are string views in buffers of at most a gigabyte, as Polars holds them, so nothing is converted.
- An array is one ``.npy`` file.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow
from numpy.typing import NDArray

from embedder.text_buffer import TextBuffer

pa: Any = pyarrow  # Arrow ships no types

# What is converted in one go: bytes of text, and rows.
_PIECE_BYTES = 64 << 20
_PIECE_ROWS = 1 << 17
# A text of more bytes lies in a data buffer; a shorter one in its view. Arrow Columnar Format 1.4.
_INLINE_BYTES = 12
# A view reaches two gigabytes into its buffer; a record is at most 64 MiB.
_BUFFER_BYTES = 1 << 30


class GrowingArray:
    """A one-dimensional ``.npy`` file that grows at its end."""

    def __init__(self, path: Path, dtype: type[np.generic] | np.dtype[Any]) -> None:
        self.path, self.size = path, 0
        self._dtype = np.dtype(dtype)
        self._file = path.open("wb")
        self._write_header()

    def append(self, values: NDArray[Any]) -> None:
        """Write values, converted to the array's type, after those written."""
        self._file.write(np.ascontiguousarray(values, self._dtype).data.cast("B"))
        self.size += len(values)

    def close(self) -> NDArray[Any]:
        """Finish the file and map it."""
        self._file.seek(0)
        self._write_header()  # NumPy leaves room in a header for more digits of the first axis
        self._file.close()
        return mapped_array(self.path)

    def _write_header(self) -> None:
        said = {"descr": self._dtype.str, "fortran_order": False, "shape": (self.size,)}
        np.lib.format.write_array_header_1_0(self._file, said)


class TextFiles:
    """Texts on their way to a mapped ``TextBuffer``: two arrays in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._data = GrowingArray(folder / f"{name}.npy", np.uint8)
        self._offsets = GrowingArray(folder / f"{name}_offsets.npy", np.int64)
        self._offsets.append(np.zeros(1, np.int64))

    def append(self, texts: TextBuffer) -> None:
        """Write texts after those written."""
        self._offsets.append(texts.offsets[1:] + self._data.size)
        self._data.append(texts.data)

    def close(self) -> TextBuffer:
        """Finish the files and map them."""
        return TextBuffer(self._data.close(), self._offsets.close())


class ColumnFiles:
    """A table on its way to one record batch: every buffer of it grows in a file of its own.

    Parameters
    ----------
    folder
        A folder of its own, created here and gone at the end.
    schema
        Columns of strings, numbers and times.
    """

    def __init__(self, folder: Path, schema: pl.Schema) -> None:
        folder.mkdir()
        self.n_rows = 0
        self._folder, self._schema = folder, schema
        kinds = {
            name: np.dtype(np.uint32) if kind == pl.String else _physical(kind)
            for name, kind in schema.items()
        }
        numbers = range(len(kinds))
        self._values = [GrowingArray(folder / f"{i}.npy", kinds[name]) for i, name in enumerate(kinds)]
        self._valid = [GrowingArray(folder / f"{i}v.npy", np.bool_) for i in numbers]
        self._texts = [GrowingArray(folder / f"{i}t.npy", np.uint8) for i in numbers]
        self._cuts: list[list[int]] = [[0] for _ in numbers]

    def append(self, frame: pl.DataFrame) -> None:
        """Write rows after those written; the columns are those of the schema, in its order and types."""
        if frame.schema != self._schema:
            raise ValueError(f"frame: columns {frame.schema}, expected {self._schema}")
        for piece in pieces(frame, _PIECE_BYTES):
            for i, column in enumerate(piece.iter_columns()):
                self._valid[i].append(column.is_not_null().to_numpy())
                if column.dtype == pl.String:
                    self._append_texts(i, column)
                else:
                    self._values[i].append(column.to_physical().fill_null(0).to_numpy())
            self.n_rows += piece.height

    def write(self, path: Path) -> None:
        """Put the batch together at a path, one buffer after the other, and drop the files."""
        schema = self._schema.to_frame().to_arrow(compat_level=pl.CompatLevel.newest()).schema
        columns = [self._column(i, kind) for i, kind in enumerate(schema.types)]
        batch = pa.RecordBatch.from_arrays(columns, schema=schema)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            writer.write_batch(batch)
        self.delete()

    def delete(self) -> None:
        """Drop what was written."""
        shutil.rmtree(self._folder)

    def _append_texts(self, i: int, column: pl.Series) -> None:
        texts, cuts = self._texts[i], self._cuts[i]
        packed = column.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
        _, views, *data = packed.cast(pa.string_view()).buffers()
        grown = sum(buffer.size for buffer in data)
        if texts.size - cuts[-1] + grown > _BUFFER_BYTES:
            cuts.append(texts.size)
        # length, first bytes, buffer, offset
        moved = np.frombuffer(views, np.uint32)[: 4 * len(column)].reshape(-1, 4).copy()
        apart = moved[:, 0] > _INLINE_BYTES
        moved[apart, 3] += np.uint32(texts.size - cuts[-1])
        moved[apart, 2] = len(cuts) - 1
        self._values[i].append(moved.ravel())
        for buffer in data:
            texts.append(np.frombuffer(buffer, np.uint8))

    def _column(self, i: int, kind: Any) -> Any:
        values, valid, texts = (arrays[i].close() for arrays in (self._values, self._valid, self._texts))
        n_nulls = self.n_rows - int(np.count_nonzero(valid))
        mask = pa.py_buffer(np.packbits(valid, bitorder="little")) if n_nulls else None
        ends = [*self._cuts[i][1:], len(texts)]
        data = (
            [texts[start:end] for start, end in zip(self._cuts[i], ends, strict=True)] if len(texts) else []
        )
        buffers = [mask, *(pa.py_buffer(part) for part in (values, *data))]
        return pa.Array.from_buffers(kind, self.n_rows, buffers, null_count=n_nulls)


def write_frame(path: Path, frame: pl.DataFrame) -> None:
    """Write a table that is in memory, as ``ColumnFiles`` does by parts.

    Raises
    ------
    OSError
    """
    table = frame.rechunk().to_arrow(compat_level=pl.CompatLevel.newest())
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def mapped_frame(path: Path) -> pl.DataFrame:
    """Map a table that ``ColumnFiles`` or ``write_frame`` wrote: one chunk, no copy."""
    with pa.memory_map(str(path)) as source:  # Polars' own reader copies the views
        return pl.DataFrame(pa.ipc.open_file(source).read_all())


def mapped_array(path: Path) -> NDArray[Any]:
    """Map a ``.npy`` file: read-only, and its memory is the file's."""
    found = np.load(path, mmap_mode="r", allow_pickle=False)
    # An empty file's data cannot be mapped.
    return np.asarray(found if found.size else np.load(path, allow_pickle=False))


def mapped_texts(folder: Path, name: str) -> TextBuffer:
    """Map texts that ``TextFiles`` wrote."""
    return TextBuffer(mapped_array(folder / f"{name}.npy"), mapped_array(folder / f"{name}_offsets.npy"))


def pieces(frame: pl.DataFrame, most_bytes: int) -> Iterator[pl.DataFrame]:
    """Cut a frame, uncopied, so that no piece holds much more text than said, nor more than 131,072 rows."""
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    for rows in frame.iter_slices(_PIECE_ROWS):
        length = np.zeros(rows.height, np.int64)
        for name in texts:
            length += rows[name].str.len_bytes().fill_null(0).to_numpy()
        part = np.cumsum(length) // most_bytes
        ends = [0, *np.flatnonzero(np.diff(part)) + 1, rows.height]
        for start, end in pairwise(ends):
            yield rows.slice(int(start), int(end - start))


def own_memory(texts: pl.Series) -> pl.Series:
    """Copy texts: a selection of rows would keep the memory of all of them alive."""
    return pl.Series(texts.name, texts.to_arrow(compat_level=pl.CompatLevel.oldest()), dtype=pl.String)


def _physical(kind: pl.DataType) -> np.dtype[Any]:
    held: np.dtype[Any] = pl.Series([], dtype=kind).to_physical().to_numpy().dtype
    return held

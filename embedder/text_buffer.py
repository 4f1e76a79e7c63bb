"""Many texts as one UTF-8 buffer: no Python object per text, and as well in a mapped file as in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow
from numpy.typing import NDArray

from embedder.words import compiled

pa: Any = pyarrow  # Arrow ships no types
_BLOCK_BYTES = 64 << 20


@dataclass(frozen=True, eq=False)
class TextBuffer:
    """n texts: text i is ``data[offsets[i]:offsets[i + 1]]``, UTF-8.

    Attributes
    ----------
    data : (b,) uint8
    offsets : (n + 1,) int64, ascending from 0 to b
    """

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> str:
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)} texts")
        return self.data[self.offsets[row] : self.offsets[row + 1]].tobytes().decode()

    @property
    def longest(self) -> int:
        """Bytes of the longest text."""
        return int(self.lengths.max(initial=0))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Bytes of each text, (n,)."""
        return np.diff(self.offsets)

    def take(self, rows: NDArray[np.int64]) -> TextBuffer:
        """A copy of some texts, in the order of `rows`, (m,) in 0..n-1."""
        rows = np.asarray(rows, np.int64)
        offsets = np.concatenate([[0], np.cumsum(self._lengths_of(rows))]).astype(np.int64)
        data = np.empty(offsets[-1], np.uint8)
        _copy(self.data, self.offsets, rows, data, offsets)
        return TextBuffer(data, offsets)

    def parts(
        self, *, most_bytes: int | None = None, most_texts: int | None = None
    ) -> Iterator[tuple[slice, TextBuffer]]:
        """All texts, uncopied, 64 MiB or so many bytes (or one longer text) at a time: which, and they."""
        for rows in _parts(self.offsets[1:], self.offsets[0], most_bytes, most_texts):
            offsets = self.offsets[rows.start : rows.stop + 1]
            yield rows, TextBuffer(self.data[offsets[0] : offsets[-1]], offsets - offsets[0])

    def blocks(self, rows: NDArray[np.int64]) -> Iterator[tuple[slice, TextBuffer]]:
        """Some texts, copied, some 64 MiB (or one longer text) at a time: which of `rows`, and they."""
        for places in _parts(np.cumsum(self._lengths_of(rows)), 0):
            yield places, self.take(rows[places])

    def _lengths_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Bytes of some texts, (m,); a row before the first text would read another one's bytes."""
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(self):
            raise IndexError(f"rows {rows.min()} to {rows.max()} of {len(self)} texts")
        return self.offsets[rows + 1] - self.offsets[rows]

    def to_series(self) -> pl.Series:
        """The texts as a String series."""
        buffers = [pa.py_buffer(np.ascontiguousarray(part)) for part in (self.offsets, self.data)]
        return pl.Series(pa.LargeStringArray.from_buffers(len(self), *buffers), dtype=pl.String)

    def to_list(self) -> list[str]:
        """The texts as Python strings."""
        return self.to_series().to_list()


def to_buffer(texts: pl.Series) -> TextBuffer:
    """Texts of a String series; of one chunk that Arrow holds, the very memory."""
    array = texts.to_arrow().cast(pa.large_string())
    if len(array) == 0:
        return TextBuffer(np.zeros(0, np.uint8), np.zeros(1, np.int64))
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    held = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    return TextBuffer(held[ends[0] : ends[-1]], ends - ends[0])


def concatenated(parts: Sequence[TextBuffer]) -> TextBuffer:
    """The texts of some buffers, one after another."""
    lengths = [part.lengths for part in parts]
    offsets = np.concatenate([np.zeros(1, np.int64), *lengths]).cumsum()
    return TextBuffer(np.concatenate([np.zeros(0, np.uint8), *(part.data for part in parts)]), offsets)


def _parts(
    ends: NDArray[np.int64], before: int, most_bytes: int | None = None, most_texts: int | None = None
) -> Iterator[slice]:
    """Cut n texts, which end at the bytes `ends`, into parts of the block size or one text."""
    size, start = most_bytes or _BLOCK_BYTES, 0
    while start < len(ends):
        stop = max(start + 1, int(np.searchsorted(ends, before + size, side="right")))
        stop = min(stop, start + (most_texts or len(ends)))
        yield slice(start, stop)
        start, before = stop, ends[stop - 1]


@compiled
def _copy(data, offsets, rows, out, ends):  # type: ignore[no-untyped-def]
    for i in range(rows.shape[0]):
        start = offsets[rows[i]]
        for j in range(ends[i + 1] - ends[i]):
            out[ends[i] + j] = data[start + j]

"""Checks of what a caller hands in: unit vectors and ids."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.vectors import Vectors, row_blocks, widened

_LENGTH_TOLERANCE = 1e-2


def checked_vectors(vectors: NDArray[Any], *, name: str, dim: int | None = None) -> Vectors:
    """The vectors, C-contiguous, of shape (n, dim): float16 stays as it is, all else becomes float32.

    Raises
    ------
    ValueError
        Not two-dimensional, another `dim`, no column, not finite, or a row of a length that is neither 0 nor
        1.
    """
    half = np.asarray(vectors).dtype == np.float16
    kind: Any = np.float16 if half else np.float32
    rows: Vectors = np.ascontiguousarray(vectors, dtype=kind)
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise ValueError(f"{name}: shape {rows.shape}; give (n, dim), one row a vector")
    if dim is not None and rows.shape[1] != dim:
        raise ValueError(
            f"{name}: {rows.shape[1]} dimensions, the index has {dim}; use the encoder it was built with"
        )
    for block in row_blocks(len(rows)):
        _check_lengths(widened(rows[block]), name=name, start=block.start)
    return rows


def _check_lengths(rows: NDArray[np.float32], *, name: str, start: int) -> None:
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    if not np.isfinite(lengths).all():
        raise ValueError(f"{name}: row {start + int(np.argmin(np.isfinite(lengths)))} is not finite")
    wrong = (np.abs(lengths - 1) > _LENGTH_TOLERANCE) & (lengths > 0)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"{name}: row {start + row} has length {lengths[row]:.4g}; scale rows to length 1 (or zero)"
        )


def checked_ids(ids: NDArray[Any], *, n: int) -> NDArray[np.int64]:
    """The ids as int64 of shape (n,), unique and >= 0; ValueError otherwise."""
    found: NDArray[np.int64] = np.ascontiguousarray(ids, dtype=np.int64)
    if found.shape != (n,):
        raise ValueError(f"ids: shape {found.shape} for {n} vectors; give ({n},)")
    if n and found.min() < 0:
        raise ValueError(f"ids: {found.min()} is negative; -1 stands for a missing neighbour")
    distinct = len(np.unique(found))
    if distinct != n:
        raise ValueError(f"ids: {n - distinct} of {n} are repeated; give each vector its own")
    return found

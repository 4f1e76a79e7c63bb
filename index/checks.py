"""Checks of what a caller hands in: unit vectors and ids."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_LENGTH_TOLERANCE = 1e-2


def checked_vectors(vectors: NDArray[Any], *, name: str, dim: int | None = None) -> NDArray[np.float32]:
    """The vectors as C-contiguous float32 of shape (n, dim).

    Raises
    ------
    ValueError
        Not two-dimensional, another `dim`, no column, not finite, or a row of a length that is neither 0 nor
        1.
    """
    rows: NDArray[np.float32] = np.ascontiguousarray(vectors, dtype=np.float32)
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise ValueError(f"{name}: shape {rows.shape}; give (n, dim), one row a vector")
    if dim is not None and rows.shape[1] != dim:
        raise ValueError(
            f"{name}: {rows.shape[1]} dimensions, the index has {dim}; use the encoder it was built with"
        )
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    if not np.isfinite(lengths).all():
        raise ValueError(f"{name}: row {int(np.argmin(np.isfinite(lengths)))} is not finite")
    wrong = (np.abs(lengths - 1) > _LENGTH_TOLERANCE) & (lengths > 0)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(f"{name}: row {row} has length {lengths[row]:.4g}; scale rows to length 1 (or zero)")
    return rows


def checked_ids(ids: NDArray[Any], *, n: int) -> NDArray[np.int64]:
    """The ids as int64 of shape (n,), unique and >= 0; ValueError otherwise."""
    found: NDArray[np.int64] = np.ascontiguousarray(ids, dtype=np.int64)
    if found.shape != (n,):
        raise ValueError(f"ids: shape {found.shape} for {n} vectors; give ({n},)")
    if n and found.min() < 0:
        raise ValueError(f"ids: {found.min()} is negative; -1 stands for a missing neighbour")
    if len(np.unique(found)) != n:
        raise ValueError(f"ids: {n - len(np.unique(found))} of {n} are repeated; give each vector its own")
    return found

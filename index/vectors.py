"""Vectors of float32 or float16, in memory or mapped from a file: blocks of rows, and single dot products.

They are never copied whole: whoever needs numbers asks for some rows as float32. numba has no arithmetic of
float16, and NumPy converts it slowly: kernels read the bits and widen each number where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, TypeAlias, cast

import numpy as np
from numba.core.types import Float, float32, uint16
from numba.extending import intrinsic
from numpy.typing import NDArray

from index.compiled import compiled

Vectors: TypeAlias = NDArray[np.float32] | NDArray[np.float16]

_BLOCK_ROWS = 16_384  # 16 MB of float32 at 256 dimensions
_ir: Any = import_module("llvmlite.ir")  # what numba generates


def _widened(_context: Any, number: Any) -> Any:
    """A float32 is itself; the bits of a float16 become float32, exactly, eight in one instruction."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        if isinstance(number, Float):
            return arguments[0]
        return builder.fpext(builder.bitcast(arguments[0], _ir.HalfType()), _ir.FloatType())

    return float32(float32 if isinstance(number, Float) else uint16), generate


_value = cast("Callable[[Any], np.float32]", intrinsic(_widened))


def row_blocks(n: int) -> Iterator[slice]:
    """Consecutive slices of at most 16,384 rows that cover n."""
    for start in range(0, n, _BLOCK_ROWS):
        yield slice(start, min(start + _BLOCK_ROWS, n))


def bits(vectors: Vectors) -> NDArray[Any]:
    """The array as a kernel reads it: float16 as uint16. Nothing is copied."""
    return np.asarray(vectors).view(np.uint16) if vectors.dtype == np.float16 else np.asarray(vectors)


@compiled(fastmath={"reassoc", "contract"})
def dot(a: NDArray[Any], b: NDArray[Any]) -> np.float32:
    """Inner product of two rows of `bits`."""
    total = np.float32(0)
    for i in range(a.shape[0]):
        total += _value(a[i]) * _value(b[i])
    return total


@compiled()
def _gather(vectors: NDArray[Any], rows: NDArray[Any], out: NDArray[np.float32]) -> None:
    for place in range(rows.shape[0]):
        row = rows[place]
        for i in range(vectors.shape[1]):
            out[place, i] = _value(vectors[row, i])


def gathered(vectors: Vectors, rows: NDArray[Any]) -> NDArray[np.float32]:
    """The given rows as float32, shape (m, dim), which is what FAISS and a matrix product read."""
    out = np.empty((len(rows), vectors.shape[1]), dtype=np.float32)
    _gather(bits(vectors), rows, out)
    return out


def widened(vectors: Vectors) -> NDArray[np.float32]:
    """All of the given rows as C-contiguous float32; no copy where they are."""
    if vectors.dtype == np.float32 and vectors.flags.c_contiguous:
        return cast("NDArray[np.float32]", vectors)
    return gathered(vectors, np.arange(len(vectors)))

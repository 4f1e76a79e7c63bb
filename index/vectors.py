"""Vectors of float32 or float16, in memory or mapped from a file: blocks of rows, and single dot products.

They are never copied whole: whoever needs numbers asks for some rows as float32. numba has no arithmetic of
float16, and NumPy converts it slowly: kernels read the bits and widen each number where it is used, in
integer arithmetic that any processor has and that is vectorised. (The conversion of LLVM itself ends the
process on processors without an instruction for it.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias, cast

import numpy as np
from numba.core.types import Float
from numba.extending import overload
from numpy.typing import NDArray

from index.compiled import compiled

Vectors: TypeAlias = NDArray[np.float32] | NDArray[np.float16]

_BLOCK_ROWS = 16_384  # 16 MB of float32 at 256 dimensions
_SIGN_AND_REST = np.int32(-0x70000001)  # all but the three bits below the sign
_OTHER_BIAS = np.float32(2.0**112)  # exponents count from -127 in float32, from -15 in float16


@compiled()
def _of_half(number: np.uint16) -> np.float32:
    """The value of a float16's bits: the exponent and fraction move by 13 bits, the sign stays the first.

    Exact for all but infinities and NaN, subnormal numbers included.
    """
    moved = np.int32((np.int32(np.int16(number)) << 13) & _SIGN_AND_REST)
    value: np.float32 = moved.view(np.float32) * _OTHER_BIAS
    return value


def _value(number: Any) -> np.float32:
    """A float32 itself, or the value of a float16's bits; for kernels."""
    raise NotImplementedError


@overload(_value, strict=False)
def _widened(number: Any) -> Callable[[Any], np.float32]:
    if isinstance(number, Float):
        return lambda number: number
    return lambda number: _of_half(number)


def row_blocks(n: int) -> Iterator[slice]:
    """Consecutive slices of at most 16,384 rows that cover n."""
    for start in range(0, n, _BLOCK_ROWS):
        yield slice(start, min(start + _BLOCK_ROWS, n))


def bits(vectors: Vectors) -> NDArray[Any]:
    """The array as a kernel reads it: float16 as uint16. Nothing is copied."""
    return np.asarray(vectors).view(np.uint16) if vectors.dtype == np.float16 else np.asarray(vectors)


@compiled(fastmath={"reassoc", "contract"})
def dot(a: NDArray[np.float32], b: NDArray[Any]) -> np.float32:
    """Inner product of a row of float32 and one of `bits`.

    Not of two rows of bits: fastmath reaches into `_of_half`, and two factors of 2^112 at once are infinite.
    """
    total = np.float32(0)
    for i in range(a.shape[0]):
        total += a[i] * _value(b[i])
    return total


@compiled()
def widen(row: NDArray[Any], out: NDArray[np.float32]) -> None:
    """Write a row of `bits` as float32."""
    for i in range(row.shape[0]):
        out[i] = _value(row[i])


@compiled()
def _gather(vectors: NDArray[Any], rows: NDArray[Any], out: NDArray[np.float32]) -> None:
    for place in range(rows.shape[0]):
        widen(vectors[rows[place]], out[place])


def gathered(vectors: Vectors, rows: NDArray[Any]) -> NDArray[np.float32]:
    """The given rows as float32, shape (m, dim), which is what FAISS and a matrix product read."""
    out = np.empty((len(rows), vectors.shape[1]), dtype=np.float32)
    _gather(bits(vectors), rows, out)
    return out


@compiled()
def _measure(vectors: NDArray[Any], out: NDArray[np.float32]) -> None:
    row = np.empty(vectors.shape[1], dtype=np.float32)
    for place in range(vectors.shape[0]):
        widen(vectors[place], row)
        out[place] = np.sqrt(dot(row, row))


def lengths_of(vectors: Vectors) -> NDArray[np.float32]:
    """Length of each row, (n,)."""
    out = np.empty(len(vectors), dtype=np.float32)
    _measure(bits(vectors), out)
    return out


def widened(vectors: Vectors) -> NDArray[np.float32]:
    """All of the given rows as C-contiguous float32; no copy where they are."""
    if vectors.dtype == np.float32 and vectors.flags.c_contiguous:
        return cast("NDArray[np.float32]", vectors)
    return gathered(vectors, np.arange(len(vectors)))

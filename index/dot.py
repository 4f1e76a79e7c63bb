"""Dot products of single pairs, of float32 or float16, in one fixed order of additions.

numba has no arithmetic of float16: kernels read such vectors as their bits, and widen each where it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, cast

import numpy as np
from numba.core.types import Float, float32, uint16
from numba.extending import intrinsic
from numpy.typing import NDArray

from index.checks import Vectors
from index.compiled import compiled

_ir: Any = import_module("llvmlite.ir")  # what numba generates


def _widened(_context: Any, number: Any) -> Any:
    """A float32 is itself; the bits of a float16 become float32, exactly, eight in one instruction."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        if isinstance(number, Float):
            return arguments[0]
        return builder.fpext(builder.bitcast(arguments[0], _ir.HalfType()), _ir.FloatType())

    return float32(float32 if isinstance(number, Float) else uint16), generate


_value = cast("Callable[[Any], np.float32]", intrinsic(_widened))


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

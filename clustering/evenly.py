"""A sample without chance: some of many, evenly spread over their order."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


def evenly(rows: NDArray[Scalar], n: int) -> NDArray[Scalar]:
    """At most n of the rows, evenly spread over their order, both ends among them."""
    if len(rows) <= n:
        return rows
    return rows[np.linspace(0, len(rows) - 1, n).astype(np.int64)]

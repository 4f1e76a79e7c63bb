"""What the kNN graph takes from an index: which vectors lie together. The vectors themselves may then go."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.list_search import Lists
from index.recall import Truth


@dataclass(frozen=True)
class Cells:
    """The cells of an inverted file; one cell for a flat index.

    Attributes
    ----------
    dim
        Of the vectors.
    lists
        Rows of the vectors in each cell.
    centroids
        Shape (n_lists, dim), unit rows; None for a flat index.
    n_probes
        Cells that a search looks into.
    truth
        True neighbours of a sample; None for a flat index, and for one that was loaded.
    """

    dim: int
    lists: Lists
    centroids: NDArray[np.float32] | None
    n_probes: int
    truth: Truth | None

    def __len__(self) -> int:
        return len(self.lists.members)

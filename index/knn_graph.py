"""The kNN graph: for each vector its k nearest others.

Contract: distances are exact for the neighbours found, and found neighbours are the true ones when the index
is flat, else a measured share of them. A vector is never its own neighbour, even among duplicates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.checks import Vectors, checked_vectors
from index.faiss_engine import SPARE
from index.list_search import candidates_by_list
from index.ranking import rank_candidates
from index.vector_index import VectorIndex, build_index


@dataclass(frozen=True)
class KnnGraph:
    """The k nearest neighbours of n vectors.

    Attributes
    ----------
    indices
        Shape (n, k), int32: rows of the neighbours, ascending by (distance, row), -1 where there are fewer
        than k.
    distances
        Shape (n, k), float32: cosine distances in [0, 2], multiples of 1e-6, infinite where there is no
        neighbour.
    recall
        Measured recall@k of the index: 1 when it is exact.
    """

    indices: NDArray[np.int32]
    distances: NDArray[np.float32]
    recall: float


def knn_graph(
    vectors: Vectors,
    k: int,
    *,
    index: VectorIndex | None = None,
    seed: int = 0,
    threads: int | None = None,
    recall_target: float = 0.95,
    on_progress: Callable[[int, int], None] | None = None,
) -> KnnGraph:
    """The kNN graph of the rows of `vectors`.

    Parameters
    ----------
    vectors
        Shape (n, dim), n < 2^31, float32 or float16, in memory or mapped from a file: unit rows or zero
        rows; a zero row has distance 1 to all.
    k
        At least 1; may exceed n - 1.
    index
        An index that holds exactly these vectors under their row numbers; None builds one.
    seed, threads, recall_target
        See `build_index`.
    on_progress
        Called with the number of rows done, and n: after each eighth, or 32,768 rows.

    Returns
    -------
    The same graph for the same arguments on one machine; given the index, whatever the number of threads (the
    k-means of a large index may round otherwise with another number). Exact up to 10,000 vectors. Memory
    beside the vectors and the index: 8 bytes times n k. Where more vectors tie at the k-th distance than
    fit, the smallest rows among those looked at are kept.

    Raises
    ------
    ValueError
        `vectors` are not unit or zero rows, `index` does not hold them, or a number is out of its range.
    """
    vectors = checked_vectors(vectors, name="vectors")
    n = len(vectors)
    if k < 1:
        raise ValueError(f"k={k}: give at least 1")
    if index is None:
        index = build_index(vectors, k=k, seed=seed, threads=threads, recall_target=recall_target)
    elif (index.dim, len(index)) != (vectors.shape[1], n) or not np.array_equal(index.ids, np.arange(n)):
        raise ValueError(
            f"index: it holds {len(index)} vectors; it must hold the {n} given ones under 0..{n - 1}"
        )
    indices = np.full((n, k), -1, dtype=np.int32)
    distances = np.full((n, k), np.inf, dtype=np.float32)

    def rank(rows: slice, found: NDArray[np.int64]) -> None:
        own = np.arange(rows.start, rows.stop)
        indices[rows], distances[rows] = rank_candidates(vectors[rows], vectors, found, k=k, excluded=own)

    n_candidates = min(n, k + 1 + SPARE)
    for rows in candidates_by_list(
        index.engine, vectors, n_candidates=n_candidates, threads=threads, on_part=rank
    ):
        if on_progress is not None:
            on_progress(rows.stop, n)
    return KnnGraph(indices=indices, distances=distances, recall=index.recall)

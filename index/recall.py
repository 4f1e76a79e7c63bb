"""How much of the truth is found: some rows' true neighbours, and the effort that finds enough of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from index.faiss_engine import SPARE
from index.ranking import rank_candidates
from index.threads import blas_threads, faiss_threads
from index.vectors import Vectors, gathered, row_blocks, widened

_SAMPLE = 400  # rows whose recall is measured


@dataclass(frozen=True)
class Truth:
    """The true neighbours of a sample of m rows.

    Attributes
    ----------
    rows
        Shape (m,), ascending.
    near
        Shape (m, k + 4): their nearest others, nearest first.
    distances
        Shape (m, k + 4).
    k
        Neighbours that count.
    """

    rows: NDArray[np.int64]
    near: NDArray[np.int64]
    distances: NDArray[np.float32]
    k: int

    @property
    def reach(self) -> NDArray[np.float32]:
        """Distance of the k-th, shape (m, 1): no farther counts as found, so a tie is not held against it."""
        return self.distances[:, self.k - 1 : self.k]

    def recall(self, distances: NDArray[np.float32]) -> float:
        """Recall@k of a graph's distances, shape (n, k): the share of places filled with one near enough."""
        return float(np.mean(distances[self.rows, : self.k] <= self.reach))


def true_neighbours(vectors: Vectors, *, k: int, seed: int, threads: int | None) -> Truth:
    """The true k neighbours of 400 rows drawn with `seed`, by brute force over blocks of rows; 1 <= k < n."""
    n = len(vectors)
    rows = np.sort(np.random.default_rng(seed).choice(n, size=min(n, _SAMPLE), replace=False))
    queries = gathered(vectors, rows)
    n_candidates = min(n, k + 1 + SPARE)
    heap = faiss.ResultHeap(len(queries), n_candidates, keep_max=True)
    with faiss_threads(threads) as n_threads, blas_threads(n_threads):
        for block in row_blocks(n):
            part = widened(vectors[block])
            wanted = min(n_candidates, len(part))
            similarities, found = faiss.knn(queries, part, wanted, metric=faiss.METRIC_INNER_PRODUCT)
            heap.add_result(similarities, found + block.start)
    heap.finalize()
    near, distances = rank_candidates(queries, vectors, heap.I, k=n_candidates - 1, excluded=rows)
    return Truth(rows, near, distances, k)


def choose_effort(
    engine: Any, vectors: Vectors, numbers: NDArray[np.int32], *, truth: Truth, target: float
) -> float:
    """Let the engine probe the fewest lists that hold the wanted share of the true neighbours.

    Parameters
    ----------
    engine
        An inverted file that holds `vectors`.
    vectors
        Shape (n, dim).
    numbers
        Shape (n,): the list that each lies in.
    truth
        Of some of the vectors.
    target
        Wanted recall in (0, 1].

    Returns
    -------
    The recall@k at the chosen effort.
    """
    _, order = engine.quantizer.search(gathered(vectors, truth.rows), engine.nlist)
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.arange(engine.nlist)[None, :], axis=1)
    counts = (truth.near >= 0) & (truth.distances <= truth.reach)
    places = np.take_along_axis(place, numbers[truth.near].astype(np.int64), axis=1)
    firsts = np.sort(np.where(counts, places, engine.nlist), axis=1)[:, : truth.k]
    found_at = np.bincount(firsts[firsts < engine.nlist], minlength=engine.nlist)
    recalls = np.cumsum(found_at) / firsts.size
    engine.nprobe = min(int(np.searchsorted(recalls, target)) + 1, engine.nlist)
    return float(recalls[engine.nprobe - 1])

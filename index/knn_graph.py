"""The kNN graph: for each vector its k nearest others.

Contract: distances are exact for the neighbours found, and found neighbours are the true ones when the index
is flat, else a measured share of them. A vector is never its own neighbour, even among duplicates.

Each vector meets those of the few lists nearest to it, then its neighbours' neighbours, round by round, until
enough of a sample's true neighbours are found. A few lists and two rounds find what many lists would, at a
fraction of the distances, and the cost of a vector hardly grows with their number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.cells import Cells
from index.checks import checked_vectors
from index.coarse import Coarse, grouped, nearest_lists
from index.exploring import explore, listed_by, mark_new, meet
from index.faiss_engine import SPARE
from index.list_search import nearest_in_lists
from index.ranking import RESOLUTION
from index.recall import Truth, true_neighbours
from index.threads import share_out
from index.vector_index import build_index
from index.vectors import Vectors, bits, gathered, lengths_of

OnProgress = Callable[[str, int, int], object]
_FIRST_PROBES = 8
_SLACK = 10 * RESOLUTION  # a product may round otherwise than an exact distance
_LEAST_GAIN = 0.02  # of recall, for another round
_PART_ROWS = 32_768  # at most; and at least eight parts, for the threads, unless these are below 1,024 rows
_N_PARTS, _SMALLEST_PART = 8, 1_024


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
        Measured recall@k, on 400 rows: 1 when it is exact.
    """

    indices: NDArray[np.int32]
    distances: NDArray[np.float32]
    recall: float


def knn_graph(
    vectors: Vectors,
    k: int,
    *,
    cells: Cells | None = None,
    seed: int = 0,
    threads: int | None = None,
    recall_target: float = 0.95,
    on_progress: OnProgress = lambda what, done, total: None,
) -> KnnGraph:
    """The kNN graph of the rows of `vectors`.

    Parameters
    ----------
    vectors
        Shape (n, dim), n < 2^31, float32 or float16, in memory or mapped from a file: unit rows or zero
        rows; a zero row has distance 1 to all.
    k
        At least 1; may exceed n - 1.
    cells
        Of an index of exactly these vectors (`VectorIndex.cells`); None builds one.
    seed, threads, recall_target
        See `build_index`; the graph stops at the recall, or where the index' own effort and the rounds after
        it end.
    on_progress
        Told what is counted ("vectors compared", "vectors explored"), how many are done, and of how many; a
        pass begins anew.

    Returns
    -------
    The same graph for the same arguments on one machine; given the cells, whatever the number of threads (the
    k-means of a large index may round otherwise with another number). Exact up to 10,000 vectors. Memory
    beside the vectors: 16 bytes times n k, and 12 n; before that the index, where cells are not given. Where
    more vectors tie at the k-th distance than fit, the smallest rows among those looked at are kept.

    Raises
    ------
    ValueError
        `vectors` are not unit or zero rows, `cells` are of others by number or dimension, or a number is out
        of its range.
    """
    vectors = checked_vectors(vectors, name="vectors")
    n = len(vectors)
    if k < 1:
        raise ValueError(f"k={k}: give at least 1")
    if cells is None:
        index = build_index(vectors, k=k, seed=seed, threads=threads, recall_target=recall_target)
        cells = index.cells()
        del index  # it holds the vectors once more
    elif (cells.dim, len(cells)) != (vectors.shape[1], n):
        raise ValueError(
            f"cells: they hold {len(cells)} vectors of {cells.dim} dimensions; give those of an index of the "
            f"{n} of {vectors.shape[1]}"
        )
    search = _Search(vectors, k, cells=cells, seed=seed, threads=threads, on_progress=on_progress)
    recall = search.scan(range(1)) if cells.centroids is None else search.reach(recall_target)
    return KnnGraph(indices=search.indices, distances=search.distances, recall=recall)


class _Search:
    """A graph in the making; its rows are worked on in the order of their lists, so that they read alike."""

    def __init__(
        self,
        vectors: Vectors,
        k: int,
        *,
        cells: Cells,
        seed: int,
        threads: int | None,
        on_progress: OnProgress,
    ) -> None:
        n = len(vectors)
        self.vectors, self.k, self.threads, self.on_progress = vectors, k, threads, on_progress
        self.indices = np.full((n, k), -1, dtype=np.int32)
        self.distances = np.full((n, k), np.inf, dtype=np.float32)
        self._near = np.full_like(self.indices, -1)  # the graph before the last round of exploring, marked
        self.cells, self.lengths = cells, lengths_of(vectors)
        some = self.lengths[self.lengths > 0]
        self._shortest, self._longest = some.min(initial=1.0), some.max(initial=1.0)
        self.coarse: Coarse | None = None
        self.truth: Truth | None = None
        if cells.centroids is None:
            return
        self.coarse, wanted = grouped(cells.centroids, seed=seed), min(k, n - 1)
        is_known = cells.truth is not None and cells.truth.k == wanted
        self.truth = (
            cells.truth if is_known else true_neighbours(vectors, k=wanted, seed=seed, threads=threads)
        )

    def reach(self, target: float) -> float:
        """Probe and explore until the recall is reached, or there is nothing left to try; the recall."""
        probes = range(min(_FIRST_PROBES, self.cells.n_probes))
        while True:
            before, recall = -1.0, self.scan(probes)
            while recall < target and recall - before >= _LEAST_GAIN:
                before, recall = recall, self.explore()
            if recall >= target or probes.stop == self.cells.n_probes:
                return recall
            probes = range(probes.stop, min(2 * probes.stop, self.cells.n_probes))

    def scan(self, probes: range) -> float:
        """Each row meets the rows of the lists that are, by nearness to it, of these places; the recall."""
        n_candidates = min(len(self.vectors), self.k + 1 + SPARE)
        vectors = bits(self.vectors)

        def work(rows: NDArray[np.int32]) -> None:
            queries = gathered(self.vectors, rows)
            probed = (
                np.zeros((len(rows), 1), dtype=np.int32)
                if self.coarse is None
                else nearest_lists(self.coarse, queries, probes.stop)[:, probes.start :]
            )
            found = nearest_in_lists(
                queries,
                self.vectors,
                self.cells.lists,
                probed=probed,
                n_wanted=n_candidates,
                above=self._worth(rows),
            )
            meet(rows, found, vectors, self.lengths, self.indices, self.distances)

        return self._pass("vectors compared", work)

    def _worth(self, rows: NDArray[np.int32]) -> NDArray[np.float32]:
        """Inner products that a neighbour nearer than the farthest one of each row cannot fall below.

        An inner product is the cosine times both lengths, which are 1 but for a hundredth at most, or 0.
        """
        cosines = 1 - self.distances[rows, -1]
        others = np.where(cosines > 0, self._shortest, self._longest)
        own = np.maximum(self.lengths[rows], np.finfo(np.float32).tiny)  # of a zero row all are worth it
        return np.asarray(cosines * own * others - _SLACK, dtype=np.float32)

    def explore(self) -> float:
        """Each row meets its neighbours' neighbours; the recall."""
        mark_new(self._near, self.indices)
        near, back = self._near, listed_by(self._near, self.k)
        vectors, lengths = bits(self.vectors), self.lengths

        def work(rows: NDArray[np.int32]) -> None:
            explore(rows, vectors, lengths, near, back, self.indices, self.distances)

        return self._pass("vectors explored", work)

    def _pass(self, what: str, work: Callable[[NDArray[np.int32]], object]) -> float:
        """Do some work for all rows, part by part; the recall after it."""
        n, done = len(self.vectors), 0

        def count(rows: NDArray[np.int32]) -> None:
            nonlocal done
            done += len(rows)
            self.on_progress(what, done, n)

        share_out(work, self._parts(), threads=self.threads, on_part=count)
        return 1.0 if self.truth is None else self.truth.recall(self.distances)

    def _parts(self) -> Iterator[NDArray[np.int32]]:
        """Rows in the order of their lists, by parts that depend on nothing but their number."""
        rows = self.cells.lists.members
        size = min(_PART_ROWS, max(_SMALLEST_PART, -(-len(rows) // _N_PARTS)))
        for start in range(0, len(rows), size):
            yield rows[start : start + size]

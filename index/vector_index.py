"""An index of unit vectors under ids: search, add, remove, save, load.

Contract: ids are the caller's (int64, unique, >= 0). A search answers each query as if it were alone, and its
distances are exact for what was found, where the vectors are held as they are: an inverted file holds half
precision, as this package's encoders return it (others' distances are off by up to 1e-4 there), or one byte a
value (off by up to 0.01). On disk an index is two files:
``index.faiss``, and ``index.json`` with its kind, size, recall and the checksum of the other, written last.
Nothing is unpickled.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.cells import Cells
from index.checks import checked_ids, checked_vectors
from index.faiss_engine import SPARE, centroids_of, ids_of, is_flat, lists_of_engine, make_engine
from index.ranking import rank_candidates
from index.recall import Truth, choose_effort, true_neighbours
from index.storage import read_engine, write_engine
from index.threads import faiss_threads, one_by_one
from index.vectors import Vectors, gathered, row_blocks, widened

_SEARCH_ROWS = 1_024  # queries at a time: bounds the memory of the candidates' vectors to some 40 MB
_FEW_QUERIES = 32


class VectorIndex:
    """Vectors under ids. Get one from `build_index` or `load_index`.

    Attributes
    ----------
    recall
        recall@k as measured when the index was built; 1 for a flat index.
    """

    def __init__(
        self, engine: Any, ids: NDArray[np.int64], *, recall: float, truth: Truth | None = None
    ) -> None:
        self.engine = engine
        self.recall = recall
        self._truth = truth
        self._ids = np.sort(ids)

    @property
    def kind(self) -> str:
        """``"flat"`` (exact) or ``"ivf"`` (inverted file)."""
        return "flat" if is_flat(self.engine) else "ivf"

    @property
    def dim(self) -> int:
        """Number of dimensions."""
        return int(self.engine.d)

    @property
    def ids(self) -> NDArray[np.int64]:
        """The ids it holds, ascending."""
        return self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def search(
        self, queries: Vectors, k: int, *, threads: int | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The k nearest vectors of each query.

        Parameters
        ----------
        queries
            Shape (m, dim), unit rows or zero rows.
        k
            At least 1; may exceed the number of vectors.
        threads
            Threads of FAISS; None leaves its number as it is.

        Returns
        -------
        Ids, int64 of shape (m, k), -1 where there is none, and cosine distances, float32 in [0, 2], multiples
        of 1e-6, infinite where there is none. Ascending by (distance, id). A zero query or vector has
        distance 1 to all. A row depends on its query alone, not on the batch or the threads; where more
        vectors tie at the k-th distance than the search looked at, which of them are returned is FAISS's
        choice, but always the same.

        Raises
        ------
        ValueError
            `queries` of another dimension or not finite, `k` or `threads` below 1.
        """
        queries = widened(checked_vectors(queries, name="queries", dim=self.dim))
        if k < 1 or (threads is not None and threads < 1):
            raise ValueError(f"k={k}, threads={threads}: give at least 1 of each")
        ids = np.full((len(queries), k), -1, dtype=np.int64)
        distances = np.full((len(queries), k), np.inf, dtype=np.float32)
        n_candidates = min(len(self), k + max(2 * SPARE, k // 4))
        if n_candidates == 0:
            return ids, distances
        # Few queries are done sooner than a second thread wakes up.
        with faiss_threads(1 if len(queries) <= _FEW_QUERIES else threads) as n_threads, one_by_one():
            for start in range(0, len(queries), _SEARCH_ROWS):
                rows = slice(start, start + _SEARCH_ROWS)
                _, found, vectors = self.engine.search_and_reconstruct(queries[rows], n_candidates)
                places = np.arange(found.size).reshape(found.shape)
                ids[rows], distances[rows] = rank_candidates(
                    queries[rows],
                    vectors.reshape(-1, self.dim),
                    np.where(found >= 0, places, -1),
                    k=k,
                    ids=found,
                    threads=n_threads,
                )
        return ids, distances

    def add(self, vectors: Vectors, ids: NDArray[np.int64], *, threads: int | None = None) -> None:
        """Add vectors, shape (n, dim), under new ids, shape (n,).

        The kind stays as built: rebuild when the index has grown several times over.

        Raises
        ------
        ValueError
            Shapes do not fit, an id is negative, given twice or already there, or rows are not unit vectors.
        """
        vectors = checked_vectors(vectors, name="vectors", dim=self.dim)
        ids = checked_ids(ids, n=len(vectors))
        present = ids[np.isin(ids, self._ids)]
        if len(present):
            raise ValueError(
                f"ids: {present[0]} is already in the index ({len(present)} are); remove it first"
            )
        if len(ids) == 0:
            return
        with faiss_threads(threads):
            for rows in row_blocks(len(vectors)):
                self.engine.add_with_ids(widened(vectors[rows]), ids[rows])
        self._ids, self._truth = np.sort(np.concatenate([self._ids, ids])), None

    def remove(self, ids: NDArray[np.int64]) -> int:
        """Remove vectors by id; unknown ids are passed over. Returns how many were removed."""
        ids = np.unique(np.asarray(ids, dtype=np.int64))
        gone = ids[np.isin(ids, self._ids)]
        if len(gone):
            self.engine.remove_ids(gone)
            self._ids, self._truth = self._ids[~np.isin(self._ids, gone)], None
        return len(gone)

    def cells(self) -> Cells:
        """What `knn_graph` needs of it, without the vectors.

        Raises
        ------
        ValueError
            The ids are not 0..n-1, so they are no rows.
        """
        if not np.array_equal(self._ids, np.arange(len(self))):
            raise ValueError(f"ids: a graph is of rows, so they must be 0..{len(self) - 1}")
        flat = is_flat(self.engine)
        return Cells(
            dim=self.dim,
            lists=lists_of_engine(self.engine),
            centroids=None if flat else centroids_of(self.engine),
            n_probes=1 if flat else int(self.engine.nprobe),
            truth=self._truth,
        )

    def save(self, folder: Path) -> None:
        """Write ``index.faiss`` and ``index.json`` into `folder`, which is created when missing."""
        facts = {"kind": self.kind, "dim": self.dim, "n_vectors": len(self), "recall": self.recall}
        write_engine(folder, self.engine, facts)


def build_index(
    vectors: Vectors,
    *,
    ids: NDArray[np.int64] | None = None,
    k: int = 15,
    seed: int = 0,
    threads: int | None = None,
    recall_target: float = 0.95,
    bits: int = 16,
) -> VectorIndex:
    """Build an index: flat up to 10,000 vectors, else an inverted file with measured recall.

    Parameters
    ----------
    vectors
        Shape (n, dim), unit rows or zero rows, float32 or float16; may be mapped from a file, for only blocks
        of rows are copied.
    ids
        Shape (n,), unique and >= 0; by default the row numbers.
    k
        The neighbours for which recall is measured.
    seed
        Of k-means and of the sample. FAISS draws from generators of its own; none of the process is touched.
    threads
        Threads of FAISS; None leaves its number as it is.
    recall_target
        The effort of a search is raised until recall@k on 400 of the vectors reaches it; with 8 bits, until
        the lists looked into hold so many, and the recall reported is what a search makes of them.
    bits
        Of a value in an inverted file: 16, or 8 where memory is short.

    Returns
    -------
    The same index for the same arguments on one machine, with one number of threads. Memory: 4 bytes a value
    when flat, 2 or 1 as an inverted file.

    Raises
    ------
    ValueError
        `vectors` are not unit or zero rows, `ids` do not fit, or a number is out of its range.
    """
    vectors = checked_vectors(vectors, name="vectors")
    if not 0 < recall_target <= 1:
        raise ValueError(f"recall_target={recall_target}: give a number in (0, 1]")
    if bits not in (8, 16):
        raise ValueError(f"bits={bits}: give 8 or 16")
    ids = np.arange(len(vectors)) if ids is None else checked_ids(ids, n=len(vectors))
    with faiss_threads(threads):  # a wrong number is refused before the work
        engine, numbers = make_engine(vectors, ids, bits=bits, seed=seed, threads=threads)
    if is_flat(engine):
        return VectorIndex(engine, ids, recall=1.0)
    truth = true_neighbours(vectors, k=min(k, len(vectors) - 1), seed=seed, threads=threads)
    recall = choose_effort(engine, vectors, numbers, truth=truth, target=recall_target)
    in_order = np.array_equal(ids, np.arange(len(ids)))  # else the truth's rows are not its ids
    index = VectorIndex(engine, ids, recall=recall, truth=truth if in_order else None)
    if bits == 8:
        index.recall = _searched_recall(index, vectors, ids, truth=truth, threads=threads)
    return index


def _searched_recall(
    index: VectorIndex, vectors: Vectors, ids: NDArray[np.int64], *, truth: Truth, threads: int | None
) -> float:
    """Recall@k of searches for the rows of the truth: coarse values may put others before the neighbours."""
    queries = gathered(vectors, truth.rows)
    found, _ = index.search(queries, truth.k + 1, threads=threads)
    by_id = np.argsort(ids)
    places = np.searchsorted(ids, found, sorter=by_id)
    rows = np.where(found >= 0, by_id[np.minimum(places, len(ids) - 1)], -1)
    _, distances = rank_candidates(queries, vectors, rows, k=truth.k, excluded=truth.rows)
    return float(np.mean(distances <= truth.reach))


def load_index(folder: Path) -> VectorIndex:
    """Load an index that `VectorIndex.save` wrote.

    Raises
    ------
    ValueError
        A file is missing, damaged, of another format version, or does not fit the other.
    """
    engine, facts = read_engine(folder)
    index = VectorIndex(engine, ids_of(engine), recall=float(facts["recall"]))
    if (len(index), index.dim, index.kind) != (facts["n_vectors"], facts["dim"], facts["kind"]):
        raise ValueError(f"{folder}: index.json does not describe index.faiss; build the index again")
    return index

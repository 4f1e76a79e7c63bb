"""What is asked of FAISS: make an engine, choose its effort, and search it with a given number of threads.

Flat (exact, brute force) up to `FLAT_LIMIT` vectors; above, an inverted file over about 4 sqrt(n) lists whose
vectors are kept in half precision. The engine is always made by FAISS's factory, so that it owns its
quantizer: one that Python also owns, or that two indexes share, is freed twice when the interpreter exits.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from index.checks import Vectors, row_blocks, widened
from index.ranking import rank_candidates

FLAT_LIMIT = 10_000  # measured: brute force is exact and takes 2 s for the graph of so many (256 dimensions)
_LISTS_PER_ROOT = 4
_POINTS_PER_LIST = 32  # k-means sees at most so many vectors a list; more changed no recall
_ITERATIONS = 8
_SAMPLE = 400  # queries whose recall is measured
_FIRST_PROBES = 8
SPARE = 4  # candidates beyond those wanted: lengths are 1 within rounding, which reorders near ties
_FAISS_GLOBALS = threading.Lock()


@contextmanager
def faiss_threads(threads: int | None) -> Iterator[int]:
    """Let FAISS use so many threads (None: as it is), restore the number, yield the one in use."""
    if threads is not None and threads < 1:
        raise ValueError(f"threads={threads}: give at least 1, or None for all cores")
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads or before)
    try:
        yield threads or before
    finally:
        faiss.omp_set_num_threads(before)


@contextmanager
def one_by_one() -> Iterator[None]:
    """Let FAISS take each query alone, so that its batch cannot matter; slower than matrix products.

    The switch belongs to the whole process, hence the lock; it is restored.
    """
    with _FAISS_GLOBALS:
        before = faiss.cvar.distance_compute_blas_threshold
        faiss.cvar.distance_compute_blas_threshold = 2**31 - 1
        try:
            yield
        finally:
            faiss.cvar.distance_compute_blas_threshold = before


def n_lists(n: int) -> int:
    """Lists of the inverted file for n vectors, 0 for a flat engine."""
    return 0 if n <= FLAT_LIMIT else _LISTS_PER_ROOT * math.isqrt(n)


def make_engine(vectors: Vectors, *, seed: int) -> Any:
    """A trained, empty engine for inner products, made for about the given vectors.

    Deterministic for one seed, machine and number of threads: k-means starts from, and samples with, `seed`.
    """
    n, dim = vectors.shape
    lists = n_lists(n)
    if lists == 0:
        return faiss.index_factory(dim, "IDMap2,Flat", faiss.METRIC_INNER_PRODUCT)
    engine: Any = faiss.index_factory(dim, f"IVF{lists},SQfp16", faiss.METRIC_INNER_PRODUCT)
    engine.by_residual = False  # else half precision would not give back the vectors' own bytes
    engine.cp.seed = seed
    engine.cp.niter = _ITERATIONS
    engine.cp.spherical = True
    engine.cp.max_points_per_centroid = _POINTS_PER_LIST
    engine.cp.min_points_per_centroid = 1
    rows = np.random.default_rng(seed).choice(n, size=min(n, lists * _POINTS_PER_LIST), replace=False)
    engine.train(widened(vectors[np.sort(rows)]))
    return engine


def is_flat(engine: Any) -> bool:
    """Whether the engine finds the true neighbours."""
    return not hasattr(engine, "nprobe")


def ids_of(engine: Any) -> NDArray[np.int64]:
    """The ids an engine holds, in no order."""
    if is_flat(engine):
        held: NDArray[np.int64] = faiss.vector_to_array(engine.id_map).astype(np.int64)
        return held
    parts = [ids_of_list(engine, number) for number in range(engine.nlist)]
    return np.concatenate(parts)


def ids_of_list(engine: Any, number: int) -> NDArray[np.int64]:
    """The ids in one list of an inverted file."""
    size = engine.invlists.list_size(number)
    if size == 0:
        return np.empty(0, dtype=np.int64)
    held: NDArray[np.int64] = faiss.rev_swig_ptr(engine.invlists.get_ids(number), size).astype(np.int64)
    return held


def choose_effort(
    engine: Any, vectors: Vectors, ids: NDArray[np.int64], *, k: int, target: float, seed: int
) -> float:
    """Raise the number of probed lists until recall@k on a sample reaches the target.

    Parameters
    ----------
    engine
        Holds `vectors` under `ids`.
    vectors
        Shape (n, dim).
    ids
        Shape (n,).
    k
        Neighbours per query, the query itself not among them.
    target
        Wanted recall in (0, 1].
    seed
        Draws the sample of 400 queries.

    Returns
    -------
    The measured recall@k: of the true neighbours' places, the share that the engine fills with one no farther
    than the true k-th, so that a tie is not held against it. 1 for a flat engine, which has no effort to
    choose.
    """
    n = len(vectors)
    k = min(k, n - 1)
    if is_flat(engine) or k < 1:
        return 1.0
    rows = np.sort(np.random.default_rng(seed).choice(n, size=min(n, _SAMPLE), replace=False))
    n_candidates = min(n, k + 1 + SPARE)
    queries = widened(vectors[rows])
    true = _nearest(queries, vectors, n_candidates)
    _, reach = rank_candidates(queries, vectors, true, k=k, excluded=rows)
    by_id = np.argsort(ids)
    probes = _FIRST_PROBES
    while True:
        engine.nprobe = min(probes, engine.nlist)
        _, found = engine.search(queries, n_candidates)
        places = np.where(found >= 0, by_id[np.searchsorted(ids, found, sorter=by_id) % n], -1)
        _, distances = rank_candidates(queries, vectors, places, k=k, excluded=rows)
        recall = float(np.mean(distances <= reach[:, -1:]))
        if recall >= target or engine.nprobe == engine.nlist:
            return recall
        probes += max(probes // 4, 1)


def _nearest(queries: NDArray[np.float32], vectors: Vectors, k: int) -> NDArray[np.int64]:
    """Rows of the k vectors of largest inner product with each query, by brute force; shape (m, k)."""
    heap = faiss.ResultHeap(len(queries), k, keep_max=True)
    for rows in row_blocks(len(vectors)):
        block = widened(vectors[rows])
        similarities, found = faiss.knn(queries, block, min(k, len(block)), metric=faiss.METRIC_INNER_PRODUCT)
        heap.add_result(similarities, found + rows.start)
    heap.finalize()
    nearest: NDArray[np.int64] = heap.I
    return nearest

"""What is asked of FAISS: make an engine, fill it, and read what is in its lists.

Flat (exact, brute force) up to `FLAT_LIMIT` vectors; above, an inverted file over about 8 sqrt(n) lists whose
vectors are kept in half precision, or in one byte a value. The engine is always made by FAISS's factory, so
that it owns its quantizer: one that Python also owns, or that two indexes share, is freed twice when the
interpreter exits.
"""

from __future__ import annotations

import math
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from index.coarse import Coarse, grouped, nearest_lists, train_centroids
from index.list_search import Lists
from index.threads import blas_threads, faiss_threads, share_out
from index.vectors import Vectors, gathered, row_blocks, widened

FLAT_LIMIT = 10_000  # measured: brute force is exact and takes 2 s for the graph of so many (256 dimensions)
_LISTS_PER_ROOT = 8  # measured: with 4, the graph of half a million takes 57 CPU seconds instead of 52
_POINTS_PER_LIST = 16  # k-means sees at most so many vectors a list: 1 KB each of float32
_KINDS = {16: "SQfp16", 8: "SQ8"}  # by bits a value
SPARE = 4  # candidates beyond those wanted: lengths are 1 within rounding, which reorders near ties


def n_lists(n: int) -> int:
    """Lists of the inverted file for n vectors, 0 for a flat engine."""
    return 0 if n <= FLAT_LIMIT else _LISTS_PER_ROOT * math.isqrt(n)


def make_engine(
    vectors: Vectors, ids: NDArray[np.int64], *, bits: int, seed: int, threads: int | None
) -> tuple[Any, NDArray[np.int32]]:
    """An engine for inner products that holds the vectors, and the list of each; (n,) zeros when it is flat.

    Deterministic for one seed, machine and number of threads: k-means starts from, and samples with, `seed`.
    """
    n, dim = vectors.shape
    lists = n_lists(n)
    engine: Any
    if lists == 0:
        engine = faiss.index_factory(dim, "IDMap2,Flat", faiss.METRIC_INNER_PRODUCT)
        if n:
            engine.add_with_ids(widened(vectors), ids)
        return engine, np.zeros(n, dtype=np.int32)
    engine = faiss.index_factory(dim, f"IVF{lists},{_KINDS[bits]}", faiss.METRIC_INNER_PRODUCT)
    engine.by_residual = False  # else half precision would not give back the vectors' own bytes
    generator = np.random.default_rng(seed)
    drawn = np.sort(generator.choice(n, size=min(n, lists * _POINTS_PER_LIST), replace=False))
    with faiss_threads(threads), blas_threads(1):  # the products are small
        sample = gathered(vectors, drawn)
        centroids = train_centroids(sample, lists, seed=seed)
        engine.quantizer.add(centroids)
        engine.train(sample)  # only what a byte means in each dimension is left to learn
    numbers = _numbers(grouped(centroids, seed=seed), vectors, threads=threads)
    _fill(engine, vectors, ids, numbers, threads=threads)
    return engine, numbers


def _numbers(coarse: Coarse, vectors: Vectors, *, threads: int | None) -> NDArray[np.int32]:
    """The list of each vector."""
    numbers = np.empty(len(vectors), dtype=np.int32)

    def work(rows: slice) -> None:
        numbers[rows] = nearest_lists(coarse, widened(vectors[rows]), 1)[:, 0]

    share_out(work, row_blocks(len(vectors)), threads=threads)
    return numbers


def _fill(
    engine: Any,
    vectors: Vectors,
    ids: NDArray[np.int64],
    numbers: NDArray[np.int32],
    *,
    threads: int | None,
) -> None:
    """Put each vector into its list, with room made before: a list that grows takes up to twice its size."""
    for number, size in enumerate(np.bincount(numbers, minlength=engine.nlist)):
        engine.invlists.resize(number, int(size))
        engine.invlists.resize(number, 0)
    with faiss_threads(threads):
        for rows in row_blocks(len(vectors)):
            block, lists = widened(vectors[rows]), numbers[rows].astype(np.int64)
            arrays = (faiss.swig_ptr(array) for array in (block, ids[rows], lists))
            engine.add_core(len(block), *arrays)


def is_flat(engine: Any) -> bool:
    """Whether the engine finds the true neighbours."""
    return not hasattr(engine, "nprobe")


def centroids_of(engine: Any) -> NDArray[np.float32]:
    """The centroids of an inverted file, shape (n_lists, dim)."""
    found: NDArray[np.float32] = engine.quantizer.reconstruct_n(0, engine.nlist)
    return found


def ids_of(engine: Any) -> NDArray[np.int64]:
    """The ids an engine holds, in no order."""
    if is_flat(engine):
        held: NDArray[np.int64] = faiss.vector_to_array(engine.id_map).astype(np.int64)
        return held
    return np.concatenate([_ids_of_list(engine, number) for number in range(engine.nlist)])


def lists_of_engine(engine: Any) -> Lists:
    """The lists of an engine whose ids are row numbers; one list for a flat engine."""
    members = ids_of(engine).astype(np.int32)
    sizes = [len(members)] if is_flat(engine) else [engine.invlists.list_size(j) for j in range(engine.nlist)]
    return Lists(offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), members=members)


def _ids_of_list(engine: Any, number: int) -> NDArray[np.int64]:
    size = engine.invlists.list_size(number)
    if size == 0:
        return np.empty(0, dtype=np.int64)
    held: NDArray[np.int64] = faiss.rev_swig_ptr(engine.invlists.get_ids(number), size).astype(np.int64)
    return held

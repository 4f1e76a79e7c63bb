"""Threads: how many FAISS and BLAS take, and work shared out among ours. All settings are restored."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from typing import TypeVar

import faiss

_Part = TypeVar("_Part")
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


@contextmanager
def blas_threads(threads: int) -> Iterator[None]:
    """Let a matrix product take so many threads: beyond the idle cores they only wait, busily."""
    with import_module("threadpoolctl").threadpool_limits(limits=threads, user_api="blas"):
        yield


def share_out(
    work: Callable[[_Part], object],
    parts: Iterable[_Part],
    *,
    threads: int | None,
    on_part: Callable[[_Part], object] = lambda part: None,
) -> None:
    """Do the work of each part, in so many threads (None: as many as FAISS takes), one BLAS thread each.

    The parts must not depend on the number of threads; then the result does not either. `on_part` is told of
    each, in their order, once its work is done.
    """
    with (
        faiss_threads(threads) as n_threads,
        blas_threads(1),
        ThreadPoolExecutor(n_threads) as pool,
    ):
        parts = list(parts)
        for part, _ in zip(parts, pool.map(work, parts), strict=True):
            on_part(part)

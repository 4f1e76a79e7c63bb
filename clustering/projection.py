"""The map: UMAP of every family and a background sample, on their kNN graph.

In:  a family number per distinct prompt (-1 = background), and a function that gives rows their unit vectors.
Out: the mapped rows, their kNN graph and their plane coordinates. The same input, seed and versions give the
same bytes.

A map is for looking at, never evidence: distances between separate islands, and their sizes, mean nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index import KnnGraph, Vectors, knn_graph

MIN_LAYOUT_POINTS = 5  # below this a neighbour graph has no shape to lay out

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class ProjectionSettings:
    """How many prompts are mapped, and how UMAP lays them out.

    Parameters
    ----------
    max_points
        Most rows on the map.
    per_family
        Most rows of one family; lowered for all families together where `max_points` asks for it.
    background
        Most rows that belong to no family; never more than a third of `max_points`.
    n_neighbors, min_dist, n_epochs
        As in UMAP. 150 epochs lay out 10,000 points in about 4 s on one core.
    """

    max_points: int = 20_000
    per_family: int = 300
    background: int = 5_000
    n_neighbors: int = 15
    min_dist: float = 0.15
    n_epochs: int = 150


@dataclass(frozen=True)
class Projection:
    """Where the mapped prompts lie.

    Parameters
    ----------
    rows
        (m,) rows of the input, ascending.
    graph
        Their kNN graph, by place in ``rows``.
    xy
        (m, 2) coordinates, finite, centred on the origin.
    """

    rows: Ints
    graph: KnnGraph
    xy: Floats


def project(
    labels: Ints,
    embed_rows: Callable[[Ints], Vectors],
    *,
    seed: int,
    threads: int | None = None,
    settings: ProjectionSettings | None = None,
) -> Projection:
    """Map every family and a sample of the rest.

    Parameters
    ----------
    labels
        (n,) family number, -1 for none.
    embed_rows
        Unit vectors (m, d) of m rows; asked only for the mapped ones.
    seed
        Decides the sample and the layout. The layout runs on one thread: UMAP is not reproducible on more.
    threads
        Threads of the neighbour search.

    Raises
    ------
    ValueError
        When the settings are out of range.
    """
    settings = settings or ProjectionSettings()
    rows = choose_rows(labels, seed=seed, settings=settings)
    vectors = embed_rows(rows).astype(np.float32)
    graph = knn_graph(vectors, max(1, min(settings.n_neighbors, len(rows) - 1)), seed=seed, threads=threads)
    return Projection(rows, graph, lay_out(graph, vectors, seed=seed, settings=settings))


def choose_rows(labels: Ints, *, seed: int, settings: ProjectionSettings) -> Ints:
    """Rows to map: up to a cap of each family, and a background sample; ascending.

    Every family gets the same cap, the largest that fits the budget, so that a giant family does not
    push a small one off the map. More families than the budget has room for: the lowest numbers stay.
    """
    if min(settings.max_points, settings.per_family, settings.n_neighbors, settings.n_epochs) < 1:
        raise ValueError(
            f"max_points, per_family, n_neighbors and n_epochs must be at least 1; seen {settings}"
        )
    labels = np.asarray(labels, dtype=np.int64)
    keys = np.random.default_rng(seed).random(len(labels))
    order = np.lexsort((keys, labels))
    ranked = labels[order]
    sizes = np.bincount(ranked[ranked >= 0]) if (ranked >= 0).any() else np.zeros(0, np.int64)
    n_background = int((ranked < 0).sum())
    n_background = min(n_background, max(settings.background, 0), settings.max_points // 3)
    budget = settings.max_points - n_background
    cap = _fair_cap(sizes, budget=budget, most=settings.per_family)
    first = np.searchsorted(ranked, ranked, side="left")
    place = np.arange(len(ranked)) - first  # position of a row within its family, in random order
    families = np.flatnonzero((ranked >= 0) & (place < cap))[:budget]
    background = np.flatnonzero((ranked < 0) & (place < n_background))
    return np.sort(order[np.concatenate([families, background])]).astype(np.int64)


def _fair_cap(sizes: Ints, *, budget: int, most: int) -> int:
    """Largest cap in [1, most] whose capped sizes sum to at most the budget; 1 when none does."""
    low, high = 1, most
    while low < high:
        middle = (low + high + 1) // 2
        if int(np.minimum(sizes, middle).sum()) <= budget:
            low = middle
        else:
            high = middle - 1
    return low


def lay_out(graph: KnnGraph, vectors: Floats, *, seed: int, settings: ProjectionSettings) -> Floats:
    """Plane coordinates of a kNN graph's nodes: UMAP started from the first two principal components.

    The calls are those that ``UMAP(precomputed_knn=...)`` makes, in its order and with its random stream
    (McInnes, Healy, Melville 2018, algorithms 1 and 5), without the estimator's warning that such a
    model cannot transform. A spectral start is avoided: it is slow and fails on a disconnected graph.

    Returns
    -------
    (m, 2) float32, centred. Fewer than five nodes are set on a circle.
    """
    m = len(vectors)
    if m < MIN_LAYOUT_POINTS:
        return _circle(m)
    from umap.umap_ import find_ab_params, fuzzy_simplicial_set, simplicial_set_embedding

    state = np.random.RandomState(seed)  # the type that UMAP asks for; not the global one
    indices, distances = _with_self(graph, settings.n_neighbors)
    fuzzy, _, _ = fuzzy_simplicial_set(  # type: ignore[no-untyped-call]
        vectors, indices.shape[1], state, "cosine", knn_indices=indices, knn_dists=distances
    )
    a, b = find_ab_params(1.0, settings.min_dist)  # type: ignore[no-untyped-call]
    xy, _ = simplicial_set_embedding(  # type: ignore[no-untyped-call]
        vectors,
        fuzzy,
        n_components=2,
        initial_alpha=1.0,
        a=a,
        b=b,
        gamma=1.0,
        negative_sample_rate=5,
        n_epochs=settings.n_epochs,
        init=_principal_plane(vectors, seed=seed),
        random_state=state,
        metric="cosine",
        metric_kwds={},
        densmap=False,
        densmap_kwds={},
        output_dens=False,
    )
    return np.ascontiguousarray(xy - xy.mean(axis=0), dtype=np.float32)


def _circle(m: int) -> Floats:
    angles = 2 * np.pi * np.arange(m) / max(m, 1)
    xy: Floats = (np.column_stack([np.cos(angles), np.sin(angles)]) * (m > 1)).astype(np.float32)
    return xy


def _with_self(graph: KnnGraph, n_neighbors: int) -> tuple[NDArray[np.int32], Floats]:
    """UMAP's form of the graph: each node is its own first neighbour, missing ones lie at the farthest."""
    indices = np.asarray(graph.indices)[:, : n_neighbors - 1 if n_neighbors > 2 else 1]
    distances = np.asarray(graph.distances, dtype=np.float32)[:, : indices.shape[1]].copy()
    missing = indices < 0
    distances[missing] = 0
    distances = np.where(missing, distances.max(axis=1, keepdims=True, initial=0), distances)
    m = len(indices)
    own = np.arange(m, dtype=np.int32)[:, None]
    zeros = np.zeros((m, 1), np.float32)
    return np.hstack([own, indices.astype(np.int32)]), np.hstack([zeros, distances.astype(np.float32)])


def _principal_plane(vectors: Floats, *, seed: int) -> Floats:
    """First two principal components, scaled to [-10, 10], with a seeded jitter that parts identical rows."""
    centred = np.asarray(vectors, dtype=np.float64)
    centred = centred - centred.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1][:, :2]
    if axes.shape[1] < 2:
        axes = np.column_stack([axes, np.zeros(len(axes))])
    peak = np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], axis=0)
    plane = centred @ (axes * np.where(peak < 0, -1.0, 1.0))  # an eigenvector's sign is arbitrary: fix it
    plane *= 10 / max(float(np.abs(plane).max()), 1e-12)
    jitter = np.random.default_rng(seed).normal(scale=0.05, size=plane.shape)
    start: Floats = (plane + jitter).astype(np.float32)
    return start

"""The map keeps families together, is the same each time, and survives every degenerate input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from clustering.projection import ProjectionSettings, _principal_plane, choose_rows, lay_out, project

SMALL = ProjectionSettings(n_epochs=50)


@dataclass(frozen=True)
class Graph:
    """A kNN graph by brute force."""

    indices: NDArray[np.int64]
    distances: NDArray[np.float32]


def exact_graph(vectors: NDArray[np.float32], k: int) -> Graph:
    """The k nearest rows by cosine distance, self removed; -1 and inf where there are fewer."""
    n = len(vectors)
    distances = np.maximum(1 - vectors.astype(np.float64) @ vectors.T.astype(np.float64), 0)
    np.fill_diagonal(distances, np.inf)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    found = np.take_along_axis(distances, order, axis=1)
    padded = np.full((n, k), -1, np.int64), np.full((n, k), np.inf, np.float32)
    padded[0][:, : order.shape[1]] = np.where(np.isinf(found), -1, order)
    padded[1][:, : found.shape[1]] = found
    return Graph(*padded)


def planted(
    sizes: list[int], *, n_noise: int, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Unit vectors around one centre per family, and noise anywhere."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.repeat(np.arange(len(sizes)), sizes), np.full(n_noise, -1)]).astype(np.int64)
    centres = rng.normal(size=(len(sizes), 32))
    vectors = rng.normal(size=(len(labels), 32))
    vectors[labels >= 0] = centres[labels[labels >= 0]] + 0.25 * vectors[labels >= 0]
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels


def rows_of(vectors: NDArray[np.float32]) -> Callable[[NDArray[np.int64]], NDArray[np.float32]]:
    """What gives rows their vectors."""
    return lambda rows: vectors[rows]


def test_the_graph_of_a_map_is_exact_and_by_place() -> None:
    vectors, labels = planted([40, 40], n_noise=40)
    settings = replace(SMALL, max_points=60, per_family=20, background=20)
    asked: list[NDArray[np.int64]] = []

    def embed_rows(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        asked.append(rows)
        return vectors[rows]

    found = project(labels, embed_rows, seed=0, settings=settings)
    assert [rows.tolist() for rows in asked] == [found.rows.tolist()]
    exact = exact_graph(vectors[found.rows], settings.n_neighbors)
    np.testing.assert_allclose(found.graph.distances, exact.distances, atol=1e-5)
    assert (found.graph.indices == exact.indices).mean() > 0.99


def test_layout_is_that_of_umap_with_the_same_graph() -> None:
    umap = pytest.importorskip("umap")
    vectors, _ = planted([40, 30, 30], n_noise=20)
    graph = exact_graph(vectors, 14)
    ours = lay_out(graph, vectors, seed=3, settings=SMALL)
    own = np.arange(len(vectors))[:, None]
    model = umap.UMAP(
        n_neighbors=15,
        min_dist=SMALL.min_dist,
        n_epochs=SMALL.n_epochs,
        metric="cosine",
        init=_principal_plane(vectors, seed=3),
        random_state=3,
        n_jobs=1,
        precomputed_knn=(
            np.hstack([own, graph.indices]),
            np.hstack([np.zeros((len(vectors), 1), np.float32), graph.distances]),
        ),
    )
    with pytest.warns(UserWarning, match="not an NNDescent"):
        theirs = model.fit_transform(vectors)
    np.testing.assert_allclose(ours, theirs - theirs.mean(axis=0), atol=1e-4)


def test_planted_families_stay_together() -> None:
    vectors, labels = planted([60, 60, 60, 60], n_noise=60)
    found = project(labels, rows_of(vectors), seed=0, settings=SMALL)
    assert found.rows.tolist() == list(range(300))
    xy, labels = found.xy, labels[found.rows]
    gaps = np.linalg.norm(xy[:, None] - xy[None], axis=2)
    np.fill_diagonal(gaps, np.inf)
    nearest = labels[gaps.argsort(axis=1)[:, :5]]
    assert (nearest == labels[:, None])[labels >= 0].mean() >= 0.97


def test_same_seed_same_bytes_other_seed_other_map() -> None:
    vectors, labels = planted([30, 30], n_noise=30)
    first, again = (project(labels, rows_of(vectors), seed=1, settings=SMALL) for _ in range(2))
    other = project(labels, rows_of(vectors), seed=2, settings=SMALL)
    assert first.xy.tobytes() == again.xy.tobytes()
    assert first.xy.tobytes() != other.xy.tobytes()
    assert first.xy.dtype == np.float32


def test_global_random_state_is_left_alone() -> None:
    vectors, labels = planted([30, 30], n_noise=5)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    project(labels, rows_of(vectors), seed=1, settings=SMALL)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_a_sample_is_laid_out_from_its_own_neighbours() -> None:
    vectors, labels = planted([80, 80], n_noise=100)
    settings = replace(SMALL, max_points=90, per_family=40, background=30)
    found = project(labels, rows_of(vectors), seed=0, threads=1, settings=settings)
    assert len(found.rows) == 90
    assert np.bincount(labels[found.rows] + 1).tolist() == [30, 30, 30]
    assert np.isfinite(found.xy).all()


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 6, 16])
def test_few_points(n: int) -> None:
    vectors, labels = planted([n], n_noise=0)
    found = project(labels, rows_of(vectors), seed=0, settings=SMALL)
    assert found.xy.shape == (n, 2)
    assert np.isfinite(found.xy).all()
    assert len(np.unique(found.xy, axis=0)) == n


@pytest.mark.parametrize("case", ["identical", "zero", "disconnected", "missing"])
def test_degenerate_graphs(case: str) -> None:
    vectors, labels = planted([25, 25], n_noise=0)
    if case == "identical":
        vectors[:] = vectors[0]
    if case == "zero":
        vectors[:] = 0
    if case == "disconnected":
        vectors[:25], vectors[25:] = np.eye(32)[0], np.eye(32)[1]
    graph = exact_graph(vectors, 8)
    if case == "missing":
        graph.indices[3], graph.distances[3] = -1, np.inf
        graph.indices[::2, 4:], graph.distances[::2, 4:] = -1, np.inf
    xy = lay_out(graph, vectors, seed=0, settings=SMALL)
    assert xy.shape == (50, 2)
    assert np.isfinite(xy).all()
    if case != "missing":
        assert np.isfinite(project(labels, rows_of(vectors), seed=0, settings=SMALL).xy).all()


@settings(max_examples=150, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 40), max_size=12),
    n_noise=st.integers(0, 80),
    max_points=st.integers(1, 120),
    per_family=st.integers(1, 50),
    background=st.integers(0, 50),
)
def test_chosen_rows_keep_every_limit(
    sizes: list[int], n_noise: int, max_points: int, per_family: int, background: int
) -> None:
    labels = np.concatenate([np.repeat(np.arange(len(sizes)), sizes), np.full(n_noise, -1)]).astype(np.int64)
    labels = np.random.default_rng(0).permutation(labels)
    chosen = ProjectionSettings(max_points=max_points, per_family=per_family, background=background)
    rows = choose_rows(labels, seed=0, settings=chosen)
    assert len(rows) <= max_points
    assert (np.diff(rows) > 0).all()
    counts = np.bincount(labels[rows] + 1, minlength=len(sizes) + 1)
    assert counts[0] == min(n_noise, background, max_points // 3)
    capped = np.minimum(sizes, counts[1:].max(initial=0))
    if len(sizes) <= max_points - counts[0]:
        assert counts[1:].tolist() == capped.tolist()  # one cap for all, and every family is there
        assert counts[1:].max(initial=0) <= per_family


def test_another_seed_samples_other_rows() -> None:
    labels = np.zeros(1_000, np.int64)
    chosen = ProjectionSettings(per_family=100)
    first, other = (choose_rows(labels, seed=seed, settings=chosen) for seed in (0, 1))
    assert len(first) == len(other) == 100
    assert first.tolist() != other.tolist()


def test_wrong_input_is_named() -> None:
    _, labels = planted([5], n_noise=0)
    with pytest.raises(ValueError, match="at least 1"):
        choose_rows(labels, seed=0, settings=ProjectionSettings(n_epochs=0))

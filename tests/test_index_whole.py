"""Index and graph together against brute force and FAISS's own search; one byte a value against two."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from index import Vectors, build_index, knn_graph, load_index

N, DIM, K = 20_000, 64, 10


def family_rows() -> NDArray[np.float16]:
    """Unit rows around 400 centres of unlike sizes, a tenth of them noise."""
    generator = np.random.default_rng(0)
    sizes = generator.dirichlet(np.full(400, 0.5))
    centres = generator.normal(size=(400, DIM))[generator.choice(400, N, p=sizes)]
    rows = centres + 0.7 * generator.normal(size=(N, DIM))
    rows[: N // 10] = generator.normal(size=(N // 10, DIM))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


ROWS = family_rows()


def reach(rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Distance of the true k-th neighbour of some rows, by brute force, shape (m, 1)."""
    wide = ROWS.astype(np.float32)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    similarities = wide[rows] @ wide.T
    similarities[np.arange(len(rows)), rows] = -2
    return 1 - -np.sort(-similarities, axis=1)[:, K - 1 : K]


@pytest.mark.slow
def test_the_recall_reported_is_the_true_one_and_faiss_finds_no_more() -> None:
    index = build_index(ROWS, k=K, recall_target=0.9)
    graph = knn_graph(ROWS, K, cells=index.cells(), recall_target=0.85)
    rows = np.arange(0, N, 7)
    near_enough = reach(rows) + 2e-6
    recall = np.mean(graph.distances[rows] <= near_enough)
    assert graph.recall >= 0.85
    assert abs(recall - graph.recall) < 0.03  # 400 rows: a standard error of about 0.01
    _, found = index.engine.search(ROWS[rows].astype(np.float32), K + 1)
    others = [row[row != own][:K] for row, own in zip(found, rows, strict=True)]
    wide = ROWS.astype(np.float64)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    theirs = np.mean(
        [
            np.sum(1 - wide[near] @ wide[own] <= limit)
            for near, own, limit in zip(others, rows, near_enough, strict=True)
        ]
    )
    assert abs(theirs / K - index.recall) < 0.03


@pytest.mark.slow
def test_one_byte_a_value_takes_half_the_room_and_its_error_is_bounded(tmp_path: Path) -> None:
    two, one = (build_index(ROWS, k=K, recall_target=0.9, bits=bits) for bits in (16, 8))
    for name, index in (("two", two), ("one", one)):
        index.save(tmp_path / name)
    sizes = [(tmp_path / name / "index.faiss").stat().st_size for name in ("two", "one")]
    assert sizes[0] - sizes[1] == pytest.approx(N * DIM, rel=0.02)
    queries: Vectors = ROWS[::50]
    ids, distances = one.search(queries, K)
    assert all(
        a.tobytes() == b.tobytes()
        for a, b in zip(load_index(tmp_path / "one").search(queries, K), (ids, distances), strict=True)
    )
    wide = ROWS.astype(np.float64)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    true = 1 - np.einsum("ikj,ij->ik", wide[ids], wide[::50])
    assert np.abs(distances - true).max() < 0.01
    assert np.mean(ids[:, 0] == np.arange(0, N, 50)) > 0.99
    assert 0.5 < one.recall < two.recall + 0.01
    rows = np.arange(0, N, 50)
    others, _ = one.search(queries, K + 1)
    kept = [row[row != own][:K] for row, own in zip(others, rows, strict=True)]
    limits = reach(rows) + 2e-6
    share = np.mean(
        [
            np.mean(1 - wide[near] @ wide[own] <= limit)
            for near, own, limit in zip(kept, rows, limits, strict=True)
        ]
    )
    assert abs(share - one.recall) < 0.04


@pytest.mark.slow
def test_the_graph_does_not_depend_on_the_bits() -> None:
    graphs = [
        knn_graph(
            ROWS, K, cells=build_index(ROWS, k=K, bits=bits, threads=1).cells(), recall_target=0.85, threads=1
        )
        for bits in (16, 8)
    ]
    assert graphs[0].indices.tobytes() == graphs[1].indices.tobytes()
    assert graphs[0].distances.tobytes() == graphs[1].distances.tobytes()


def test_other_bits_are_refused() -> None:
    with pytest.raises(ValueError, match="bits=4: give 8 or 16"):
        build_index(ROWS[:10], bits=4)


def test_faiss_is_told_what_bytes_mean_by_vectors_not_centroids() -> None:
    """Centroids of families lie nearer to each other than their members: bytes would end too early."""
    index = build_index(ROWS[:11_000], bits=8, k=K)
    lowest, span = faiss.vector_to_array(index.engine.sq.trained).reshape(2, DIM)
    rows = ROWS[:11_000].astype(np.float32)
    outside = np.mean((rows < lowest) | (rows > lowest + span))
    assert outside < 1e-3

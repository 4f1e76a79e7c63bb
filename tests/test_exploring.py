"""Rounds of exploring against the slow and obvious rounds, and the marks that spare them work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from index.exploring import explore, listed_by, mark_new, meet
from index.vectors import bits, dot, gathered

Graph = tuple[NDArray[np.int32], NDArray[np.float32]]


def random_graph(n: int, k: int, *, seed: int) -> tuple[NDArray[np.float32], Graph, NDArray[np.float64]]:
    """Unit rows, a graph of up to k true but far from nearest neighbours of each, and all distances."""
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(n, 6))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    true = np.round(np.clip(1 - rows.astype(float) @ rows.T.astype(float), 0, 2), 6)
    indices = np.full((n, k), -1, dtype=np.int32)
    distances = np.full((n, k), np.inf, dtype=np.float32)
    for row in range(n):
        size = int(generator.integers(0, min(k, n - 1) + 1))
        near = generator.choice(np.delete(np.arange(n), row), size=size, replace=False)
        near = near[np.lexsort((near, true[row, near]))]
        indices[row, :size], distances[row, :size] = near, true[row, near]
    return rows, (indices, distances), true


def slow_round(graph: Graph, true: NDArray[np.float64]) -> list[list[int]]:
    """Each row's nearest among its neighbours, theirs, and those that list them."""
    indices = graph[0]
    n, k = indices.shape
    listed = [set(row[row >= 0].tolist()) for row in indices]
    found = []
    for row in range(n):
        met = set(listed[row])
        for near in listed[row]:
            met |= listed[near] | {other for other in range(n) if near in listed[other]}
        found.append(sorted(met - {row}, key=lambda other: (true[row, other], other))[:k])
    return found


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 40), k=st.integers(1, 5), seed=st.integers(0, 10_000))
def test_marked_rounds_are_full_rounds(n: int, k: int, seed: int) -> None:
    """No list is cut (n_kept = n), so what the marks spare has no effect at all."""
    rows, (indices, distances), true = random_graph(n, k, seed=seed)
    near = np.full_like(indices, -1)
    everyone, lengths = np.arange(n, dtype=np.int32), np.ones(n, dtype=np.float32)
    for _ in range(4):
        expected = slow_round((indices.copy(), distances), true)
        mark_new(near, indices)
        explore(everyone, bits(rows), lengths, near, listed_by(near, n), indices, distances)
        for row in range(n):
            size = len(expected[row])
            assert np.all(indices[row, size:] == -1)
            np.testing.assert_allclose(distances[row, :size], true[row, expected[row]], atol=1.5e-6)
            np.testing.assert_allclose(true[row, indices[row, :size]], distances[row, :size], atol=1.5e-6)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(2, 40), k=st.integers(1, 5), c=st.integers(1, 12), seed=st.integers(0, 10_000))
def test_rows_meet_their_candidates_once(n: int, k: int, c: int, seed: int) -> None:
    """Candidates may be the row itself, what it lists, or missing; rows that are not asked stay."""
    rows, (indices, distances), true = random_graph(n, k, seed=seed)
    generator = np.random.default_rng(seed)
    asked = np.flatnonzero(generator.random(n) < 0.7).astype(np.int32)
    candidates = np.full((len(asked), c), -1, dtype=np.int32)
    for place in range(len(asked)):
        drawn = generator.choice(n, size=min(c, n), replace=False)
        candidates[place, : len(drawn)] = np.where(generator.random(len(drawn)) < 0.2, -1, drawn)
    before = indices.copy(), distances.copy()
    meet(asked, candidates, bits(rows), np.ones(n, dtype=np.float32), indices, distances)
    rest = np.setdiff1d(np.arange(n), asked)
    assert indices[rest].tobytes() == before[0][rest].tobytes()
    assert distances[rest].tobytes() == before[1][rest].tobytes()
    for place, row in enumerate(asked):
        met = (set(candidates[place].tolist()) | set(before[0][row].tolist())) - {-1, int(row)}
        expected = np.sort(true[row, sorted(met)])[:k]
        found = indices[row][indices[row] >= 0]
        assert len(found) == len(set(found.tolist())) == len(expected)
        np.testing.assert_allclose(distances[row, : len(expected)], expected, atol=1.5e-6)
        np.testing.assert_allclose(true[row, found], expected, atol=1.5e-6)


def test_marks_tell_new_edges_from_old() -> None:
    near = np.full((3, 3), -1, dtype=np.int32)
    mark_new(near, np.array([[1, 2, -1], [0, -1, -1], [-1, -1, -1]], dtype=np.int32))
    assert near.tolist() == [[-3, -4, -1], [-2, -1, -1], [-1, -1, -1]]
    mark_new(near, np.array([[2, 1, -1], [2, 0, -1], [0, -1, -1]], dtype=np.int32))
    assert near.tolist() == [[2, 1, -1], [-4, 0, -1], [-2, -1, -1]]
    assert listed_by(near, 2).tolist() == [[-4, 1], [0, -1], [0, -3]]


def test_every_half_is_widened_exactly() -> None:
    halves = np.arange(65_536, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)][None]
    found = gathered(halves, np.arange(1))
    assert found.tobytes() == halves.astype(np.float32).tobytes()


_PRODUCT = """
import numpy as np
from index.vectors import bits, dot
rows = np.random.default_rng(0).normal(size=(2, 256)).astype(np.float16)
print(float(dot(rows[0].astype(np.float32), bits(rows)[1])))
"""


@pytest.mark.slow
def test_a_plain_processor_gives_the_same_product(tmp_path: Path) -> None:
    """One without instructions for float16, which numba can be told to assume."""
    plain = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", _PRODUCT], env=os.environ | plain, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    rows = np.random.default_rng(0).normal(size=(2, 256)).astype(np.float16)
    assert float(done.stdout) == pytest.approx(rows[0].astype(float) @ rows[1].astype(float), abs=1e-4)
    assert float(dot(rows[0].astype(np.float32), bits(rows)[1])) == pytest.approx(
        float(done.stdout), abs=1e-4
    )

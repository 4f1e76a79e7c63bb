"""The index against brute force, its round trips, and that a query's answer is its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from index import VectorIndex, build_index, load_index
from index.faiss_engine import FLAT_LIMIT

Rows = NDArray[np.float32]
DIM = 24


def unit_rows(n: int, *, seed: int, dim: int = DIM, n_centres: int = 0) -> Rows:
    """Random unit rows in half precision, around centres where asked for."""
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(n, dim))
    if n_centres:
        rows = generator.normal(size=(n_centres, dim))[generator.integers(0, n_centres, n)] + 0.6 * rows
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float16).astype(np.float32)


def brute_force(vectors: Rows, queries: Rows, k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The slow and obvious neighbours: float64, sorted by (distance rounded to 1e-6, row)."""
    lengths = np.linalg.norm(vectors.astype(float), axis=1)
    ids = np.full((len(queries), k), -1)
    distances = np.full((len(queries), k), np.inf)
    for row, query in enumerate(queries.astype(float)):
        scale = lengths * np.linalg.norm(query)
        cosines = np.divide(vectors @ query, scale, out=np.zeros(len(vectors)), where=scale > 0)
        rounded = np.round(np.clip(1 - cosines, 0, 2), 6)
        order = np.lexsort((np.arange(len(vectors)), rounded))[:k]
        ids[row, : len(order)], distances[row, : len(order)] = order, rounded[order]
    return ids, distances


def check_search(ids: NDArray[np.int64], distances: NDArray[np.float32]) -> None:
    """Invariants of every search."""
    assert ids.dtype == np.int64
    assert distances.dtype == np.float32
    assert np.array_equal(ids < 0, np.isinf(distances))
    assert np.all(distances[:, 1:] >= distances[:, :-1])
    found = distances[ids >= 0]
    assert np.all((found >= 0) & (found <= 2))
    for row in ids:
        present = row[row >= 0]
        assert len(set(present.tolist())) == len(present)
    tied = (distances[:, 1:] == distances[:, :-1]) & (ids[:, 1:] >= 0)
    assert np.all(np.diff(ids, axis=1)[tied] > 0)


@pytest.fixture(scope="module")
def large() -> tuple[Rows, VectorIndex]:
    vectors = unit_rows(FLAT_LIMIT + 2_000, seed=1, n_centres=200)
    return vectors, build_index(vectors, k=10, seed=3, recall_target=0.97)


def test_flat_search_equals_brute_force() -> None:
    vectors, queries = unit_rows(700, seed=2), unit_rows(90, seed=3)
    index = build_index(vectors)
    assert (index.kind, index.recall, len(index), index.dim) == ("flat", 1.0, 700, DIM)
    ids, distances = index.search(queries, 12)
    true_ids, true_distances = brute_force(vectors, queries, 12)
    check_search(ids, distances)
    np.testing.assert_allclose(distances, true_distances, atol=1.5e-6)
    assert np.mean(ids == true_ids) > 0.999  # neighbours 1e-6 apart may change places


def test_large_index_reaches_the_recall_it_reports(large: tuple[Rows, VectorIndex]) -> None:
    vectors, index = large
    assert index.kind == "ivf"
    assert index.recall >= 0.97
    queries = vectors[5::97]
    ids, distances = index.search(queries, 11)
    check_search(ids, distances)
    true_ids, true_distances = brute_force(vectors, queries, 11)
    found = np.mean([len(np.intersect1d(a, b)) / 11 for a, b in zip(ids, true_ids, strict=True)])
    assert found >= 0.95
    assert np.all(distances >= true_distances - 1.5e-6)


def test_recall_is_measured_not_assumed(large: tuple[Rows, VectorIndex]) -> None:
    vectors, _ = large
    hard = build_index(unit_rows(FLAT_LIMIT + 1, seed=4, dim=48), k=10, recall_target=0.05)
    assert hard.recall < 0.9  # noise without clusters, few probes: an honest measure says so
    exact = build_index(vectors, k=10, recall_target=1.0)
    assert exact.recall == 1.0
    ids, _ = exact.search(vectors[:50], 5)
    assert np.mean(ids == brute_force(vectors, vectors[:50], 5)[0]) > 0.99


@pytest.mark.parametrize("threads", [1, 2])
def test_an_answer_does_not_depend_on_batch_or_threads(large: tuple[Rows, VectorIndex], threads: int) -> None:
    for vectors, index in (large, (flat := unit_rows(3_000, seed=5), build_index(flat))):
        queries = vectors[:120]
        ids, distances = index.search(queries, 9)
        again, again_distances = index.search(queries[::-1], 9, threads=threads)
        assert again[::-1].tobytes() == ids.tobytes()
        assert again_distances[::-1].tobytes() == distances.tobytes()
        for row in range(0, 120, 7):
            alone, alone_distances = index.search(queries[row : row + 1], 9)
            assert alone.tobytes() == ids[row].tobytes()
            assert alone_distances.tobytes() == distances[row].tobytes()


def test_ties_come_in_the_order_of_ids() -> None:
    vector = unit_rows(1, seed=6)
    vectors = np.repeat(vector, 6, axis=0)
    index = build_index(vectors, ids=np.array([40, 7, 99, 3, 12, 8]))
    ids, distances = index.search(vector, 4)
    assert ids.tolist() == [[3, 7, 8, 12]]
    assert distances.tolist() == [[0.0] * 4]


def test_many_duplicates_stay_deterministic() -> None:
    vectors = np.repeat(unit_rows(3, seed=7), 300, axis=0)
    index = build_index(vectors)
    ids, distances = index.search(vectors[:10], 20)
    check_search(ids, distances)
    assert np.all(distances == 0)
    assert all(row.tobytes() == ids[0].tobytes() for row in ids)


def test_zero_vectors_are_at_distance_one_of_all() -> None:
    vectors = np.vstack([unit_rows(4, seed=8), np.zeros((1, DIM), dtype=np.float32)])
    index = build_index(vectors)
    ids, distances = index.search(np.zeros((1, DIM), dtype=np.float32), 5)
    assert ids.tolist() == [[0, 1, 2, 3, 4]]
    assert distances.tolist() == [[1.0] * 5]
    ids, distances = index.search(vectors[:1], 5)
    assert distances[0, ids[0] == 4].tolist() == [1.0]


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_vectors_and_more_neighbours_than_there_are(n: int) -> None:
    vectors = unit_rows(n, seed=9)
    ids, distances = build_index(vectors).search(unit_rows(3, seed=10), 5)
    check_search(ids, distances)
    assert np.all((ids >= 0).sum(axis=1) == n)
    ids, distances = build_index(vectors).search(np.empty((0, DIM), dtype=np.float32), 5)
    assert ids.shape == distances.shape == (0, 5)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=12), st.integers(0, 5))
def test_adding_and_removing_equals_building(steps: list[tuple[bool, int]], seed: int) -> None:
    vectors, queries = unit_rows(31, seed=seed), unit_rows(4, seed=seed + 50)
    index, held = build_index(vectors[:0]), set[int]()
    for adding, number in steps:
        if adding and number not in held:
            index.add(vectors[number : number + 1], np.array([number]))
            held.add(number)
        elif not adding:
            assert index.remove(np.array([number])) == (number in held)
            held.discard(number)
    kept = np.array(sorted(held), dtype=np.int64)
    assert index.ids.tolist() == kept.tolist()
    built = build_index(vectors[kept], ids=kept)
    for one, other in zip(index.search(queries, 6), built.search(queries, 6), strict=True):
        assert one.tobytes() == other.tobytes()


def test_large_index_adds_and_removes(large: tuple[Rows, VectorIndex], tmp_path: Path) -> None:
    vectors, index = large
    index.save(tmp_path)
    copy = load_index(tmp_path)
    extra, number = unit_rows(1, seed=11), np.array([10**12])
    copy.add(extra, number)
    assert copy.search(extra, 1)[0].tolist() == [[10**12]]
    assert copy.remove(np.array([10**12, 10**13, 0])) == 2
    assert len(copy) == len(vectors) - 1
    assert 0 not in copy.search(vectors[:1], 10)[0]
    assert 10**12 not in copy.search(extra, 10)[0]


def test_saved_index_is_the_same(large: tuple[Rows, VectorIndex], tmp_path: Path) -> None:
    small = unit_rows(50, seed=12)
    built = build_index(small, ids=np.arange(50)[::-1] * 3)
    for name, (vectors, index) in {"large": large, "small": (small, built)}.items():
        index.save(tmp_path / name)
        loaded = load_index(tmp_path / name)
        assert (loaded.kind, loaded.recall, loaded.dim) == (index.kind, index.recall, index.dim)
        assert loaded.ids.tobytes() == index.ids.tobytes()
        for one, other in zip(loaded.search(vectors[:40], 8), index.search(vectors[:40], 8), strict=True):
            assert one.tobytes() == other.tobytes()


def test_the_same_build_gives_the_same_file(tmp_path: Path) -> None:
    vectors = unit_rows(FLAT_LIMIT + 500, seed=13, n_centres=50)
    for name in ("one", "two"):
        build_index(vectors, seed=5, threads=1).save(tmp_path / name)
    facts = [json.loads((tmp_path / name / "index.json").read_text()) for name in ("one", "two")]
    assert facts[0] == facts[1]


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"index\.json: missing or damaged"):
        load_index(tmp_path / "nowhere")
    build_index(unit_rows(30, seed=14)).save(tmp_path)
    facts = json.loads((tmp_path / "index.json").read_text())
    whole = (tmp_path / "index.faiss").read_bytes()
    (tmp_path / "index.faiss").write_bytes(whole[:-7])
    with pytest.raises(ValueError, match=r"index\.faiss: missing or damaged"):
        load_index(tmp_path)
    (tmp_path / "index.faiss").write_bytes(whole)
    for change, message in (
        ({"format": 9}, "format 9"),
        ({"n_vectors": 31}, "describe"),
        ({"dim": "x"}, "dim is 'x'"),
    ):
        (tmp_path / "index.json").write_text(json.dumps(facts | change))
        with pytest.raises(ValueError, match=message):
            load_index(tmp_path)


def test_errors_name_the_argument() -> None:
    vectors = unit_rows(10, seed=15)
    index = build_index(vectors)
    with pytest.raises(ValueError, match="row 3 has length 2"):
        build_index(vectors * np.where(np.arange(10) == 3, 2, 1)[:, None])
    with pytest.raises(ValueError, match="not finite"):
        build_index(np.full((2, 3), np.nan, dtype=np.float32))
    with pytest.raises(ValueError, match="5 dimensions, the index has 24"):
        index.search(unit_rows(1, seed=1, dim=5), 1)
    with pytest.raises(ValueError, match="k=0"):
        index.search(vectors, 0)
    with pytest.raises(ValueError, match="threads=0"):
        build_index(vectors, threads=0)
    with pytest.raises(ValueError, match="already in the index"):
        index.add(vectors[:1], np.array([4]))
    with pytest.raises(ValueError, match="repeated"):
        build_index(vectors, ids=np.zeros(10, dtype=np.int64))
    with pytest.raises(ValueError, match="negative"):
        build_index(vectors[:1], ids=np.array([-1]))
    with pytest.raises(ValueError, match="recall_target=0"):
        build_index(vectors, recall_target=0)


def test_global_settings_are_restored() -> None:
    before = faiss.omp_get_max_threads(), faiss.cvar.distance_compute_blas_threshold
    vectors = unit_rows(60, seed=16)
    index = build_index(vectors, threads=1)
    index.search(vectors, 3, threads=1)
    with pytest.raises(ValueError, match="threads=-1"):
        index.search(vectors, 3, threads=-1)
    assert (faiss.omp_get_max_threads(), faiss.cvar.distance_compute_blas_threshold) == before


def test_two_large_indexes_leave_quietly(tmp_path: Path) -> None:
    """A quantizer that two indexes own is freed twice when the interpreter exits."""
    code = f"""
import numpy as np
from pathlib import Path
from index import build_index, load_index
rows = np.random.default_rng(0).normal(size=({FLAT_LIMIT + 1}, 8)).astype(np.float32)
rows /= np.linalg.norm(rows, axis=1, keepdims=True)
one, two = build_index(rows), build_index(rows[::-1].copy())
one.save(Path({str(tmp_path)!r}))
three = load_index(Path({str(tmp_path)!r}))
for index in (one, two, three):
    assert index.kind == "ivf" and index.search(rows[:3], 2)[0].shape == (3, 2)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_importing_loads_no_torch() -> None:
    code = (
        "import sys, index, embedder, embedder.encoders, embedder.vectors\n"
        "print([m for m in ('torch', 'sentence_transformers', 'transformers', 'umap') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_cells_know_the_truth_only_of_what_they_hold() -> None:
    rows = np.random.default_rng(0).normal(size=(10_500, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    assert build_index(rows, k=5).cells().truth is not None
    turned = build_index(rows, ids=np.arange(10_500)[::-1].copy(), k=5)
    assert turned.cells().truth is None
    grown = build_index(rows[:10_400], k=5)
    grown.add(rows[10_400:], np.arange(10_400, 10_500))
    assert grown.cells().truth is None
    shrunk = build_index(rows, k=5)
    shrunk.remove(np.arange(10_400, 10_500))
    assert shrunk.cells().truth is None

"""Coverage of planted sweeps: breadth, depth, evenness, efficiency, full size; groups, edges, cost."""

from __future__ import annotations

import time

import numpy as np
import pytest

from clustering.coverage import FamilyVectors, background_cells, coverage


def vectors_of(payloads, families, n_families):
    """Families of payload vectors without a fixed text."""
    none = np.zeros(0, np.int64)
    return FamilyVectors(
        np.zeros((0, payloads.shape[1]), np.float32),
        none,
        np.asarray(payloads, np.float32),
        np.asarray(families, np.int64),
        (),
        np.zeros((0, payloads.shape[1]), np.float32),
        none,
        n_families,
    )


def blobs(random, n, n_centres=40, d=24):
    """Points around well-separated unit vectors, and which."""
    centres = np.linalg.qr(random.normal(size=(n_centres, n_centres)))[0][:, : max(d, n_centres)]
    of = random.integers(0, n_centres, n)
    points = centres[of] + random.normal(0, 0.02, (n, centres.shape[1]))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32), of


@pytest.fixture(scope="module")
def ordinary():
    points, of = blobs(np.random.default_rng(0), 4_000)
    return points, of, background_cells(points, seed=0)


def test_a_sweep_is_broad_and_a_single_subject_is_narrow(ordinary):
    points, of, cells = ordinary
    broad, narrow = points[:64], points[of == 3][:64]
    found = coverage(
        [np.ones(64, int)] * 2,
        [[], []],
        vectors_of(np.vstack([broad, narrow]), np.repeat([0, 1], 64), 2),
        cells=cells,
    )
    assert found.breadth[0] > 15
    assert found.breadth[1] < 8
    assert found.breadth_share[0] > 3 * found.breadth_share[1]
    assert (found.breadth_share <= 1).all()


def test_a_full_grid_has_its_size_depth_and_evenness():
    full = coverage(
        [np.ones(600, int)],
        [[np.full(30, 20), np.full(20, 30)]],
        vectors_of(np.zeros((0, 4)), [], 1),
        cells=None,
    )
    assert full.full_size[0] == 600
    assert full.depth[0] == 1
    assert full.evenness[0] == pytest.approx(1)
    assert full.efficiency[0] == pytest.approx(1)
    half = coverage(
        [np.ones(300, int)],
        [[np.full(30, 10), np.full(20, 15)]],
        vectors_of(np.zeros((0, 4)), [], 1),
        cells=None,
    )
    assert half.depth[0] == 0.5


def test_singletons_have_no_depth_and_no_size():
    open_slot = coverage(
        [np.ones(80, int)], [[np.ones(80, int)]], vectors_of(np.zeros((0, 4)), [], 1), cells=None
    )
    assert np.isnan(open_slot.full_size[0])
    assert np.isnan(open_slot.depth[0])
    assert open_slot.efficiency[0] == pytest.approx(1)


def test_resampling_one_prompt_breaks_no_ground():
    found = coverage([np.array([500])], [[]], vectors_of(np.zeros((0, 4)), [], 1), cells=None)
    assert found.full_size[0] == 1
    assert found.depth[0] == 1
    assert found.efficiency[0] == pytest.approx(0, abs=1e-9)


def test_many_slots_are_no_grid():
    slots = [np.full(10, 12)] * 6
    found = coverage([np.full(60, 2)], [slots], vectors_of(np.zeros((0, 4)), [], 1), cells=None)
    assert found.full_size[0] == 60


def test_cells_do_not_depend_on_the_order_of_families_nor_change_from_run_to_run(ordinary):
    points, _, cells = ordinary
    again = background_cells(points, seed=0)
    assert (again.centres == cells.centres).all()
    one = coverage(
        [np.ones(40, int)] * 2, [[], []], vectors_of(points[:80], np.repeat([0, 1], 40), 2), cells=cells
    )
    other = coverage(
        [np.ones(40, int)] * 2, [[], []], vectors_of(points[:80], np.repeat([1, 0], 40), 2), cells=cells
    )
    assert (one.breadth == other.breadth[::-1]).all()


def test_groups_join_their_families(ordinary):
    points, of, cells = ordinary
    parts = np.vstack([points[of == k][:20] for k in range(6)])
    families = vectors_of(parts, np.repeat(np.arange(6), 20), 6)
    together = coverage(
        [np.ones(100, int)], [[]], families.regrouped(np.array([0, 0, 0, 0, 0, -1]), 1), cells=cells
    )
    assert 3 <= together.breadth[0] <= 15


def test_edges():
    assert background_cells(np.zeros((0, 8), np.float32), seed=0) is None
    assert background_cells(np.zeros((500, 8), np.float32), seed=0) is None, "texts that say nothing"
    assert background_cells(np.ones((500, 8), np.float32), seed=0) is None, "one text"
    none = coverage([], [], vectors_of(np.zeros((0, 8)), [], 0), cells=None)
    assert none.breadth.shape == (0,)
    lone = coverage([np.array([1])], [[]], vectors_of(np.zeros((0, 8)), [], 1), cells=None)
    assert np.isnan([lone.breadth[0], lone.depth[0], lone.efficiency[0], lone.evenness[0]]).all()


def test_ten_thousand_families_cost_seconds(ordinary):
    points, _, cells = ordinary
    random = np.random.default_rng(1)
    n = 2_000
    payloads = points[random.integers(0, len(points), n * 32)]
    prompts = [random.integers(1, 4, 100) for _ in range(n)]
    slots = [[random.integers(1, 4, 40), random.integers(1, 9, 10)] for _ in range(n)]
    begin = time.perf_counter()
    coverage(prompts, slots, vectors_of(payloads, np.repeat(np.arange(n), 32), n), cells=cells)
    assert time.perf_counter() - begin < 4, "a fifth of ten thousand"

"""The methods that Covey is compared with, against slow and obvious versions of themselves."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustering.bench.drift import (
    BANDWIDTHS,
    drift_section,
    mixture,
    null_draws,
    squared_distances,
    unbiased,
)
from clustering.bench.finders import finder_section
from clustering.bench.halves import half_sections, in_first_half
from clustering.bench.rivals import n_pairs


def unit(n, d=8, seed=0, shift=0.0):
    x = np.random.default_rng(seed).normal(size=(n, d)) + shift
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


@given(st.integers(0, 60), st.integers(0, 99))
def test_pairs_against_all_pairs(n, seed):
    vectors = unit(n, 3, seed)
    vectors[: n // 3] = vectors[:1]
    expected = sum(float(a @ b) >= 0.9 - 1e-6 for a, b in combinations(vectors, 2))
    assert n_pairs(vectors) == expected


def test_pairs_do_not_depend_on_the_block(monkeypatch):
    vectors = unit(50, 3)
    whole = n_pairs(vectors)
    monkeypatch.setattr("clustering.bench.rivals._BLOCK", 7)
    assert n_pairs(vectors) == whole > 0


def plain_mmd(x, y, sigma):
    """Gretton et al. 2012, eq. 3, a pair at a time."""

    def k(a, b):
        square = float(((a.astype(float) - b) ** 2).sum())
        return np.mean([np.exp(-square / (2 * (f * sigma) ** 2)) for f in BANDWIDTHS])

    n, m = len(x), len(y)
    xx = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    yy = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return xx + yy - 2 * np.mean([[k(a, b) for b in y] for a in x])


def kernel(x, y, sigma):
    return mixture(squared_distances(x, y), sigma)


def test_mmd_against_its_definition():
    x, y = unit(9), unit(7, seed=1, shift=0.5)
    value = unbiased(kernel(x, x, 0.8), kernel(y, y, 0.8), kernel(x, y, 0.8))
    assert value == pytest.approx(plain_mmd(x, y, 0.8), abs=1e-5)


def test_draws_are_the_mmd_of_their_samples():
    pool = unit(30)
    whole = kernel(pool, pool, 1.0)
    drawn = null_draws(whole, 6, 40, rng=np.random.default_rng(2))
    order = np.argsort(np.random.default_rng(2).random((40, 30)), axis=1)
    for row, value in zip(order[:5], drawn, strict=False):
        assert value == pytest.approx(plain_mmd(pool[row[:6]], pool[row[6:12]], 1.0), abs=1e-5)
    assert abs(drawn.mean()) < 4 * drawn.std() / np.sqrt(40)


def test_the_threshold_keeps_its_level_and_sees_another_law():
    pool = unit(900, seed=3)
    whole = kernel(pool, pool, 1.0)
    threshold = np.quantile(null_draws(whole, 100, 500, rng=np.random.default_rng(4)), 0.95)
    rng = np.random.default_rng(5)

    def alarmed(shift, seed):
        fresh, some = unit(100, seed=seed, shift=shift), rng.choice(900, 100, replace=False)
        xy = kernel(fresh, pool[some], 1.0)
        return unbiased(kernel(fresh, fresh, 1.0), whole[np.ix_(some, some)], xy) > threshold

    assert np.mean([alarmed(0.0, 100 + i) for i in range(100)]) < 0.15
    assert np.mean([alarmed(0.5, 300 + i) for i in range(10)]) == 1.0


def table_world(**tables):
    from clustering.bench.counting import Counted
    from clustering.bench.worlds import World
    from clustering.simulation import SimulationSettings

    return Counted(World("campaigns", "w", 0, SimulationSettings(campaign_share=0.05)), tables)


def test_drift_is_told_by_share():
    columns = ("drawn", "benign", "share", "alarmed")
    rows = [
        (False, False, 0.05, True), (False, False, 0.06, False), (False, True, 0.0, True),
        (True, False, 0.05, True), (True, True, 0.0, False),
    ]  # fmt: skip
    windows = pl.DataFrame(rows, schema=list(columns), orient="row")
    assert drift_section([table_world(drift=windows)]).table.row(0) == ("5.0%", 2, 0.5, 1.0, 1.0, 0.0)


def test_a_finder_that_is_not_there_is_said_so():
    rows = [("Covey", True, 9, 4, 0.75, None, 2.0), ("bertopic", False, *[None] * 5)]
    columns = ("method", "installed", "n_prompts", "n_families", "mean_f1", "plain_f1", "seconds")
    made = table_world(finders=pl.DataFrame(rows, schema=list(columns), orient="row"))
    table = finder_section([made]).table
    assert table.row(0) == ("Covey", 9.0, 4.0, 0.75, None, 2.0)
    assert table.row(1)[0] == "bertopic (not installed)"


def test_halves_split_principals_evenly_and_for_good():
    names = pl.Series([f"acc_{i}" for i in range(4_000)])
    first = in_first_half(names)
    assert 0.45 < first.mean() < 0.55
    assert in_first_half(names.reverse()).reverse().equals(first)
    assert in_first_half(pl.concat([names, names]))[4_000:].equals(first)
    assert first[:8].to_list() == in_first_half(names[:8]).to_list()


def test_halves_are_judged_each_for_itself():
    rows = [
        ("own", "A", "campaign", "a", "a/t", 50, 1, 0.01),
        ("own", "B", "organic", None, None, 50, 2, 0.03),
        ("split", "A", "campaign", "a", "a/t", 50, 1, 0.03),
        ("split", "B", "organic", None, None, 50, 2, 0.3),
    ]
    columns = ("way", "family_id", "kind", "group", "family", "n", "rank", "q_value")
    table = half_sections([table_world(halves=pl.DataFrame(rows, schema=list(columns), orient="row"))])[
        0
    ].table
    assert table.row(0) == (0.01, 0.0, "0.000\u20130.000", 1.0, 0.0, "0.000\u20130.000", 0.0)
    assert table.row(1) == (0.05, 0.5, "0.500\u20130.500", 1.0, 0.0, "0.000\u20130.000", 1.0)

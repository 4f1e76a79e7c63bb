"""Growth, size and evenness of a sample against closed forms, published examples and counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustering.coverage import (
    effective_number,
    estimated_size,
    expected_distinct,
    new_ground,
    relative_entropy,
    sample_coverage,
)

COUNTS = st.lists(st.integers(1, 8), min_size=1, max_size=12).map(lambda c: np.array(c, np.int64))


def counts_of(*frequencies):
    """Counts with f_1 ones, f_2 twos, ..."""
    return np.repeat(np.arange(1, len(frequencies) + 1), frequencies)


def test_chao1_against_its_formula_worked_by_hand():
    # 10 values once, 5 twice, 3 three times: n = 29, S = 18; 18 + 28/29 * 100 / 10.
    assert estimated_size(counts_of(10, 5, 3)) == pytest.approx(18 + 28 / 29 * 10)
    # Without a value seen twice the bias-corrected form: n = 4 + 9 = 13, S = 7; 7 + 12/13 * 4 * 3 / 2.
    assert estimated_size(counts_of(4, 0, 3)) == pytest.approx(7 + 12 / 13 * 6)
    assert estimated_size(counts_of(0, 0, 6)) == 6, "all were seen again: nothing is missing"


def test_singletons_do_not_identify_a_size():
    assert np.isnan(estimated_size(np.ones(50, np.int64)))
    assert np.isnan(estimated_size(np.zeros(0, np.int64)))
    assert np.isnan(estimated_size(np.array([1])))


def test_chao1_finds_the_size_of_a_space_drawn_at_random():
    random = np.random.default_rng(0)
    sizes = [
        estimated_size(np.unique(random.integers(0, 500, 600), return_counts=True)[1]) for _ in range(200)
    ]
    assert np.mean(sizes) == pytest.approx(500, rel=0.03)


def test_sample_coverage_is_the_share_of_the_space_that_was_met():
    random, covered, met = np.random.default_rng(1), [], []
    shares = random.dirichlet(np.ones(200))
    for _ in range(300):
        values, counts = np.unique(random.choice(200, 150, p=shares), return_counts=True)
        covered.append(sample_coverage(counts))
        met.append(shares[values].sum())
    assert np.mean(covered) == pytest.approx(np.mean(met), abs=0.01)


@given(COUNTS)
def test_the_growth_curve_against_drawing(counts):
    n = int(counts.sum())
    labels = np.repeat(np.arange(len(counts)), counts)
    random = np.random.default_rng(int(n))
    m = max(1, n // 2)
    drawn = [len(np.unique(random.choice(labels, m, replace=False))) for _ in range(400)]
    curve = expected_distinct(counts, np.array([0, m, n]))
    assert curve[0] == pytest.approx(0, abs=1e-9)
    assert curve[1] == pytest.approx(np.mean(drawn), abs=0.02 + 4 * np.std(drawn) / 20)
    assert curve[2] == pytest.approx(len(counts))


@given(COUNTS)
def test_ranges(counts):
    assert np.isnan(estimated_size(counts)) or estimated_size(counts) >= len(counts)
    assert 0 <= sample_coverage(counts) <= 1
    assert np.isnan(new_ground(counts)) or 0 <= new_ground(counts) <= 1
    assert np.isnan(relative_entropy(counts)) or 0 <= relative_entropy(counts) <= 1
    assert 1 <= effective_number(counts, 100) <= 100


def test_new_ground_of_known_sweeps():
    assert new_ground(np.ones(40, np.int64)) == pytest.approx(1)
    assert max(new_ground(np.ones(n, np.int64)) for n in range(2, 300)) <= 1, "to the last digit"
    assert new_ground(np.array([40])) == pytest.approx(0, abs=1e-9)
    twice = new_ground(np.full(100, 2))
    assert 0.2 < twice < 0.3, "half of a half was there before"
    assert np.isnan(new_ground(np.array([1])))


def test_evenness_and_effective_number_of_known_counts():
    assert relative_entropy(np.full(7, 3)) == pytest.approx(1)
    assert relative_entropy(np.array([97, 1, 1, 1])) < 0.2
    assert np.isnan(relative_entropy(np.array([5])))
    assert effective_number(np.array([9]), 50) == 1
    assert effective_number(np.ones(6, np.int64), 50) == 6, "no more than were read"
    assert np.isnan(effective_number(np.zeros(3, np.int64), 50))


def test_the_effective_number_does_not_grow_with_the_sample():
    random = np.random.default_rng(2)
    few, many = (
        np.mean([effective_number(np.bincount(random.integers(0, 20, n)), 100) for _ in range(400)])
        for n in (40, 400)
    )
    assert few == pytest.approx(20, rel=0.15)
    assert many == pytest.approx(20, rel=0.05)

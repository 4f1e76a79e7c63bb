"""Load equality and the number of principals: p-values under their nulls, power, edges, oracles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from traffic_cases import check_valid, nothing, traffic_of

from clustering.signals import load_dispersion, principals
from clustering.signals.traffic import drawn_p_value, ratio_p_value


def of_counts(counts):
    return traffic_of(np.repeat(np.arange(len(counts)), counts))


@pytest.mark.parametrize(("n_principals", "mean"), [(5, 5.0), (20, 3.0), (100, 10.0)])
def test_load_p_values_keep_their_word_for_geometric_loads(n_principals, mean):
    def p(random, seed):
        return load_dispersion(of_counts(random.geometric(1 / mean, n_principals)), seed=seed).p_value[0]

    check_valid(p, 1_500)


@pytest.mark.slow
@pytest.mark.parametrize(("n_principals", "mean"), [(5, 1.5), (8, 4.0), (30, 2.0), (150, 6.0)])
def test_load_p_values_keep_their_word_far_in_the_tail(n_principals, mean):
    def p(random, seed):
        return load_dispersion(of_counts(random.geometric(1 / mean, n_principals)), seed=seed).p_value[0]

    check_valid(p, 6_000, levels=(0.0005, 0.001, 0.01, 0.05, 0.1))


def test_loads_more_uneven_than_geometric_are_further_from_small_p():
    def p(random, seed):
        counts = np.minimum(random.zipf(1.8, 40), 500)
        return load_dispersion(of_counts(counts), seed=seed).p_value[0]

    assert np.nanmin(check_valid(p, 300)) > 0.05


def test_a_dispatcher_deals_even_loads():
    counts = np.random.default_rng(0).multinomial(400, np.full(40, 1 / 40))
    signal = load_dispersion(of_counts(counts[counts > 0]), seed=0)
    assert signal.p_value[0] < 1e-4
    assert signal.effect[0] == pytest.approx(np.var(counts, ddof=1) / np.mean(counts))


def test_load_edges():
    assert load_dispersion(nothing(), seed=0).p_value.shape == (0,)
    assert np.isnan(load_dispersion(nothing(2), seed=0).p_value).all()
    assert np.isnan(load_dispersion(of_counts([50]), seed=0).p_value[0]), "one principal"
    assert np.isnan(load_dispersion(of_counts([50] * 4), seed=0).effect[0]), "four are no pool"
    once = load_dispersion(of_counts([1] * 50), seed=0)
    assert once.effect[0] == 0
    assert np.isnan(once.p_value[0]), "one request each is equal by arithmetic"
    assert 0 < load_dispersion(of_counts([7] * 50), seed=0).p_value[0] + 1e-300 < 1e-4


def test_a_group_keeps_its_p_when_others_come_and_go():
    counts = np.random.default_rng(3).geometric(0.2, 30)
    alone = of_counts(counts)
    n = len(alone.groups)
    both = traffic_of(
        np.append(alone.principals, np.repeat(np.arange(40, 60), 6)),
        groups=np.append(np.full(n, 1), np.zeros(120, int)),
        n_groups=2,
    )
    for signal in (lambda t: load_dispersion(t, seed=9), principals):
        assert signal(both).p_value[1] == signal(alone).p_value[0]
        assert signal(both).p_value[1] == signal(both).p_value[1]


@pytest.mark.parametrize("shares", [(1, 1, 1, 1), (20, 5, 2, 1), (1, 0, 0, 0)])
@pytest.mark.parametrize("n", [40, 400])
def test_pool_p_values_keep_their_word_for_four_customers_with_strays(shares, n):
    def p(random, seed):
        who = random.choice(4, n, p=np.array(shares) / np.sum(shares))
        stray = random.random(n) < 0.05
        return principals(traffic_of(np.where(stray, random.integers(4, 4_000, n), who))).p_value[0]

    check_valid(p, 3_000)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=30))
def test_pool_effect_and_p_against_counting(counts):
    signal = principals(of_counts(counts))
    shares = [c / sum(counts) for c in counts]
    outside = sum(sorted(counts)[:-4])
    assert signal.effect[0] == pytest.approx(1 / sum(s * s for s in shares))
    above = sum(binom.pmf(k, sum(counts), 0.05) for k in range(outside, sum(counts) + 1))
    assert signal.p_value[0] == pytest.approx(above, abs=1e-12)


def test_pool_edges():
    assert principals(nothing()).p_value.shape == (0,)
    assert np.isnan(principals(nothing(2)).effect).all()
    assert principals(of_counts([100])).p_value[0] == 1
    assert principals(of_counts([25] * 4)).p_value[0] == 1
    assert principals(of_counts([1] * 50)).p_value[0] < 1e-12
    assert principals(traffic_of([0, 1], groups=[-1, -1], n_groups=0)).effect.shape == (0,)


def test_a_drawn_p_value_never_outdoes_its_draws_but_beyond_them():
    assert drawn_p_value(3, 99, 1e-9) == 0.04
    assert drawn_p_value(0, 99, 1e-9) == 1e-9
    assert drawn_p_value(0, 99, 0.5) == 0.01


@given(
    st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20)), min_size=3, max_size=15),
    st.sampled_from([0.5, 1.0, 2.0]),
)
def test_the_jackknife_of_a_ratio_against_deleting_one_by_one(rows, bound):
    from scipy.stats import t

    tops, bottoms = (np.array(x, np.float64) for x in zip(*rows, strict=True))
    keep = ~np.eye(len(rows), dtype=bool)
    left = [tops[k].sum() / bottoms[k].sum() for k in keep]
    error = np.sqrt((len(rows) - 1) * np.var(left))
    whole = tops.sum() / bottoms.sum()
    expected = t.sf((whole - bound) / error, len(rows) - 1) if error > 1e-12 else float(whole <= bound)
    assert ratio_p_value(tops, bottoms, bound) == pytest.approx(expected, abs=1e-6)

"""The beta-binomial law against scipy's, its fit on planted counts, and two laws told from one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import betabinom

from clustering.beta_binomial import UNKNOWN, BetaBinomial, campaign_posterior, fit_law


def drawn(random, mean, correlation, totals):
    rest = (1 - correlation) / correlation
    return random.binomial(totals, random.beta(mean * rest, (1 - mean) * rest, len(totals)))


@pytest.mark.parametrize(("mean", "correlation"), [(0.2, 0.1), (0.7, 0.01), (0.5, 0.8)])
def test_probabilities_are_those_of_scipy(mean, correlation):
    counts, rest = np.arange(13.0), (1 - correlation) / correlation
    ours = BetaBinomial(mean, correlation).log_pmf(counts, np.full(13, 12.0))
    np.testing.assert_allclose(ours, betabinom(12, mean * rest, (1 - mean) * rest).logpmf(counts), atol=1e-8)
    assert np.exp(ours).sum() == pytest.approx(1)


def test_unknown_means_every_count_alike():
    np.testing.assert_allclose(np.exp(UNKNOWN.log_pmf(np.arange(6.0), np.full(6, 5.0))), 1 / 6)
    assert fit_law(np.zeros(0, np.int64), np.zeros(0, np.int64)) == UNKNOWN
    assert fit_law(np.zeros(3, np.int64), np.zeros(3, np.int64)) == UNKNOWN


def test_the_fit_finds_the_planted_law():
    random = np.random.default_rng(0)
    totals = random.integers(1, 40, 4000)
    law = fit_law(drawn(random, 0.3, 0.2, totals), totals)
    assert law.mean == pytest.approx(0.3, abs=0.02)
    assert law.correlation == pytest.approx(0.2, abs=0.03)


def test_a_share_of_the_upper_law_is_what_its_posterior_says():
    random = np.random.default_rng(1)
    totals, upper = np.full(3000, 20), random.random(3000) < 0.2
    counts = np.where(upper, drawn(random, 0.65, 0.03, totals), drawn(random, 0.15, 0.03, totals))
    posterior = campaign_posterior(counts, totals)
    for low, high in ((0, 0.05), (0.05, 0.5), (0.5, 0.95), (0.95, 1.01)):
        inside = (posterior >= low) & (posterior < high)
        error = np.sqrt(0.25 / max(1, inside.sum()))
        assert abs(upper[inside].mean() - posterior[inside].mean()) <= 3 * error
    assert (posterior[upper] >= 0.95).mean() > 0.8


@pytest.mark.parametrize(("mean", "everything"), [(0.15, 0.0), (0.45, 0.0), (0.8, 1.0)])
def test_one_law_is_not_cut_in_two(mean, everything):
    random = np.random.default_rng(2)
    totals = np.full(500, 20)
    assert (campaign_posterior(drawn(random, mean, 0.1, totals), totals) == everything).all()


def test_few_or_no_counts():
    assert len(campaign_posterior(np.zeros(0, np.int64), np.zeros(0, np.int64))) == 0
    assert campaign_posterior(np.array([5]), np.array([5])).tolist() == [1.0]
    assert campaign_posterior(np.zeros(2, np.int64), np.zeros(2, np.int64)).shape == (2,)

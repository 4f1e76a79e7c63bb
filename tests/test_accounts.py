"""Account scores: calibrated on simulated pools and strays, sharp where shares tell, steady at the edges."""

from __future__ import annotations

import numpy as np
from traffic_cases import nothing, traffic_of

from clustering.accounts import campaign_accounts, pool_posterior, revisit_law
from clustering.beta_binomial import BetaBinomial

PEOPLE = BetaBinomial(0.15, 0.3)


def drawn(random, mean, correlation, totals):
    rest = (1 - correlation) / correlation
    return random.binomial(totals, random.beta(mean * rest, (1 - mean) * rest, len(totals)))


def campaign(random, *, n_pool, share, rate, n_people=3000):
    """Loads of a log, requests in the campaign, and who is of the pool."""
    loads = 1 + random.geometric(1 / 12, n_people + n_pool)
    pool = np.arange(len(loads)) < n_pool
    counts = drawn(random, share, 0.1, loads)
    came = random.random(len(loads)) < -np.expm1(-rate * loads)
    again = drawn(random, PEOPLE.mean, PEOPLE.correlation, loads - 1)
    return loads, np.where(pool, counts, np.where(came, 1 + again, 0)), pool


def scored(random, **how):
    loads, counts, pool = campaign(random, **how)
    met = np.flatnonzero(counts)
    return pool_posterior(met, counts[met], loads, law=PEOPLE), pool[met]


def test_the_score_is_calibrated():
    """In each tenth of the score, as many are of the pool as it says, over pools of every kind."""
    random = np.random.default_rng(0)
    runs = [
        scored(random, n_pool=n_pool, share=share, rate=rate)
        for n_pool in (15, 60, 200)
        for share in (0.2, 0.5, 0.8)
        for rate in (1e-5, 1e-4, 5e-4)
        for _ in range(4)
    ]
    score, truth = (np.concatenate(column) for column in zip(*runs, strict=True))
    for low in np.arange(0, 1, 0.1):
        inside = (score >= low) & (score < low + 0.1 + 1e-9 * (low > 0.85))
        slack = 0.05 + 3 * np.sqrt(0.25 / max(1, inside.sum()))  # pools of 15 say little about their law
        assert abs(score[inside].mean() - truth[inside].mean()) <= slack, (
            f"{low:.1f}: {inside.sum()} accounts"
        )
    assert abs(score.sum() - truth.sum()) <= 0.03 * truth.sum()


def test_strays_score_low_and_the_pool_high():
    score, pool = scored(np.random.default_rng(1), n_pool=100, share=0.8, rate=5e-4)
    assert (~pool).sum() >= 10, "no strays were planted"
    assert score[pool].mean() > 0.95
    assert np.median(score[~pool]) < 0.1


def test_a_pool_without_strays_is_left_whole():
    for share in (0.2, 0.5, 0.95):
        score, pool = scored(np.random.default_rng(2), n_pool=60, share=share, rate=0.0)
        assert pool.all()
        assert (score >= 0.5).all()


def test_people_show_how_they_return():
    random = np.random.default_rng(3)
    loads = np.full(400, 30)
    counts = 1 + drawn(random, 0.2, 0.1, loads - 1)
    who = np.repeat(np.arange(400), loads)
    inside = np.concatenate([np.arange(30) < c for c in counts])
    traffic = traffic_of(who, groups=np.where(inside, 0, -1))
    assert abs(revisit_law(traffic, np.array([True])).mean - 0.2) < 0.03


def test_campaigns_are_scored_each_alone_and_add_up():
    who = np.concatenate(
        [np.repeat(np.arange(20), 10), np.repeat(np.arange(10, 40), 10), np.arange(2500) % 500]
    )
    groups = np.concatenate([np.zeros(200), np.ones(300), np.where(np.arange(2500) < 100, 2, -1)]).astype(
        np.int64
    )
    traffic = traffic_of(who, groups=groups, n_groups=3)
    found = campaign_accounts(traffic, np.array([0, 1, -1]), people=np.array([False, False, True]))
    assert found.campaigns.tolist() == [0] * 20 + [1] * 30
    assert found.pool(0).tolist() == list(range(20))
    assert found.pool(1).tolist() == list(range(10, 40))
    assert (found.n_requests == 10).all()
    order = np.random.default_rng(0).permutation(len(who))
    again = traffic_of(who[order], groups=groups[order], n_groups=3)
    moved = campaign_accounts(again, np.array([0, 1, -1]), people=np.array([False, False, True]))
    np.testing.assert_array_equal(moved.scores, found.scores)


def test_no_campaign_and_no_log():
    assert len(campaign_accounts(nothing(), np.zeros(0, np.int64), people=np.zeros(0, bool)).scores) == 0
    calm = traffic_of([0, 1, 1])
    assert len(campaign_accounts(calm, np.array([-1]), people=np.array([True])).scores) == 0
    alone = campaign_accounts(calm, np.array([0]), people=np.array([False]))
    assert ((alone.scores >= 0) & (alone.scores <= 1)).all()

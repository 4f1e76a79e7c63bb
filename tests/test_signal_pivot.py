"""Release pivot: valid for crowds twice as keen on what is new, powerful against a pool that moves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom
from traffic_cases import check_valid, nothing, traffic_of

from clustering.signals.pivot import release_pivot

RELEASE = 200.0


def log_of(random, share, *, n=30, n_people=300, adopting=0.1, n_each=4):
    """A group and a background: each principal moves to model 1 at its release with these probabilities."""
    who = np.repeat(np.arange(n + n_people), n_each * 14)
    hours = random.uniform(0, 14 * 24, len(who))
    moved = random.random(n + n_people) < np.repeat([share, adopting], [n, n_people])
    models = ((hours >= RELEASE) & moved[who]).astype(np.int64)
    models[0], hours[0] = 1, RELEASE
    groups = np.where(who < n, 0, -1)
    return traffic_of(who, hours=hours, groups=groups), models


@pytest.mark.parametrize(
    ("n", "adopting", "times"), [(20, 0.1, 2), (100, 0.2, 2), (50, 0.05, 1), (8, 0.4, 2)]
)
def test_p_values_keep_their_word_for_crowds_twice_as_eager(n, adopting, times):
    def p(random, seed):
        return release_pivot(
            *log_of(random, times * adopting, n=n, n_people=2_000, adopting=adopting)
        ).p_value[0]

    check_valid(p, 300)


def test_a_pool_that_moves_within_the_day_pivots():
    signal = release_pivot(*log_of(np.random.default_rng(0), 0.8))
    assert signal.effect[0] > 0.6
    assert signal.p_value[0] < 1e-8


def test_effect_and_p_against_counting():
    traffic, models = log_of(np.random.default_rng(1), 0.5)
    moved = {-1: [], 0: []}
    for who in range(330):
        own = (traffic.principals == who) & (traffic.hours >= RELEASE) & (traffic.hours < RELEASE + 24)
        if own.any():
            moved[int(traffic.groups[own][0])].append(models[own].mean() >= 0.5)
    signal = release_pivot(traffic, models)
    chance = 2 * (sum(moved[-1]) + 1) / (len(moved[-1]) + 2)
    assert signal.effect[0] == pytest.approx(np.mean(moved[0]))
    assert signal.p_value[0] == pytest.approx(binom.sf(sum(moved[0]) - 1, len(moved[0]), chance))


def test_one_busy_account_does_not_speak_for_the_others():
    traffic, models = log_of(np.random.default_rng(2), 0.0)
    busy = np.full(5_000, 3)
    louder = traffic_of(
        np.append(traffic.principals, busy),
        hours=np.append(traffic.hours, RELEASE + np.linspace(0, 20, 5_000)),
        groups=np.append(traffic.groups, 0 * busy),
    )
    assert release_pivot(louder, np.append(models, 0 * busy + 1)).p_value[0] > 0.05


def test_no_release_no_evidence():
    random = np.random.default_rng(3)
    traffic, models = log_of(random, 0.8)
    for other in (0 * models, 0 * models - 1, random.integers(0, 2, len(models))):
        assert np.isnan(release_pivot(traffic, other).p_value[0])
    rare = np.where(np.arange(len(models)) == np.argmax(traffic.hours > 150), 1, 0)
    assert np.isnan(release_pivot(traffic, rare).p_value[0]), "one request late: there before, perhaps"
    for edge in (5.0, 14 * 24 - 5.0):
        assert np.isnan(release_pivot(traffic, (traffic.hours > edge).astype(np.int64)).p_value[0])
    timeless = traffic_of(traffic.principals, groups=traffic.groups)
    assert np.isnan(release_pivot(timeless, models).p_value[0])


def test_of_several_releases_the_latest_counts():
    traffic, models = log_of(np.random.default_rng(4), 0.8)
    earlier = np.where((models == 0) & (traffic.hours > 100), 2, models)
    assert release_pivot(traffic, earlier).p_value[0] < 1e-8


def test_edges():
    none = np.zeros(0, np.int64)
    assert release_pivot(nothing(), none).p_value.shape == (0,)
    assert np.isnan(release_pivot(nothing(2), none).p_value).all()
    traffic, models = log_of(np.random.default_rng(5), 1.0, n=4)
    assert np.isnan(release_pivot(traffic, models).effect[0]), "four are no pool"
    alone, models = log_of(np.random.default_rng(6), 1.0, n=30, n_people=0)
    assert release_pivot(alone, models).p_value[0] == 1, "the log's people are the group itself"

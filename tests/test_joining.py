"""Whole families join the campaign whose pool sends them; what its people share with others does not."""

from __future__ import annotations

import numpy as np
from traffic_cases import check_valid, nothing, traffic_of

from clustering.joining import joining_families

POOL = np.arange(40)


def log(random, sizes, *, of_pool):
    """Families of so many principals, a given share of them of the pool, two requests each."""
    crowds = []
    for size, share in zip(sizes, of_pool, strict=True):
        inside = random.choice(POOL, round(size * share), replace=False)
        crowds.append(
            np.append(inside, random.choice(np.arange(40, 2000), size - len(inside), replace=False))
        )
    who, groups = np.concatenate(crowds), np.repeat(np.arange(len(sizes)), [len(c) for c in crowds])
    return traffic_of(np.repeat(who, 2), groups=np.repeat(groups, 2), n_groups=len(sizes))


def test_the_pool_s_families_join_and_shared_ones_do_not():
    shares = [1.0, 0.8, 0.3, 0.02, *[0.02] * 30]
    traffic = log(np.random.default_rng(0), [30, 20, 40, 50, *[50] * 30], of_pool=shares)
    joins, p = joining_families(traffic, [np.arange(3000, 3010), POOL], placed=np.zeros(34, bool))
    assert joins.tolist() == [1, 1, *[-1] * 32]
    assert (np.isnan(p) == (joins < 0)).all()
    placed = np.arange(34) == 0
    assert joining_families(traffic, [POOL], placed=placed)[0].tolist() == [-1, 0, *[-1] * 32]


def test_a_busy_stranger_does_not_make_the_family_the_pool_s():
    traffic = log(np.random.default_rng(1), [20, *[50] * 30], of_pool=[0.8, *[0.02] * 30])
    who = np.append(traffic.principals, np.full(500, 1999))
    more = traffic_of(who, groups=np.append(traffic.groups, np.zeros(500, np.int64)), n_groups=31)
    assert joining_families(more, [POOL], placed=np.zeros(31, bool))[0][0] == -1


def test_people_join_no_campaign_by_chance():
    def p_of(random, seed):
        traffic = log(random, [12] * 40, of_pool=random.binomial(12, 0.3, 40) / 12)
        return np.nanmin(joining_families(traffic, [POOL], placed=np.zeros(40, bool))[1], initial=1.0)

    check_valid(p_of, 200)


def test_no_pool_and_no_family():
    traffic = traffic_of(np.arange(30))
    assert joining_families(traffic, [], placed=np.zeros(1, bool))[0].tolist() == [-1]
    assert joining_families(nothing(), [POOL], placed=np.zeros(0, bool))[0].tolist() == []
    assert joining_families(traffic, [POOL], placed=np.ones(1, bool))[0].tolist() == [-1]

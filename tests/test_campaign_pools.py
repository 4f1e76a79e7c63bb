"""Pools to follow: what made each, what it leads to, and whose a pool that relays is."""

from __future__ import annotations

import numpy as np
import pytest
from traffic_cases import check_valid

from clustering.accounts import CampaignAccounts
from clustering.campaign_pools import (
    campaign_numbers,
    campaign_pools,
    followed_p_values,
    followed_q_values,
    joined_p_values,
)
from clustering.relays import Relays

GROUPS = np.array([0, 0, 0, 1, 2, 2])
FLAGGED = np.array([True, False, True, False, True, False])
POOLS = (np.arange(20), np.arange(50, 70))
P = np.array([1e-4, 0.9, 1e-3, 0.5, 1e-5, 1.0])
Q = np.array([3e-4, 0.9, 2e-3, 0.7, 6e-5, 1.0])


def accounts(*pools):
    """Accounts of campaigns by their numbers, sure of all; one more each that strayed in."""
    who = [np.append(pool, 900 + number) for number, pool in enumerate(pools)]
    scores = [np.append(np.ones(len(pool)), 0.1) for pool in pools]
    campaigns = np.repeat(np.arange(len(pools)), [len(w) for w in who])
    whole = np.concatenate(who)
    return CampaignAccounts(campaigns, whole, np.ones(len(whole), np.int64), np.concatenate(scores))


def relays_of(*pools, p_values=(), claimed=(-1,)):
    n = len(pools)
    return Relays(list(pools), np.array(claimed), np.array(p_values, float), np.full(n, 100), np.full(n, 60))


def made(relays):
    return campaign_pools(accounts(*POOLS), relays, groups=GROUPS, flagged=FLAGGED, p_values=P, q_values=Q)


def test_flagged_families_are_numbered_by_their_groups():
    assert campaign_numbers(GROUPS, FLAGGED).tolist() == [0, -1, 0, -1, 1, -1]
    assert campaign_numbers(GROUPS, np.zeros(6, bool)).tolist() == [-1] * 6


def test_a_campaign_s_p_pays_for_all_families_of_its_group_flagged_or_not():
    pools = made(relays_of())
    assert [pool.tolist() for pool in pools.members] == [list(range(20)), list(range(50, 70))]
    assert pools.p_values == pytest.approx([3 * 1e-4, 2 * 1e-5])
    assert pools.q_values == pytest.approx([3e-4, 6e-5])
    assert pools.groups.tolist() == [0, 2]
    assert pools.claims.pools.tolist() == [-1]


def test_a_pool_that_relays_is_the_campaign_s_that_half_of_it_is_in():
    half, less = np.append(np.arange(50, 55), np.arange(200, 205)), np.arange(18, 30)
    pools = made(relays_of(half, less, p_values=(1e-3, 1e-7), claimed=(0, 1, -1, 0)))
    assert pools.groups.tolist() == [0, 2, 2, 4], "the other gets a group of its own"
    assert pools.claims.pools.tolist() == [1, 3, -1, 1]
    assert pools.claims.p_values.tolist() == [0, 1e-3, 0, 1e-7]
    assert pools.n_going_on.tolist() == [0, 100, 0, 100]
    assert pools.n_changed.tolist() == [0, 60, 0, 60]
    assert pools.q_values[2:].tolist() == pools.p_values[2:].tolist() == [1e-3, 1e-7]


def test_where_nothing_is_flagged_the_pools_that_relay_are_all():
    none = np.zeros(6, bool)
    relays = relays_of(np.arange(300, 309), p_values=(1e-4,), claimed=(0, -1))
    nobody = CampaignAccounts(*(np.zeros(0, np.int64) for _ in range(3)), np.zeros(0))
    pools = campaign_pools(nobody, relays, groups=GROUPS, flagged=none, p_values=P, q_values=Q)
    assert (pools.groups.tolist(), pools.p_values.tolist()) == ([3], [1e-4])
    assert pools.claims.pools.tolist() == [0, -1]


def test_a_second_look_is_paid_for_whichever_of_the_two_is_the_smaller():
    check_valid(lambda random, seed: joined_p_values(random.random(1), random.random(1))[0], 4_000)


def test_what_comes_in_is_no_surer_than_its_pool():
    pools = made(relays_of())
    of_pool = np.array([0, 1, 1])
    p = followed_p_values(pools, of_pool, np.array([1e-9, 1e-9, 0.04]))
    assert p == pytest.approx([3e-4, 2e-5, 0.04])
    assert followed_q_values(pools, of_pool, p) == pytest.approx([3e-4, 6e-5, 0.04])

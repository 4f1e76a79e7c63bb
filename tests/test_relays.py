"""Relays: a pool that hands conversations round is found, people who share a link now and then are not."""

from __future__ import annotations

import numpy as np
from traffic_cases import check_valid, nothing, traffic_of

from clustering.relays import relay_pools
from clustering.signals.session_hop import Hops


def log(random, *, n_people=300, n_talks=600, pool=0, relayed=0, shared=0.02):
    """Conversations of three requests; the last of a relayed or shared one is by somebody else."""
    own = np.append(
        random.integers(pool, pool + n_people, n_talks), random.integers(0, max(1, pool), relayed)
    )
    other = np.append(
        random.integers(pool, pool + n_people, n_talks), random.integers(0, max(1, pool), relayed)
    )
    hop = np.append(random.random(n_talks) < shared, np.ones(relayed, bool)) & (own != other)
    who = np.stack([own, own, np.where(hop, other, own)], axis=1).ravel()
    talk = np.arange(len(own))
    conversation = np.stack([np.full(len(own), -1), talk, talk], axis=1).ravel()
    last = 3 * talk[hop] + 2
    return traffic_of(who, groups=np.full(len(who), -1), n_groups=0), Hops(last - 1, last, conversation)


def test_a_relaying_pool_is_found_with_its_conversations():
    traffic, hops = log(np.random.default_rng(0), pool=30, relayed=120)
    found = relay_pools(traffic, hops)
    assert len(found.pools) == 1
    assert set(range(30)) == set(found.pools[0].tolist())
    claimed = np.flatnonzero(found.claimed == 0)
    assert set((claimed // 3).tolist()) <= set(range(600, 720))
    assert len(claimed) >= 0.6 * 3 * 120
    assert found.p_values[0] < 1e-6


def test_people_who_share_a_link_are_no_pool():
    check_valid(
        lambda random, seed: relay_pools(*log(random, n_people=60, shared=0.05)).p_values.min(initial=1.0),
        100,
    )
    for seed in range(5):
        assert not relay_pools(*log(np.random.default_rng(seed), shared=0.02)).pools


def test_a_conversation_handed_round_once_is_no_pool():
    who = np.arange(10)
    traffic = traffic_of(who, groups=np.full(10, -1), n_groups=0)
    hops = Hops(np.arange(9), np.arange(1, 10), np.zeros(10, np.int64))
    assert not relay_pools(traffic, hops).pools


def test_no_hops_and_no_log():
    none = np.zeros(0, np.int64)
    assert not relay_pools(nothing(), Hops(none, none, none)).pools
    traffic = traffic_of([0, 1, 2])
    found = relay_pools(traffic, Hops(none, none, np.full(3, -1)))
    assert found.claimed.tolist() == [-1, -1, -1]

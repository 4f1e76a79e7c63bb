"""Campaigns: pools are put together, crowds that one family mixes are not; ids follow the families."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from traffic_cases import traffic_of

from clustering.campaigns import campaign_ids, linked_groups


def grouped(families, links, n_each=6):
    """Groups of families to whom each of their principals sent so many requests."""
    who = np.repeat(np.concatenate([np.asarray(f) for f in families]), n_each)
    groups = np.repeat(np.arange(len(families)), [n_each * len(f) for f in families])
    traffic = traffic_of(who, groups=groups, n_groups=len(families))
    return linked_groups(traffic, np.array(links, np.int64).reshape(-1, 2)).tolist()


def test_a_pool_spread_over_families_is_one_group():
    pool = np.arange(60)
    families = [pool[:40], np.arange(100, 140), pool[10:50], pool[20:60]]
    assert grouped(families, [[0, 2], [0, 3], [2, 3]]) == [0, 1, 0, 0]


def test_a_pool_whose_accounts_send_next_to_nothing_is_one_group():
    """Six templates dealt at random to 600 accounts of one or two requests: a quarter of each is shared."""
    random = np.random.default_rng(0)
    who = np.concatenate([random.permutation(600), random.permutation(600)[:400]])
    template = random.integers(0, 6, 1_000)
    families = [np.unique(who[template == k]) for k in range(6)]
    links = list(combinations(range(6), 2))
    assert grouped(families, links, n_each=1) == [0] * 6
    loyal = [np.arange(100 * k, 100 * k + 102) for k in range(6)]
    assert grouped(loyal, [[k, k + 1] for k in range(5)], n_each=2) == list(range(6))


def test_one_family_that_holds_two_crowds_does_not_chain_them():
    one, other = np.arange(30), np.arange(100, 200)
    mixed = np.append(one[:25], other[:25])
    assert grouped([one, mixed, other], [[0, 1], [1, 2]]) == [0, 1, 2]


def test_a_chain_whose_ends_share_nobody_stops_where_half_is_lost():
    families = [np.arange(20 * k, 20 * k + 40) for k in range(6)]
    links = [[k, k + 1] for k in range(5)]
    groups = grouped(families, links)
    for group in set(groups):
        members = [k for k in range(6) if groups[k] == group]
        assert members == list(range(min(members), max(members) + 1))
    apart = [np.arange(25 * k, 25 * k + 40) for k in range(4)]
    assert grouped(apart, [[0, 1], [1, 2], [2, 3]]) == [0, 1, 2, 3], "fewer than half are shared"


def test_only_linked_families_are_put_together():
    assert grouped([np.arange(9), np.arange(9)], []) == [0, 1]
    assert grouped([np.arange(9), np.arange(9)], [[0, 1]]) == [0, 0]


@given(st.permutations(range(3)))
def test_the_order_of_links_does_not_matter(order):
    pool = np.arange(60)
    families = [pool[:40], pool[10:50], pool[20:60], np.arange(100, 130)]
    links = [[0, 1], [0, 2], [1, 2]]
    assert grouped(families, [links[k] for k in order]) == [0, 0, 0, 1]


def test_ids_depend_on_the_flagged_families_only():
    names = pl.Series(["f3", "f1", "f2", "f9", "f5"])
    groups = np.array([0, 0, 1, 0, 1])
    flagged = np.array([True, True, False, False, True])
    ids = campaign_ids(names, groups, flagged)
    assert ids[0] == ids[1]
    assert ids[0] != ids[4]
    assert ids[2] is None
    assert ids[3] is None
    assert all(i is None or (i.startswith("c") and len(i) == 13) for i in ids)
    back = [4, 3, 2, 1, 0]
    renamed = campaign_ids(names[back], groups[back] + 7, flagged[back])
    assert renamed == ids[::-1]
    assert campaign_ids(names, groups, np.zeros(5, bool)) == [None] * 5
    assert campaign_ids(names.head(0), groups[:0], flagged[:0]) == []

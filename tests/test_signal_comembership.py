"""Co-membership: no links among random memberships with any degrees, links of planted pools, edges."""

from __future__ import annotations

import sys
import tracemalloc
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import poisson
from traffic_cases import nothing, traffic_of

from clustering.signals import Crowd, comembership, of_one_pool
from clustering.signals.comembership import LINK_LEVEL


def never(i, j):
    return False


def of_families(families):
    """One request of every principal in each of these families."""
    who = np.concatenate([np.asarray(f, np.int64) for f in families]) if families else np.zeros(0, np.int64)
    groups = np.repeat(np.arange(len(families)), [len(f) for f in families])
    return traffic_of(who, groups=groups, n_groups=len(families))


def random_families(random, n_families, n_principals, size, *, tail):
    """Families of about `size` principals, who are busy by a Pareto law of index `tail` (0: all alike)."""
    busy = 1 + random.pareto(tail, n_principals) if tail else np.ones(n_principals)
    sizes = np.clip(random.integers(size // 2, size * 2, n_families), 5, n_principals * 2 // 3)
    return [random.choice(n_principals, s, replace=False, p=busy / busy.sum()) for s in sizes]


def rewired(random, families, n_swaps):
    """The same degrees dealt anew: trades between two families keep both sizes (Strona et al. 2014)."""
    pools = [set(map(int, f)) for f in families]
    for _ in range(n_swaps):
        i, j = random.choice(len(pools), 2, replace=False)
        only = sorted(pools[i] ^ pools[j])
        n_mine = len(pools[i] - pools[j])
        both = pools[i] & pools[j]
        dealt = [only[k] for k in random.permutation(len(only))]
        pools[i], pools[j] = both | set(dealt[:n_mine]), both | set(dealt[n_mine:])
    return [sorted(p) for p in pools]


CASES = [(2, 60, 30, 0), (3, 45, 30, 0), (6, 120, 30, 0), (12, 300, 20, 1.2), (60, 2_000, 12, 1.0)]


@pytest.mark.parametrize("case", CASES)
def test_random_memberships_are_hardly_ever_linked(case):
    n_families, n_principals, size, tail = case
    linked = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        traffic = of_families(random_families(random, n_families, n_principals, size, tail=tail))
        linked += len(comembership(traffic, never)[1]) > 0
    assert linked <= 100 * LINK_LEVEL + 3 * np.sqrt(100 * LINK_LEVEL)


@pytest.mark.slow
@pytest.mark.parametrize("case", [*CASES, (200, 4_000, 8, 1.2)])
def test_random_memberships_at_length(case):
    n_families, n_principals, size, tail = case
    linked = 0
    for seed in range(400):
        random = np.random.default_rng([seed, 1])
        traffic = of_families(random_families(random, n_families, n_principals, size, tail=tail))
        linked += len(comembership(traffic, never)[1]) > 0
    assert linked <= 400 * LINK_LEVEL + 3 * np.sqrt(400 * LINK_LEVEL)


def test_memberships_dealt_anew_with_the_same_degrees_are_not_linked():
    random = np.random.default_rng(0)
    campaign = list(range(30))
    families = [campaign, campaign, *random_families(random, 14, 300, 20, tail=1.2)]
    assert len(comembership(of_families(families), never)[1]) > 0
    linked = sum(
        len(comembership(of_families(rewired(random, families, 200)), never)[1]) > 0 for _ in range(40)
    )
    assert linked <= 3


def test_a_pool_behind_two_families_is_linked_and_p_is_the_poisson_tail():
    strangers = [np.arange(1_000 + 30 * k, 1_030 + 30 * k) for k in range(8)]
    families = [np.arange(25), np.arange(5, 30), *strangers]
    signal, links = comembership(of_families(families), never)
    assert links.tolist() == [[0, 1]]
    sizes = np.array([len(f) for f in families])
    pairs = len(families) * (len(families) - 1) / 2
    meeting = 20 * 2 / (sizes.sum() ** 2 - (sizes**2).sum())
    p = poisson.sf(19, 25 * 25 * meeting) * pairs
    np.testing.assert_allclose(signal.p_value[:2], p)
    np.testing.assert_allclose(signal.effect[:2], 20 / 25)
    assert np.isnan(signal.p_value[2:]).all()


def test_expected_overlaps_of_all_pairs_add_up_to_the_observed():
    """So two families alone are never linked: that both are their principals' is all there is to know."""
    assert len(comembership(of_families([np.arange(50), np.arange(50)]), never)[1]) == 0


def test_variants_of_one_template_are_linked_but_no_evidence():
    strangers = [np.arange(1_000 + 30 * k, 1_030 + 30 * k) for k in range(8)]
    families = [np.arange(25), np.arange(25), np.arange(25), *strangers]
    signal, links = comembership(of_families(families), lambda i, j: {i, j} == {0, 1})
    assert sorted(links.tolist()) == [[0, 1], [0, 2], [1, 2]]
    assert (signal.p_value[:3] < LINK_LEVEL).all()
    alone, links = comembership(of_families(families), lambda i, j: True)
    assert len(links) == 3
    assert np.isnan(alone.p_value).all()


def crowd(sent):
    """The crowd of a list with one entry, its principal, per request."""
    return Crowd(*np.unique(sent, return_counts=True))


@pytest.mark.parametrize("loads", [[1, 2], [1] * 8 + [9], [2, 2, 3], [20, 40]])
@pytest.mark.parametrize("part", [0.5, 0.1])
def test_what_one_pool_sends_is_of_one_pool_however_little_each_account_sends(loads, part):
    random = np.random.default_rng(0)
    for _ in range(100):
        sent = np.repeat(np.arange(500), random.choice(loads, 500))
        first = random.random(len(sent)) < part
        assert of_one_pool(crowd(sent[first]), crowd(sent[~first]))


def test_people_who_come_back_to_their_own_are_not_of_one_pool():
    one, other = np.repeat(np.arange(200), 2), np.repeat(np.arange(190, 400), 2)
    assert not of_one_pool(crowd(one), crowd(other))
    assert not of_one_pool(crowd(np.arange(50)), crowd(np.arange(50, 90)))


def test_a_pool_among_everybody_is_not_everybody():
    pool = np.repeat(np.arange(20), 5)
    everybody = np.append(np.arange(1_000), pool)
    assert not of_one_pool(crowd(everybody), crowd(pool))


def test_a_crowd_without_a_part_is_the_crowd_of_the_rest():
    random = np.random.default_rng(0)
    sent = random.integers(0, 40, 90)
    rest = crowd(sent).without(crowd(sent[:60]))
    np.testing.assert_array_equal(rest.principals, np.unique(sent[60:]))
    np.testing.assert_array_equal(rest.counts, np.unique(sent[60:], return_counts=True)[1])


def test_a_pool_whose_accounts_send_next_to_nothing_is_linked():
    random = np.random.default_rng(0)
    sent = np.concatenate([random.permutation(600), random.permutation(600)[:400]])
    template = random.integers(0, 6, 1_000)
    strangers = np.arange(1_000, 10_000)
    traffic = traffic_of(
        np.append(sent, strangers), groups=np.append(template, 6 + np.arange(9_000) % 90), n_groups=96
    )
    signal, links = comembership(traffic, never)
    assert links.tolist() == [[i, j] for i, j in combinations(range(6), 2)]
    assert (signal.effect[:6] < 0.5).all(), "fewer than half of any one's accounts are in another"
    assert (signal.p_value[:6] < 1e-3).all()
    assert np.isnan(signal.p_value[6:]).all()


def test_busy_principals_who_use_everything_link_nothing():
    busy = np.arange(10)
    families = [np.append(busy, np.arange(100 + 10 * k, 110 + 10 * k)) for k in range(40)]
    assert len(comembership(of_families(families), never)[1]) == 0


def test_edges():
    signal, links = comembership(nothing(), never)
    assert signal.p_value.shape == (0,)
    assert links.shape == (0, 2)
    assert len(comembership(nothing(3), never)[1]) == 0
    assert len(comembership(of_families([[0], [0], [1, 2]]), never)[1]) == 0
    strangers = [np.arange(1_000 + 30 * k, 1_030 + 30 * k) for k in range(8)]
    four = [np.arange(4), np.arange(4), *strangers]
    assert len(comembership(of_families(four), never)[1]) == 0, "four are no pool"
    outside = traffic_of(np.arange(9), groups=[-1] * 9, n_groups=0)
    assert comembership(outside, never)[0].effect.shape == (0,)


def dealt(one, other):
    """``of_one_pool`` where everybody sent one request to each of their families, principal by principal."""
    one, other = set(map(int, one)), set(map(int, other))
    part = len(one) / (len(one) + len(other))
    sent = {who: (who in one) + (who in other) for who in one | other}
    both = sum(1 - part**n - (1 - part) ** n for n in sent.values())
    sizes = sum(1 - (1 - part) ** n for n in sent.values()), sum(1 - part**n for n in sent.values())
    seen = len(one & other), len(one), len(other)
    return seen[0] > 0 and all(2 * a >= b for a, b in zip(seen, (both, *sizes), strict=True))


def plain(families, akin):
    """Best p and effect of each family, and the links, pair by pair."""
    pools = [set(map(int, f)) for f in families]
    pools = [pool if len(pool) >= 5 else set() for pool in pools]
    k = np.bincount([p for pool in pools for p in pool]).astype(float)
    sizes = np.array([len(pool) for pool in pools], float)
    meeting = (k * (k - 1)).sum() / (sizes.sum() ** 2 - (sizes**2).sum())
    n_pairs = (sizes > 0).sum() * ((sizes > 0).sum() - 1) / 2
    best, effect, links = np.full(len(pools), np.nan), np.full(len(pools), np.nan), []
    for i, j in combinations(range(len(pools)), 2):
        n = len(pools[i] & pools[j])
        p = min(1.0, poisson.sf(n - 1, sizes[i] * sizes[j] * meeting) * n_pairs)
        if n >= 5 and p <= LINK_LEVEL and dealt(families[i], families[j]):
            links.append([i, j])
            if not akin(i, j):
                for one in (i, j):
                    best[one], effect[one] = np.fmin(best[one], p), np.fmax(effect[one], n / sizes[one])
    return best, effect, links


@pytest.mark.parametrize("most_met", [1, 60, 4_000_000])
def test_any_blocks_find_what_a_loop_over_pairs_finds(most_met, monkeypatch):
    monkeypatch.setattr(sys.modules[comembership.__module__], "MOST_MET", most_met)
    n_links = 0
    for seed in range(6):
        random = np.random.default_rng(seed)
        families = random_families(random, 25, 200, 20, tail=1.2 * (seed % 2))
        families += [np.arange(15) + 2 * k for k in range(6)] + [np.arange(2)]
        families = [families[i] for i in random.permutation(len(families))]
        signal, links = comembership(of_families(families), lambda i, j: (i + j) % 3 == 0)
        best, effect, expected = plain(families, lambda i, j: (i + j) % 3 == 0)
        assert links.tolist() == expected
        np.testing.assert_allclose(signal.p_value, best)
        np.testing.assert_allclose(signal.effect, effect)
        n_links += len(links)
    assert n_links > 20


@pytest.mark.slow
def test_a_few_principals_in_thousands_of_families_fit_into_memory():
    random = np.random.default_rng(0)
    common = np.arange(3)
    families = [np.append(common, 3 + random.choice(60_000, 10, replace=False)) for _ in range(6_000)]
    traffic = of_families(families)
    traffic.members(0)
    tracemalloc.start()
    _, links = comembership(traffic, never)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(links) == 0
    assert peak < 300e6, f"{peak / 1e6:.0f} MB for 18 million pairs that meet"

"""Pools: planted sets without a common text come in, ordinary requests of the same accounts stay out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom
from traffic_cases import check_valid, nothing, traffic_of

from clustering.neighbourhoods import pool_nearby, senders, share_nearby
from clustering.pools import Claims, half_p_value, pool_families, pool_nodes
from index import KnnGraph, knn_graph

POOL = np.arange(40)
N_PEOPLE = 800


def unit(x):
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def log(seed, *, planted=80, subjects=30, like_minded=False):
    """Traffic of people with subjects of their own, a pool among them; its set is one more, fuzzy subject."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(subjects + 1, 16))
    who = np.repeat(np.arange(N_PEOPLE), 6)
    own = random.integers(0, subjects, (N_PEOPLE, 2))
    if like_minded:
        own[POOL] = [0, 1]
    about = own[who, random.integers(0, 2, len(who))]
    senders_ = random.choice(POOL, planted)
    who, about = np.append(who, senders_), np.append(about, np.full(planted, subjects))
    vectors = unit(1.5 * centres[about] + random.normal(size=(len(about), 16)))
    return traffic_of(who, groups=np.full(len(who), -1), n_groups=0), vectors, about == subjects


def found(traffic, vectors, pools=(POOL,), **how):
    nodes = pool_nodes(traffic, pools, np.zeros(0, bool), seed=0)
    graph = knn_graph(vectors[nodes.prompts], 20)
    return pool_families(
        traffic, pools, nodes, graph, placed=np.zeros(traffic.n_groups, bool), min_family=20, **how
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_planted_set_comes_in_and_the_rest_stays_out(seed):
    traffic, vectors, planted = log(seed)
    families = found(traffic, vectors)
    inside = families.labels >= 0
    assert len(families.pools) == 1
    assert planted[inside].mean() >= 0.95
    assert inside[planted].mean() >= 0.7
    assert families.p_values[0] < 1e-6
    assert ((families.strengths > 0) == inside).all()


def people(random, *, n=150, n_pool=20, tail=0.0, lightest=False):
    """Senders of people's requests and a pool of some of them, nothing planted.

    Loads are alike, or by a Pareto law; the pool is drawn at random, or those who send least.
    """
    loads = np.full(n, 4)
    if tail:
        loads = np.minimum(60, np.ceil(1 + 2 * random.pareto(tail, n))).astype(int)
    who = np.repeat(np.arange(n), loads)
    centres, own = random.normal(size=(15, 16)), random.integers(0, 15, (n, 2))
    about = own[who, random.integers(0, 2, len(who))]
    graph = knn_graph(unit(1.5 * centres[about] + random.normal(size=(len(who), 16))), 20, threads=1)
    pool = np.zeros(n, bool)
    order = np.argsort(loads + random.random(n)) if lightest else random.permutation(n)
    pool[order[:n_pool]] = True
    return senders(np.arange(len(who)), who, np.ones(len(who)), graph), pool


@pytest.mark.parametrize("loads", [{}, {"tail": 1.5}, {"tail": 1.5, "lightest": True}])
def test_p_of_a_neighbourhood_is_valid_and_so_is_that_of_any_chosen_half(loads):
    """A pool of people: p of one of its requests; and the least p of all sets that could be chosen."""

    def p_values(random):
        sent, pool = people(random, **loads)
        queries = np.flatnonzero(pool[sent.principals])
        hits, totals, _ = pool_nearby(sent, pool, queries)
        return binom.sf(hits - 1, totals, share_nearby(sent, pool))

    def least(random, seed):
        p = np.sort(p_values(random))
        return min(half_p_value(p[:size], len(p)) for size in range(1, len(p) + 1))

    levels = (0.01, 0.05, 0.2)
    check_valid(lambda random, seed: random.choice(p_values(random)), 200, levels=levels)
    check_valid(least, 200, levels=levels)


def test_half_of_what_was_chosen_among_many_pays_for_all_of_them():
    p = np.array([0.5, 0.001, 0.002, 0.9])
    assert half_p_value(p, 100) == pytest.approx(99 * 0.002)
    assert half_p_value(p[:3], 3) == pytest.approx(2 * 0.002)
    assert half_p_value(np.zeros(5), 100) == 0


def test_a_pool_is_met_as_often_as_share_nearby_says():
    """Its accounts send little among busy ones, at random."""
    random = np.random.default_rng(0)
    who = random.permutation(np.repeat(np.arange(60), np.where(np.arange(60) < 20, 2, 30)))
    near = np.stack([random.choice(len(who), 15, replace=False) for _ in range(len(who))])
    sent = senders(np.arange(len(who)), who, np.ones(len(who)), KnnGraph(near, np.zeros(near.shape), 1.0))
    pool = np.arange(60) < 20
    met = [np.unique(who[rows]) for rows in near]
    seen = sum((one < 20).sum() for one in met) / sum(map(len, met))
    assert share_nearby(sent, pool) == pytest.approx(seen, rel=0.1)
    assert pool[sent.principals].mean() < 0.9 * seen


def test_an_interest_that_is_shared_more_or_less_brings_nothing_in():
    """A third to three fifths of twelve subjects are theirs, of forty others none: one kind of requests."""
    for seed in range(3):
        random = np.random.default_rng(seed)
        shares = np.append(np.linspace(0.35, 0.6, 12), np.zeros(40))
        about = np.repeat(np.arange(52), 60)
        theirs = random.random(len(about)) < shares[about]
        who = np.where(theirs, random.integers(0, 40, len(about)), random.integers(40, N_PEOPLE, len(about)))
        centres = random.normal(size=(52, 16))
        vectors = unit(2.5 * centres[about] + random.normal(size=(len(about), 16)))
        traffic = traffic_of(who, groups=np.full(len(who), -1), n_groups=0)
        assert len(found(traffic, vectors).pools) == 0


@pytest.mark.parametrize("like_minded", [False, True])
def test_nothing_comes_in_where_nothing_was_planted(like_minded):
    for seed in range(4):
        traffic, vectors, _ = log(seed, planted=0, like_minded=like_minded)
        assert len(found(traffic, vectors).pools) == 0


def test_who_follows_several_pools_pays_for_each():
    traffic, vectors, _ = log(0, planted=30)
    alone, among = found(traffic, vectors), found(traffic, vectors, (POOL, np.arange(100, 140)))
    assert among.pools.tolist() == alone.pools.tolist() == [0]
    assert among.p_values[0] == pytest.approx(2 * alone.p_values[0])


def test_accounts_that_are_no_pool_find_nothing():
    traffic, vectors, _ = log(0)
    assert len(found(traffic, vectors, (np.arange(100, 140),)).pools) == 0


def test_claimed_requests_are_one_family_whatever_lies_near():
    traffic, vectors, _ = log(1, planted=0)
    random = np.random.default_rng(0)
    relayed = np.sort(random.choice(np.flatnonzero(traffic.principals < 40), 60, replace=False))
    claimed = np.full(len(traffic.prompts), -1)
    claimed[relayed] = 0
    families = found(traffic, vectors, claims=Claims(claimed, np.array([1e-5])))
    assert np.flatnonzero(families.labels == 0).tolist() == relayed.tolist()
    assert families.p_values.tolist() == [1e-5], "no more certain than that they were relayed"
    assert families.claimed.tolist() == [True]
    claimed[relayed[19:]] = -1
    few = found(traffic, vectors, claims=Claims(claimed, np.array([1e-5])))
    assert len(few.pools) == 0, "too few requests for a family"


def test_a_claimed_prompt_that_everybody_sends_is_everybodys():
    traffic, vectors, _ = log(1, planted=0)
    prompts = traffic.prompts.copy()
    relayed = np.flatnonzero(traffic.principals < 40)[:60]
    go_on = np.append(relayed[:10], np.flatnonzero(traffic.principals > 100)[:30])
    prompts[go_on] = prompts[go_on[0]]
    claimed = np.full(len(prompts), -1)
    claimed[relayed] = 0
    shared = traffic_of(traffic.principals, prompts=prompts, groups=traffic.groups, n_groups=0)
    families = found(shared, vectors, claims=Claims(claimed, np.zeros(1)))
    assert np.flatnonzero(families.labels == 0).tolist() == relayed[10:].tolist()


def test_flagged_families_keep_their_requests():
    traffic, vectors, planted = log(0)
    placed = traffic_of(traffic.principals, groups=np.where(planted, 0, -1))
    nodes = pool_nodes(placed, [POOL], np.array([False]), seed=0)
    graph = knn_graph(vectors, 20)
    held = pool_families(placed, [POOL], nodes, graph, placed=np.array([True]), min_family=20)
    assert len(held.pools) == 0
    free = pool_families(placed, [POOL], nodes, graph, placed=np.array([False]), min_family=20)
    assert len(free.pools) == 1


def test_a_sample_of_the_background_finds_the_same_set():
    traffic, vectors, planted = log(2)
    nodes = pool_nodes(traffic, [POOL], np.zeros(0, bool), seed=0, most=2400)
    assert len(nodes.prompts) == 2400
    assert nodes.weights.sum() == pytest.approx(len(traffic.prompts))
    graph = knn_graph(vectors[nodes.prompts], 20)
    families = pool_families(traffic, [POOL], nodes, graph, placed=np.zeros(0, bool), min_family=20)
    inside = families.labels >= 0
    assert planted[inside].mean() >= 0.9
    assert inside[planted].mean() >= 0.6


def test_each_principal_nearby_counts_once_and_oneself_never():
    graph = KnnGraph(np.array([[1, 2], [0, 2], [0, 1], [-1, -1]]), np.zeros((4, 2), np.float32), 1.0)
    nodes, who = np.array([0, 0, 1, 1, 2, 2, 3]), np.array([0, 1, 0, 2, 3, 3, 0])
    sent = senders(nodes, who, np.array([1.0, 2.0, 5.0, 1.0]), graph)
    assert sent.n_requests.tolist() == [1, 1, 1, 1, 2, 1]
    pool = np.array([True, True, False, False])
    hits, totals, others = pool_nearby(sent, pool, np.array([0, 2, 4, 5]))
    assert hits.tolist() == [1, 1, 2, 0]
    assert totals.tolist() == [3, 3, 3, 0]
    assert others.tolist() == [7.0, 7.0, 2.0, 0.0]


def test_no_pool_and_no_log():
    empty = nothing()
    nodes = pool_nodes(empty, [], np.zeros(0, bool), seed=0)
    graph = knn_graph(np.zeros((0, 4), np.float32), 20)
    families = pool_families(empty, [], nodes, graph, placed=np.zeros(0, bool), min_family=20)
    assert len(families.pools) == 0
    traffic, _, _ = log(0)
    nodes = pool_nodes(traffic, [], np.zeros(0, bool), seed=0)
    assert len(nodes.prompts) == 0
    assert (
        pool_families(traffic, [], nodes, graph, placed=np.zeros(0, bool), min_family=20).labels < 0
    ).all()

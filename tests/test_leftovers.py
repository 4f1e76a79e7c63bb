"""Leftovers: what else a pool of devoted accounts sends is claimed, people's own requests never are."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from text_cases import buffer_of
from traffic_cases import nothing, traffic_of

from clustering.leftovers import leftover_families
from clustering.signals import LINK_LEVEL

POOL = np.arange(40)
N_PEOPLE, N_SUBJECTS = 600, 30


def log(seed, *, ordinary=0.0, each=8):
    """People with two subjects each; the pool's accounts, number 0 to 39, ask about everything, in part."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(N_SUBJECTS, 16))
    who = np.repeat(np.arange(N_PEOPLE), each)
    own = random.integers(0, N_SUBJECTS, (N_PEOPLE, 2))
    about = own[who, random.integers(0, 2, len(who))]
    relayed = (who < len(POOL)) & (random.random(len(who)) >= ordinary)
    about[relayed] = random.integers(0, N_SUBJECTS, relayed.sum())
    vectors = 1.5 * centres[about] + random.normal(size=(len(about), 16))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return who, vectors


def observed(who, vectors, *, groups=None, prompts=None, templated=()):
    """A log whose prompts' texts are their numbers."""
    n_groups = len(templated)
    groups = np.full(len(who), -1) if groups is None else groups
    traffic = traffic_of(who, groups=groups, n_groups=n_groups, prompts=prompts)
    texts = [str(row) for row in range(len(vectors))]
    return SimpleNamespace(
        traffic=traffic,
        templated=np.array(templated, bool),
        texts=buffer_of(texts),
        says=np.ones(len(texts), bool),
        payloads=lambda rows: pl.Series([texts[row] for row in rows], dtype=pl.String),
        encode=lambda wanted: vectors[[int(text) for text in wanted]],
    )


def leftovers(seen, pools, placed=()):
    return leftover_families(seen, list(pools), placed=np.array(placed, bool), min_family=20, seed=0)


def claims(seen, pools=(POOL,), placed=()):
    """Pool of each request that is in a family of what its pool leaves, -1 for others; and the p-values."""
    found = leftovers(seen, pools, placed)
    assert ((found.strengths == 1) == (found.labels >= 0)).all()
    return np.append(found.pools, -1)[found.labels[seen.traffic.prompts]], found.p_values


@pytest.mark.parametrize("seed", range(4))
def test_all_that_devoted_accounts_send_is_claimed(seed):
    who, vectors = log(seed)
    found, p_values = claims(observed(who, vectors))
    np.testing.assert_array_equal(found == 0, who < 40)
    assert p_values[0] < 1e-4


@pytest.mark.parametrize("ordinary", [0.6, 1.0])
def test_where_most_of_it_is_the_peoples_own_nothing_is(ordinary):
    """Held by the null model, which begins where half is ordinary."""
    wrong = 0
    for seed in range(60):
        who, vectors = log(seed, ordinary=ordinary)
        wrong += (claims(observed(who, vectors))[0] >= 0).any()
    assert wrong <= 60 * LINK_LEVEL + 3 * np.sqrt(60 * LINK_LEVEL)


def test_people_are_no_pool():
    who, vectors = log(0)
    pools = [np.arange(k, k + 40) for k in range(100, 500, 40)]
    assert (claims(observed(who, vectors), pools)[0] < 0).all()


def test_who_looks_at_many_pools_pays_for_each():
    who, vectors = log(0, ordinary=0.2)
    seen, people = observed(who, vectors), [np.arange(k, k + 5) for k in range(100, 600, 5)]
    alone, among = leftovers(seen, [POOL]), leftovers(seen, [POOL, *people[:9]])
    assert among.pools.tolist() == alone.pools.tolist() == [0]
    assert among.p_values[0] == pytest.approx(10 * alone.p_values[0], rel=0.2)


def test_each_pool_claims_its_own_and_a_principal_of_two_is_the_firsts():
    who, vectors = log(1)
    found, _ = claims(observed(who, vectors), [np.arange(25), np.arange(15, 40), np.arange(100, 140)])
    assert np.unique(found[who < 25]).tolist() == [0]
    assert np.unique(found[(who >= 25) & (who < 40)]).tolist() == [1]
    assert (found[who >= 40] == -1).all()


@pytest.mark.parametrize("n_shared", [160, 150, 40])
def test_a_prompt_of_two_pools_is_the_first_s_and_what_is_left_of_the_other_a_family_if_large(n_shared):
    """Each pool sends 160 prompts; of the other's so many are the first's."""
    who, vectors = log(1)
    prompts = np.arange(len(who))
    one, other = np.flatnonzero(who < 20), np.flatnonzero((who >= 20) & (who < 40))
    prompts[other[:n_shared]] = prompts[one[:n_shared]]
    seen = observed(who, vectors, prompts=prompts)
    families = leftovers(seen, [np.arange(20), np.arange(20, 40)])
    left = [n for n in (len(one), len(other) - n_shared) if n >= 20]
    assert np.bincount(families.labels[families.labels >= 0]).tolist() == left
    assert families.pools.tolist() == list(range(len(left)))
    assert set(families.labels[prompts[one]]) == {0}


def test_common_texts_flagged_families_and_what_others_send_too_stay():
    who, vectors = log(2)
    groups = np.full(len(who), -1)
    pool_rows = np.flatnonzero(who < 40)
    groups[pool_rows[:30]], groups[pool_rows[30:60]] = 0, 1  # a common text; a flagged family without one
    prompts = np.arange(len(who))
    prompts[-1] = prompts[pool_rows[60]]
    seen = observed(who, vectors, groups=groups, prompts=prompts, templated=(True, False))
    found, _ = claims(seen, placed=(False, True))
    assert np.flatnonzero(found >= 0).tolist() == pool_rows[61:].tolist()


def test_edges():
    empty = observed(nothing().principals, np.zeros((0, 4), np.float32))
    assert claims(empty, [])[0].tolist() == []
    who, vectors = log(0, each=1)
    assert (claims(observed(who, vectors))[0] < 0).all(), "one request each shows nobody's subjects"
    who, vectors = log(0)
    assert (claims(observed(who, vectors), [np.arange(2)])[0] < 0).all(), "two are no pool"

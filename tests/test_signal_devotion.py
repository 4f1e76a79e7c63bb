"""Devotion: valid for any law of sharing, powerful for a pool that does little else."""

from __future__ import annotations

import numpy as np
import pytest
from traffic_cases import check_valid, nothing, traffic_of

from clustering.signals import devotion
from clustering.signals.devotion import _betting_p_value


def sharing(counts, loads):
    """Principals who send `counts` of their `loads` requests to group 0."""
    groups = np.concatenate([np.where(np.arange(n) < k, 0, -1) for k, n in zip(counts, loads, strict=True)])
    return traffic_of(np.repeat(np.arange(len(loads)), loads), groups=groups)


def chosen(random, loads, odds):
    """Requests of each to the group, of people seen because they sent one at least."""
    return np.where(loads > 0, 1 + random.binomial(loads - 1, odds), 0)


def loads_of(random, kind, n):
    heavy = np.minimum(3 + (2 * random.pareto(1.2, n)).astype(int), 2_000)
    return heavy if kind == "heavy" else random.integers(3, 15, n)


@pytest.mark.parametrize("n", [5, 10, 30, 100])
@pytest.mark.parametrize("law", ["same", "spread", "all or nothing", "heavy"])
def test_p_values_keep_their_word_when_half_of_the_rest_is_elsewhere(n, law):
    def p(random, seed):
        loads = loads_of(random, law, n)
        odds = {"same": 0.5, "spread": random.beta(2, 2, n), "all or nothing": random.integers(0, 2, n)}
        return devotion(sharing(chosen(random, loads, odds.get(law, random.random(n))), loads)).p_value[0]

    check_valid(p, 1_000)


@pytest.mark.slow
@pytest.mark.parametrize("n", [5, 12, 50])
def test_people_seen_by_the_one_request_that_they_happened_to_send(n):
    """Whoever sent none is not seen: among three requests of each the share is 4/7 by that alone."""

    def p(random, seed):
        counts = random.binomial(3, 0.5, 4 * n)
        counts = counts[counts > 0][:n]
        return devotion(sharing(counts, np.full(len(counts), 3))).p_value[0]

    check_valid(p, 5_000)


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 5, 20])
def test_betting_is_valid_at_the_boundary_far_into_the_tail(n):
    check_valid(
        lambda random, seed: _betting_p_value(random.integers(0, 2, n).astype(float)),
        20_000,
        levels=(0.001, 0.01, 0.05, 0.1),
    )


def test_betting_against_the_product_written_out():
    shares = np.array([0.9, 0.4, 1.0, 0.7])
    wealth = np.mean(
        [
            np.prod([1 + b * (s - 0.5) for s in shares])
            for b in (0.1, 0.3, 0.5, 0.7, 0.9, 1.1, 1.3, 1.5, 1.7, 1.9)
        ]
    )
    assert _betting_p_value(shares) == pytest.approx(1 / wealth)
    assert _betting_p_value(np.zeros(4)) == 1
    assert _betting_p_value(np.ones(5_000)) >= 0


def test_a_pool_that_does_little_else_is_devoted_and_a_tool_is_not():
    random = np.random.default_rng(0)
    loads = random.integers(5, 30, 60)
    pool = devotion(sharing(chosen(random, loads, 0.9), loads))
    tool = devotion(sharing(chosen(random, loads, 0.2), loads))
    assert pool.p_value[0] < 1e-6
    assert 0.85 < pool.effect[0] < 1
    assert tool.p_value[0] > 0.9


def test_small_devoted_accounts_do_not_speak_for_one_busy_customer():
    loads = np.append(np.full(40, 3), 5_000)
    assert devotion(sharing(np.append(np.full(40, 3), 100), loads)).p_value[0] > 0.1


def test_effect_is_the_share_of_those_with_three_requests():
    signal = devotion(sharing([1, 2, 3, 3, 4, 2, 1], [1, 2, 3, 4, 8, 5, 3]))
    assert signal.effect[0] == (3 + 3 + 4 + 2 + 1) / (3 + 4 + 8 + 5 + 3)


def test_edges():
    assert devotion(nothing()).p_value.shape == (0,)
    assert np.isnan(devotion(nothing(3)).p_value).all()
    assert np.isnan(devotion(sharing([9] * 4, [9] * 4)).p_value[0]), "four are no pool"
    assert np.isnan(devotion(sharing([2] * 50, [2] * 50)).p_value[0]), "devoted by arithmetic"
    assert 0 < devotion(sharing([3] * 5, [3] * 5)).p_value[0] <= 0.1, (
        "five can show something, not everything"
    )


def test_depends_on_its_own_principals_only():
    alone = sharing([3, 4, 2, 5, 6, 1], [4, 6, 3, 5, 9, 7])
    other = traffic_of(
        np.append(alone.principals, np.repeat([10, 11, 12, 13, 14], 5)),
        groups=np.append(alone.groups, np.ones(25, int)),
        n_groups=2,
    )
    assert devotion(other).p_value[0] == devotion(alone).p_value[0]

"""Dispersion: groups on one subject, as wide as one person; wide ones; oracle, edges."""

from __future__ import annotations

import numpy as np
import pytest
from payload_cases import around, log_of, unit
from traffic_cases import check_valid, nothing, traffic_of

from clustering.signals.dispersion import dispersion

_DIMENSIONS = 32
_SPREAD = 1.0


def people(random, n=200, mean=4.0):
    """Persons with one subject each."""
    who = np.repeat(np.arange(n), 1 + random.geometric(1 / mean, n))
    return who, around(random, unit(random.normal(size=(n, _DIMENSIONS)))[who], _SPREAD)


def one_subject(random, who):
    """All principals on one subject, as wide as a person's."""
    centre = unit(random.normal(size=_DIMENSIONS))
    return who, around(random, np.tile(centre, (len(who), 1)), _SPREAD)


@pytest.mark.parametrize(("n_principals", "mean"), [(5, 6.0), (20, 2.0), (100, 1.2), (300, 3.0)])
def test_p_values_keep_their_word_for_one_subject(n_principals, mean):
    def p(random, seed):
        who = np.repeat(np.arange(n_principals), random.geometric(1 / mean, n_principals))
        log = log_of(people(random), one_subject(random, who))
        return dispersion(*log, seed=seed).p_value[0]

    check_valid(p, 500)


def test_p_values_keep_their_word_where_principals_keep_to_parts_of_the_subject():
    def p(random, seed):
        who = np.repeat(np.arange(30), random.geometric(0.2, 30))
        subject = unit(random.normal(size=_DIMENSIONS))
        own = around(random, np.tile(subject, (30, 1)), 0.7)
        # Two of a person's requests share the person's subject alone: as wide as 0.7 and 0.7 together.
        crowd = np.repeat(np.arange(200), 3)
        ordinary = around(random, unit(random.normal(size=(200, _DIMENSIONS)))[crowd], 0.7)
        ordinary = around(random, ordinary, 0.7)
        return dispersion(
            *log_of((crowd, ordinary), (who, around(random, own[who], 0.7))), seed=seed
        ).p_value[0]

    check_valid(p, 400)


@pytest.mark.slow
@pytest.mark.parametrize(("n_principals", "mean"), [(5, 3.0), (40, 2.0)])
def test_p_values_keep_their_word_far_in_the_tail(n_principals, mean):
    def p(random, seed):
        who = np.repeat(np.arange(n_principals), random.geometric(1 / mean, n_principals))
        return dispersion(*log_of(people(random, 100), one_subject(random, who)), seed=seed).p_value[0]

    check_valid(p, 4_000, levels=(0.001, 0.01, 0.05, 0.1))


def test_arbitrary_payloads_are_wide_and_one_product_is_not():
    random = np.random.default_rng(0)
    who = np.arange(120) % 40
    wide = unit(random.normal(size=(120, _DIMENSIONS)))
    narrow = around(random, np.tile(unit(random.normal(size=_DIMENSIONS)), (120, 1)), 0.5)
    signal = dispersion(*log_of(people(random), (who, wide), (who, narrow)), seed=0)
    assert signal.effect[0] > 3
    assert signal.p_value[0] < 1e-8
    assert signal.effect[1] < 0.6
    assert signal.p_value[1] > 0.999


def test_one_heavy_account_on_its_own_subject_does_not_narrow_the_rest():
    random = np.random.default_rng(0)
    who = np.concatenate([np.arange(40), np.full(200, 40)])
    z = unit(random.normal(size=(240, _DIMENSIONS)))
    z[40:] = around(random, np.tile(z[40], (200, 1)), 0.3)
    assert dispersion(*log_of(people(random), (who, z)), seed=0).p_value[0] < 1e-6


def test_effect_against_all_pairs():
    random = np.random.default_rng(0)
    ordinary = (np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5]), unit(random.normal(size=(11, 4))))
    who, z = np.array([0, 0, 1, 2, 3, 4, 4, 4]), unit(random.normal(size=(8, 4)))
    one = np.mean([(ordinary[1][i] @ ordinary[1][i + 1]) ** 2 for i in range(0, 10, 2)])
    between = [
        np.mean([(z[i] @ z[j]) ** 2 for i in np.flatnonzero(who == a) for j in np.flatnonzero(who == b)])
        for a in range(5)
        for b in range(a)
    ]
    signal = dispersion(*log_of(ordinary, (who, z)), seed=0)
    assert signal.effect[0] == pytest.approx(one / np.mean(between), rel=1e-5)


def test_a_large_group_is_compared_by_a_sample():
    random = np.random.default_rng(0)
    z = unit(random.normal(size=(3_000, _DIMENSIONS)))
    few = dispersion(*log_of(people(random), (np.arange(100), z[:100])), seed=0)
    many = dispersion(*log_of(people(random), (np.arange(3_000) % 500, z)), seed=0)
    assert many.effect[0] == pytest.approx(few.effect[0], rel=0.15), "the size is no part of the effect"


def test_edges():
    random = np.random.default_rng(0)
    no_vectors, none = np.zeros((0, 4), np.float32), np.zeros(0, np.int64)
    assert dispersion(nothing(), no_vectors, none, none, seed=0).p_value.shape == (0,)
    assert np.isnan(dispersion(nothing(2), no_vectors, none, none, seed=0).p_value).all()
    unread = dispersion(traffic_of([0, 1, 2, 3, 4]), no_vectors, np.full(5, -1), none, seed=0)
    assert np.isnan(unread.p_value[0])
    few = (np.arange(8) % 4, unit(random.normal(size=(8, _DIMENSIONS))))
    assert np.isnan(dispersion(*log_of(people(random), few), seed=0).p_value[0]), "four are no pool"
    five = (np.arange(5), unit(random.normal(size=(5, _DIMENSIONS))))
    once = (np.arange(50), unit(random.normal(size=(50, _DIMENSIONS))))
    assert np.isnan(dispersion(*log_of(once, five), seed=0).p_value[0]), "nobody sent two requests"
    equal = (np.arange(9), np.tile(five[1][:1], (9, 1)))
    assert dispersion(*log_of(people(random), equal), seed=0).p_value[0] > 0.99
    same = (np.arange(20) // 2, np.tile(five[1][:1], (20, 1)))
    signal = dispersion(*log_of(same, equal), seed=0)
    assert signal.effect[0] == pytest.approx(1)
    assert 0 <= signal.p_value[0] <= 1


def test_a_group_keeps_its_p_when_others_come_and_go():
    random = np.random.default_rng(0)
    ordinary, own = people(random), one_subject(random, np.arange(400) % 60)
    alone = dispersion(*log_of(ordinary, own), seed=1)
    more = dispersion(*log_of(ordinary, one_subject(random, np.arange(30)), own), seed=1)
    assert more.p_value[1] == pytest.approx(alone.p_value[0], rel=1e-4)

"""Sweep order: menus that follow the sun, jobs that follow each other, own iterations; loops; edges."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from traffic_cases import check_valid, nothing, office_hours, round_the_clock, stacked, traffic_of

from clustering.signals.slots import Slots
from clustering.signals.sweep_order import sweep_order


def order(who, hours, *columns, seed=0):
    """Sweep order of one group whose requests have these values; equal values are one prompt."""
    values, prompts = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
    slots = Slots(np.arange(len(values)), values.T.astype(np.int64).copy())
    return sweep_order(traffic_of(who, prompts=prompts.ravel(), hours=hours), [slots], seed=seed)


@pytest.mark.parametrize(("n", "n_principals"), [(60, 12), (400, 60), (400, 350)])
def test_p_values_keep_their_word_for_people(n, n_principals):
    def p(random, seed):
        who = random.integers(0, n_principals, n)
        x, y = random.integers(0, 6, n_principals)[who], random.integers(0, 5, n)
        return order(who, office_hours(random, n, days=5), x, y, seed=seed).p_value[0]

    check_valid(p, 600)


def test_a_menu_whose_languages_follow_the_sun_is_no_loop():
    def p(random, seed):
        zone = random.integers(0, 4, 150)
        who = random.integers(0, 150, 600)
        hours = (office_hours(random, 600, days=10) + 6 * zone[who]) % 240
        return order(who, hours, zone[who], random.integers(0, 40, 600), seed=seed).p_value[0]

    check_valid(p, 400)


def test_jobs_that_follow_each_other_in_one_order_are_no_loop():
    def p(random, seed):
        minute, own = random.uniform(0, 3, 40), random.integers(0, 4, 40)
        who = np.tile(np.arange(40), 14)
        hours = 24 * np.repeat(np.arange(14), 40) + minute[who]
        return order(who, hours, own[who], random.integers(0, 500, 560), seed=seed).p_value[0]

    check_valid(p, 500)


def test_people_who_vary_their_own_prompt_are_no_loop():
    def p(random, seed):
        who = np.repeat(np.arange(60), 8)
        start = random.uniform(0, 48, 60)
        hours = start[who] + np.tile(np.arange(8), 60) / 30
        subject = random.integers(0, 12, 60)
        return order(who, hours, subject[who], np.tile(np.arange(8), 60), seed=seed).p_value[0]

    check_valid(p, 400)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "n_principals", "n_values"), [(80, 20, 3), (300, 250, 20), (100, 90, 60)])
def test_p_values_keep_their_word_far_in_the_tail(n, n_principals, n_values):
    def p(random, seed):
        who = random.integers(0, n_principals, n)
        x, y = random.integers(0, n_values, n), random.integers(0, n_values, n)
        return order(who, round_the_clock(random, n, days=3), x, y, seed=seed).p_value[0]

    check_valid(p, 4_000, levels=(0.0005, 0.001, 0.01, 0.05, 0.1))


@pytest.mark.parametrize("n_principals", [60, 200])
def test_a_loop_dealt_to_many_accounts_is_found(n_principals):
    random = np.random.default_rng(0)
    x, y = np.divmod(np.arange(400), 10)
    hours = np.sort(random.uniform(0, 4, 400))
    signal = order(random.integers(0, n_principals, 400), hours, x, y)
    assert signal.effect[0] > 2
    assert 0 < signal.p_value[0] < 1e-4


def test_a_shuffled_queue_leaves_nothing_to_see():
    random = np.random.default_rng(0)
    x, y = np.divmod(random.permutation(400), 20)
    assert order(np.arange(400) % 200, np.sort(random.uniform(0, 4, 400)), x, y).p_value[0] > 0.05


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(-1, 2), st.integers(0, 1)), min_size=6, max_size=9))
def test_effect_against_counting(values):
    x, y, z = (np.array(column) for column in zip(*values, strict=True))
    n = len(values)
    signal = order(np.arange(n), np.arange(n) / 10, x, y, z)

    def changed(i, j):
        return sum(a != b for a, b in zip(values[i], values[j], strict=True))

    observed = sum(changed(i, j) == 1 for i, j in pairwise(range(n)))
    expected = sum(changed(i, j) == 1 for i in range(n) for j in range(n)) / n
    if expected == 0:
        assert np.isnan(signal.effect[0])
        assert np.isnan(signal.p_value[0])
    else:
        assert signal.effect[0] == pytest.approx(observed / expected, rel=0.5)
        assert (signal.effect[0] == 0) == (observed == 0)
        assert 0 < signal.p_value[0] <= 1


def test_each_principal_counts_once_by_its_first_request():
    hours = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 3.0, 7.5])
    who = np.array([0, 1, 0, 2, 1, 3, 4, 2, 5])
    x = np.array([0, 0, 9, 0, 8, 0, 0, 7, 0])
    y = np.array([0, 1, 9, 2, 8, 3, 4, 7, 5])
    signal = order(who, hours, x, y)  # the first of 0 to 4 each change y alone, in whatever order
    assert signal.effect[0] == 1
    assert signal.p_value[0] == 1


def test_edges():
    random = np.random.default_rng(0)
    who, hours = np.arange(40) % 10, random.uniform(0, 1, 40)
    x, y = random.integers(0, 3, 40), random.integers(0, 3, 40)
    assert sweep_order(nothing(), [], seed=0).p_value.shape == (0,)
    none = Slots(np.zeros(0, np.int64), np.zeros((0, 0), np.int64))
    assert np.isnan(sweep_order(nothing(2), [none, none], seed=0).p_value).all()
    assert not np.isnan(order(who, hours, x, y).p_value[0])
    assert np.isnan(order(who, None, x, y).p_value[0]), "no times"
    assert np.isnan(order(who, hours, x).p_value[0]), "one slot"
    assert np.isnan(order(who % 4, hours, x, y).p_value[0]), "four are no pool"
    assert np.isnan(order(who, hours, x * 0, y * 0).p_value[0]), "all the same"
    assert np.isnan(order(np.arange(40), np.arange(40) * 1.0, x, y).p_value[0]), "one in each window"
    half = np.where(np.arange(40) < 20, np.nan, hours)
    assert not np.isnan(order(who, half, x, y).p_value[0])


def test_a_group_keeps_its_p_when_others_come_and_go():
    random = np.random.default_rng(2)
    who, hours, prompts = random.integers(0, 30, 120), random.uniform(0, 9, 120), random.integers(0, 24, 120)
    values = np.stack(np.divmod(np.arange(24), 4))
    alone = sweep_order(traffic_of(who, prompts=prompts, hours=hours), [Slots(np.arange(24), values)], seed=3)
    both = stacked((0, [0] * 30, range(30), [0] * 30), (1, who, prompts, hours))
    empty = Slots(np.zeros(0, np.int64), np.zeros((0, 0), np.int64))
    more = sweep_order(both, [empty, Slots(np.arange(30, 54), values)], seed=3)
    assert more.p_value[1] == alone.p_value[0]

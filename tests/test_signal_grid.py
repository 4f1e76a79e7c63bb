"""Grid balance: people who pair values at random, never repeat, or keep to their own; swept grids; edges."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from traffic_cases import check_valid, nothing, stacked, traffic_of

from clustering.signals.grid import grid_balance
from clustering.signals.slots import Slots, read_requests, slot_codes


def balance(who, *columns, seed=0):
    """Grid balance of one group whose requests have these values; equal values are one prompt."""
    values, prompts = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
    slots = Slots(np.arange(len(values)), values.T.astype(np.int64).copy())
    return grid_balance(traffic_of(who, prompts=prompts.ravel()), [slots], seed=seed)


def zipf(random, n, n_values, power=1.0):
    weights = 1 / np.arange(1, n_values + 1) ** power
    return random.choice(n_values, n, p=weights / weights.sum())


def loads(random, n_principals, mean):
    return np.repeat(np.arange(n_principals), random.geometric(1 / mean, n_principals))


@pytest.mark.parametrize(("n_principals", "mean"), [(8, 12.0), (40, 4.0), (150, 1.3)])
def test_p_values_keep_their_word_for_people_who_pair_at_random(n_principals, mean):
    def p(random, seed):
        who = loads(random, n_principals, mean)
        return balance(who, zipf(random, len(who), 8), zipf(random, len(who), 5), seed=seed).p_value[0]

    check_valid(p, 600)


def never_twice(random, who):
    """People who pick pairs of values from a menu, mostly popular ones, and none twice."""
    cells = np.array(list(product(range(8), range(5))))
    weights = 1 / ((1 + cells[:, 0]) * (1 + cells[:, 1]))
    picks = [
        random.choice(40, min(count, 40), replace=False, p=weights / weights.sum())
        for count in np.bincount(who)
    ]
    return np.repeat(np.arange(len(picks)), [len(p) for p in picks]), *cells[np.concatenate(picks)].T


def test_people_who_do_not_send_a_prompt_twice_keep_the_p_value_large():
    def p(random, seed):
        return balance(*never_twice(random, loads(random, 25, 8.0)), seed=seed).p_value[0]

    check_valid(p, 500)


def test_people_with_values_of_their_own_keep_the_p_value_large():
    def p(random, seed):
        who = loads(random, 30, 5.0)
        own = zipf(random, 30, 8)
        x = np.where(random.random(len(who)) < 0.8, own[who], zipf(random, len(who), 8))
        language = zipf(random, 30, 5)
        y = np.where(random.random(len(who)) < 0.8, language[who], zipf(random, len(who), 5))
        return balance(who, x, y, seed=seed).p_value[0]

    check_valid(p, 500)


@pytest.mark.slow
@pytest.mark.parametrize(("n_principals", "mean"), [(6, 6.0), (30, 3.0), (200, 2.0)])
def test_p_values_keep_their_word_far_in_the_tail(n_principals, mean):
    def p(random, seed):
        who = loads(random, n_principals, mean)
        columns = (zipf(random, len(who), n) for n in (10, 6, 4))
        return balance(who, *columns, seed=seed).p_value[0]

    check_valid(p, 4_000, levels=(0.0005, 0.001, 0.01, 0.05, 0.1))


@pytest.mark.parametrize("n_principals", [8, 40, 200])
def test_a_grid_dealt_out_once_is_found(n_principals):
    random = np.random.default_rng(0)
    x, y = np.divmod(random.permutation(400), 20)
    signal = balance(np.arange(400) % n_principals, x, y)
    assert signal.effect[0] == 0
    assert 0 < signal.p_value[0] < 1e-8


def test_a_grid_dealt_to_accounts_of_one_request_is_found():
    x, y = np.divmod(np.random.default_rng(0).permutation(300), 10)
    assert balance(np.arange(300), x, y).p_value[0] < 1e-8


def test_the_same_grid_sent_by_everybody_is_none():
    x, y = (np.tile(v, 20) for v in np.divmod(np.arange(40), 5))
    everyone = balance(np.repeat(np.arange(20), 40), x, y)
    assert everyone.effect[0] > 1
    assert everyone.p_value[0] > 0.5


def test_everybodys_own_full_grid_is_none():
    who = np.repeat(np.arange(20), 10)
    subjects = balance(who, np.repeat(np.arange(40), 5), np.tile(np.arange(5), 40))
    assert np.isnan(subjects.p_value[0]), "values that only one principal uses never meet"


def test_everybody_taking_a_subject_through_all_formats_is_none():
    def p(random, seed):
        subject = np.repeat(random.integers(0, 8, 20), 10)
        return balance(np.repeat(np.arange(20), 10), subject, np.tile(np.arange(10), 20), seed=seed).p_value[
            0
        ]

    assert check_valid(p, 60).min() > 0.5


def test_what_goes_together_for_all_is_none():
    random = np.random.default_rng(1)
    x = zipf(random, 300, 10)
    signal = balance(np.arange(300) % 30, x, x // 2)
    assert signal.effect[0] > 1.5
    assert signal.p_value[0] > 0.9


def test_effect_and_p_against_all_permutations():
    x, y = np.array([0, 1, 0, 1, 0, 2, 1, 2, 0, 1]), np.array([0, 1, 1, 0, 0, 2, 2, 1, 1, 2])
    who = np.repeat(np.arange(5), 2)

    def meetings(y):
        own = [{(x[i], y[i]) for i in np.flatnonzero(who == a)} for a in range(5)]
        return sum(len(a & b) for a, b in combinations(own, 2))

    all_ways = []
    for swaps in product([False, True], repeat=5):
        swapped = y.copy()
        for a in np.flatnonzero(swaps):
            swapped[2 * a : 2 * a + 2] = y[2 * a : 2 * a + 2][::-1]
        all_ways.append(meetings(swapped))
    signal = balance(who, x, y)
    assert signal.effect[0] == pytest.approx(meetings(y) / np.mean(all_ways), rel=0.1)
    exact = np.mean(np.array(all_ways) <= meetings(y))
    assert 0 < exact < 1
    assert signal.p_value[0] == pytest.approx(exact, abs=0.15)


def test_looking_at_many_slots_is_paid_for():
    random = np.random.default_rng(0)
    x, y = np.divmod(random.permutation(100), 10)
    who = np.arange(100) % 20
    others = [random.integers(0, 4, 100) for _ in range(2)]
    assert balance(who, x, y, *others).p_value[0] == pytest.approx(6 * balance(who, x, y).p_value[0], rel=1.0)


def test_empty_gaps_are_no_values():
    random = np.random.default_rng(0)
    x, y = np.divmod(random.permutation(400), 20)
    gone = random.random(400) < 0.3
    signal = balance(np.arange(400) % 40, np.where(gone, -1, x), y)
    assert signal.effect[0] == 0
    assert signal.p_value[0] < 1e-4


def test_edges():
    who = np.arange(40) % 8
    assert grid_balance(nothing(), [], seed=0).p_value.shape == (0,)
    none = Slots(np.zeros(0, np.int64), np.zeros((0, 0), np.int64))
    assert np.isnan(grid_balance(nothing(2), [none, none], seed=0).p_value).all()
    assert np.isnan(balance(who, np.arange(40) % 5).p_value[0]), "one slot"
    assert np.isnan(balance(who, np.arange(40) % 5, np.arange(40)).p_value[0]), "values that stand alone"
    assert np.isnan(balance(who, np.arange(40) % 5, np.zeros(40, int)).p_value[0]), "a single value"
    assert np.isnan(balance(who % 4, np.arange(40) % 5, np.arange(40) // 8).p_value[0]), "four are no pool"
    assert np.isnan(balance(who, np.full(40, -1), np.full(40, -1)).p_value[0])


def test_a_group_keeps_its_p_when_others_come_and_go():
    random = np.random.default_rng(2)
    who, x, y = np.arange(120) % 12, zipf(random, 120, 6), zipf(random, 120, 4)
    prompts = x * 4 + y
    values = np.stack(np.divmod(np.arange(24), 4))
    alone = grid_balance(traffic_of(who, prompts=prompts), [Slots(np.arange(24), values)], seed=3)
    both = stacked((0, [0] * 30, range(30), [0] * 30), (1, who, prompts, who))
    empty = Slots(np.zeros(0, np.int64), np.zeros((0, 0), np.int64))
    more = grid_balance(both, [empty, Slots(np.arange(30, 54), values)], seed=3)
    assert more.p_value[1] == alone.p_value[0]
    assert np.isnan(more.p_value[0])


@given(st.lists(st.lists(st.sampled_from(["", "a", "b", "ä"]), min_size=6, max_size=6), max_size=4))
@settings(max_examples=50)
def test_codes_are_equal_where_fillers_are(fillers):
    slots = slot_codes(fillers, np.arange(6))
    assert slots.codes.shape == (len(fillers), 6)
    for values, codes in zip(fillers, slots.codes, strict=True):
        assert [c == -1 for c in codes] == [v == "" for v in values]
        assert all((codes[i] == codes[j]) == (values[i] == values[j]) for i in range(6) for j in range(6))
        assert set(codes) - {-1} == set(range(codes.max(initial=-1) + 1))


def test_requests_whose_prompt_was_not_read_are_left_out():
    traffic = traffic_of([0, 1, 2, 3, 4], prompts=[7, 2, 9, 2, 1])
    rows, place = read_requests(traffic, np.arange(5), slot_codes([["a", "b"]], np.array([2, 7])))
    assert rows.tolist() == [0, 1, 3]
    assert place.tolist() == [1, 0, 0]

"""Rotation: valid for random order, sittings and clocks of their own; powerful against a queue."""

from __future__ import annotations

import itertools

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom
from traffic_cases import check_valid, nothing, round_the_clock, stacked, traffic_of

from clustering.signals import Traffic
from clustering.signals.rotation import _lower_tail, rotation


def of(who, hours):
    return rotation(traffic_of(who, hours=hours))


def in_random_order(random, n_principals, per_hour, n_hours, weights=None):
    """Poisson requests, each by anybody."""
    n = random.poisson(per_hour * n_hours)
    return random.choice(n_principals, n, p=weights), random.uniform(0, n_hours, n)


UNEVEN = np.array([0.4, 0.2, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05])


@pytest.mark.parametrize(
    ("n_principals", "per_hour", "n_hours", "weights"),
    [(5, 8, 20, None), (20, 5, 100, None), (8, 6, 15, UNEVEN), (50, 200, 48, None)],
)
def test_p_values_keep_their_word_for_random_order(n_principals, per_hour, n_hours, weights):
    def p(random, _):
        return of(*in_random_order(random, n_principals, per_hour, n_hours, weights)).p_value[0]

    check_valid(p, 400)


def sittings(random, n_people, n_sittings, *, apart):
    """People who send several requests a sitting, at least `apart` seconds from one to the next."""
    who, hours = [], []
    for _ in range(n_sittings):
        n = 1 + random.geometric(0.25)
        gaps = (apart + random.exponential(3 * apart, n)) / 3600
        who.append(np.full(n, random.integers(n_people)))
        hours.append(random.uniform(0, 72) + np.cumsum(gaps))
    return np.concatenate(who), np.concatenate(hours)


@pytest.mark.parametrize(("n_sittings", "apart"), [(600, 20), (2_000, 40), (150, 60)])
def test_people_in_sittings_are_further_from_small_p_however_busy_the_family(n_sittings, apart):
    """Of many people who all take half a minute to read, neighbours in time are never the same."""

    def p(random, _):
        return of(*sittings(random, 40, n_sittings, apart=apart)).p_value[0]

    check_valid(p, 150)


def test_three_meals_a_day_are_no_rotation():
    random = np.random.default_rng(0)
    who, day, meal = (x.ravel() for x in np.meshgrid(np.arange(60), np.arange(20), [8, 13, 19]))
    signal = of(who, day * 24 + meal + random.uniform(0, 1, len(who)))
    assert not signal.p_value[0] <= 0.05


@pytest.mark.parametrize("jitter", [0, 1.5, 20])
def test_cron_jobs_of_separate_customers_are_no_rotation(jitter):
    """Each on a clock of its own, from a day of its own; jitter in seconds."""
    random = np.random.default_rng(1)
    who, hours = [], []
    for customer in range(25):
        minutes = float(random.choice([10, 15, 20]))
        times = np.arange(random.uniform(0, 300), 336, minutes / 60)
        who.append(np.full(len(times), customer))
        hours.append(times + random.normal(0, jitter / 3600, len(times)))
    signal = of(np.concatenate(who), np.concatenate(hours))
    assert np.isnan(signal.p_value[0]) or signal.p_value[0] > 0.05


def test_unattended_pipelines_with_start_dates_of_their_own_keep_the_word():
    def p(random, _):
        n = 12
        counts, start = random.poisson(60, n), random.uniform(0, 40, n)
        who = np.repeat(np.arange(n), counts)
        return of(who, start[who] + random.uniform(0, 8, len(who))).p_value[0]

    check_valid(p, 200)


def queue(random, n_principals, per_hour, n_hours):
    """Requests as they come, dealt to one principal after the other."""
    hours = np.sort(round_the_clock(random, int(per_hour * n_hours), days=n_hours / 24))
    return np.arange(len(hours)) % n_principals, hours


def test_a_queue_deals_in_turn():
    signal = of(*queue(np.random.default_rng(2), 6, 12, 72))
    assert signal.effect[0] < 0.4
    assert signal.p_value[0] < 1e-6


def test_a_queue_at_a_constant_pace_cannot_be_told_from_clocks():
    assert np.isnan(of(np.arange(1_000) % 6, np.arange(1_000) / 12).p_value[0])


def test_moments_are_those_of_all_orders():
    kinds = [0, 0, 0, 1, 1, 2, 3]
    same = np.array([np.sum(np.diff(order) == 0) for order in itertools.permutations(kinds)])
    n, counts = len(kinds), np.bincount(kinds).astype(float)
    squares, cubes = (counts**2).sum(), (counts**3).sum()
    assert same.mean() == pytest.approx((squares - n) / n)
    variance = (squares * (squares + n * (n + 1)) - 2 * n * cubes - n**3) / (n**2 * (n - 1))
    assert same.var() == pytest.approx(variance)


def test_effect_against_a_loop():
    random = np.random.default_rng(3)
    who, hours = in_random_order(random, 7, 8, 40)
    order = np.argsort(hours)
    turns = []
    for i in order:
        if not turns or int(hours[i] * 10) != int(hours[turns[-1]] * 10):
            turns.append(i)
    same = sum(who[i] == who[j] and int(hours[i]) == int(hours[j]) for i, j in itertools.pairwise(turns))
    expected = 0.0
    for hour in range(40):
        counts = np.bincount([who[i] for i in turns if int(hours[i]) == hour], minlength=7)
        if counts.sum():
            expected += (counts * (counts - 1)).sum() / counts.sum()
    assert of(who, hours).effect[0] == pytest.approx(same / expected)


def test_tail_against_the_binomial():
    same, trials, chance = np.array([0.0, 3.0, 20.0, 50.0]), 50, 0.3
    mean = np.full(4, trials * chance)
    found = _lower_tail(same, mean, mean * (1 - chance))
    np.testing.assert_allclose(found, binom.cdf(same, trials, chance), rtol=1e-9)
    assert _lower_tail(np.array([0.0]), np.array([5.0]), np.array([6.0]))[0] == pytest.approx(np.exp(-5))


def test_edges():
    assert rotation(nothing()).p_value.shape == (0,)
    assert np.isnan(rotation(nothing(2)).effect).all()
    for who in ([0], [0, 1], np.arange(500) % 5):
        assert np.isnan(rotation(traffic_of(who)).p_value).all(), "no times"
    random = np.random.default_rng(4)
    assert np.isnan(of(*in_random_order(random, 4, 9, 50)).effect[0]), "four are no pool"
    assert np.isnan(of(np.arange(300), random.uniform(0, 50, 300)).effect[0]), "nobody comes twice"
    assert np.isnan(of(np.arange(300) % 9, np.full(300, 24.0)).effect[0]), "a date is one moment"


def test_deterministic_and_blind_to_other_groups_and_to_requests_without_times():
    random = np.random.default_rng(5)
    parts = []
    for group, per_hour in ((0, 6), (1, 9), (-1, 12)):
        who, hours = in_random_order(random, 9, per_hour, 60)
        parts.append((group, who, np.arange(len(who)), hours))
    signal = rotation(stacked(*parts))
    swapped = rotation(stacked((1, *parts[0][1:]), (0, *parts[1][1:])))
    np.testing.assert_array_equal(swapped.p_value, signal.p_value[::-1])
    who, hours = parts[0][1], parts[0][3]
    gaps = of(np.append(who, [0] * 50), np.append(hours, [np.nan] * 50))
    assert gaps.p_value[0] == signal.p_value[0]
    assert pl.thread_pool_size() >= 1


def test_the_same_to_the_last_digit_however_often_and_in_whatever_order():
    random = np.random.default_rng(6)
    parts = []
    for group in range(40):
        who, hours = in_random_order(random, 7, 6, 80)
        parts.append((group, who, np.arange(len(who)), hours))
    traffic = stacked(*parts)
    first = rotation(traffic)
    order = random.permutation(len(traffic.hours))
    shuffled = Traffic(
        traffic.prompts[order], traffic.principals[order], traffic.hours[order], traffic.groups[order], 40
    )
    for again in (rotation(traffic), rotation(traffic), rotation(shuffled)):
        np.testing.assert_array_equal(again.effect, first.effect)
        np.testing.assert_array_equal(again.p_value, first.p_value)

"""One clock: valid for people half as regular as the background, powerful against a dispatcher, cron jobs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import t
from traffic_cases import (
    check_valid,
    error_of_normal_numbers,
    nothing,
    office_hours,
    round_the_clock,
    traffic_of,
)

from clustering.signals import one_clock
from clustering.signals.intraclass import intraclass


def icc_of(apart, noise):
    """ICC on the circle of principals normal with sd `apart` (radians), requests with `noise` about them."""
    own, both = np.exp(-(noise**2)), np.exp(-(noise**2) - apart**2)
    return (own - both) / (1 - both)


def noise_of(icc, apart):
    return brentq(lambda noise: icc_of(apart, noise) - icc, 1e-3, 10)


def keeping_hours(random, counts, *, apart, icc):
    """Hours of principals whose intraclass correlation is `icc`, over a month."""
    own = np.repeat(random.normal(0, apart, len(counts)), counts)
    angle = own + random.normal(0, noise_of(icc, apart), len(own))
    return 14 + angle * 12 / np.pi + 24 * random.integers(1, 30, len(own))


def signal_of(group, background, hours, *, seed=0):
    """Signal of a group and a background of these requests per principal."""
    counts = np.append(group, background).astype(np.int64)
    traffic = traffic_of(
        np.repeat(np.arange(len(counts)), counts),
        hours=hours,
        groups=np.repeat([0, -1], [np.sum(group), np.sum(background)]),
    )
    return one_clock(traffic, np.flatnonzero(traffic.groups < 0), seed=seed)


def people(random, n=100, n_each=10):
    """Hours of people with a time zone and habits of their own."""
    return keeping_hours(random, [n_each] * n, apart=2.0, icc=0.5)


@pytest.mark.parametrize(("apart", "icc"), [(0.5, 0.1), (1.0, 0.3), (3.0, 0.6)])
def test_simulated_hours_have_the_icc_they_are_told(apart, icc):
    counts = [20] * 2_000
    hours = keeping_hours(np.random.default_rng(1), counts, apart=apart, icc=icc)
    hands = np.exp(2j * np.pi * hours / 24)
    found = intraclass(np.repeat(np.arange(2_000), counts), np.stack([hands.real, hands.imag], axis=1))
    assert found.value == pytest.approx(icc, abs=5 * found.error)
    assert found.error < 0.02


def null_p(group, background, *, apart, icc, share=0.5):
    def p(random, seed):
        of_group, of_people = (np.asarray(c(random) if callable(c) else c) for c in (group, background))
        hours = np.append(
            keeping_hours(random, of_group, apart=apart, icc=share * icc),
            keeping_hours(random, of_people, apart=apart, icc=icc),
        )
        return signal_of(of_group, of_people, hours, seed=seed).p_value[0]

    return p


def uneven(n):
    return lambda random: np.minimum(1 + random.geometric(0.3, n), 20)


@pytest.mark.parametrize(
    "null",
    [
        null_p([4] * 30, [5] * 60, apart=3.0, icc=0.6),
        null_p([4] * 5, [10] * 200, apart=1.0, icc=0.1),
        null_p([4] * 10, [10] * 200, apart=1.0, icc=0.02),
        null_p([3] * 60, [5] * 100, apart=1.0, icc=0.4),
        null_p(uneven(30), uneven(80), apart=3.0, icc=0.5),
        null_p([4] * 20, [5] * 60, apart=3.0, icc=0.5, share=1.0),
    ],
)
def test_p_values_keep_their_word_for_people_half_as_regular_as_the_background(null):
    check_valid(null, 600)


@pytest.mark.slow
@pytest.mark.parametrize(
    "null",
    [
        null_p([4] * 8, [5] * 200, apart=3.0, icc=0.6),
        null_p([20] * 5, [5] * 200, apart=3.0, icc=0.3),
        null_p([4] * 100, [5] * 200, apart=0.5, icc=0.2),
        null_p(uneven(12), uneven(200), apart=3.0, icc=0.5),
        null_p(uneven(50), uneven(50), apart=1.0, icc=0.5),
    ],
)
def test_p_values_keep_their_word_at_length(null):
    check_valid(null, 4_000, levels=(0.01, 0.05, 0.1))


def own_sums(member, z):
    """ICC by loops over the principals."""
    names = sorted(set(member.tolist()))
    between = sum(
        (member == a).sum() * ((z[member == a].mean(axis=0) - z.mean(axis=0)) ** 2).sum() for a in names
    )
    within = sum(((z[member == a] - z[member == a].mean(axis=0)) ** 2).sum() for a in names)
    n0 = (len(z) - sum((member == a).sum() ** 2 for a in names) / len(z)) / (len(names) - 1)
    msb, msw = between / (len(names) - 1), within / (len(z) - len(names))
    return (msb - msw) / (msb + (n0 - 1) * msw)


def by_hand(hours, counts):
    member = np.repeat(np.arange(len(counts)), counts)
    z = np.stack([np.cos(hours * np.pi / 12), np.sin(hours * np.pi / 12)], axis=1)
    left = [own_sums(member[member != a], z[member != a]) for a in range(len(counts))]
    return own_sums(member, z), np.sqrt((len(counts) - 1) * np.var(left))


def test_effect_and_p_against_an_analysis_of_variance_with_principals_really_deleted():
    random = np.random.default_rng(5)
    group, background = random.integers(2, 6, 9), random.integers(2, 6, 40)
    hours = keeping_hours(random, np.append(group, background), apart=2.0, icc=0.4)
    value, error = by_hand(hours[: group.sum()], group)
    of_people, people_error = by_hand(hours[group.sum() :], background)
    angle = hours[: group.sum()] * np.pi / 12
    hands = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    floor = error_of_normal_numbers(group, hands, of_people / 2)
    statistic = (value - of_people / 2) / np.hypot(max(error, floor), people_error / 2)
    signal = signal_of(group, background, hours)
    assert signal.effect[0] == pytest.approx(value)
    assert signal.p_value[0] == pytest.approx(t.cdf(statistic, group.sum() ** 2 / (group**2).sum() - 1))


@pytest.mark.parametrize("times", [round_the_clock, office_hours], ids=["dispatcher", "one office"])
def test_accounts_that_share_their_hours_run_by_one_clock(times):
    random = np.random.default_rng(0)
    signal = signal_of([10] * 40, [10] * 100, np.append(times(random, 400), people(random)))
    assert abs(signal.effect[0]) < 0.05
    assert signal.p_value[0] < 1e-6


def test_jobs_that_run_every_minute_of_their_own_have_many_clocks():
    random = np.random.default_rng(0)
    minute = np.repeat(random.integers(0, 24 * 60, 40) / 60, 10)
    daily = np.append(minute + 24 * np.tile(np.arange(10), 40), people(random))
    signal = signal_of([10] * 40, [10] * 100, daily)
    assert signal.effect[0] == pytest.approx(1)
    assert signal.p_value[0] == 1


def test_people_like_the_background_have_many_clocks():
    random = np.random.default_rng(0)
    signal = signal_of([10] * 40, [10] * 100, np.append(people(random, 40), people(random)))
    assert signal.effect[0] == pytest.approx(0.5, abs=0.15)
    assert signal.p_value[0] > 0.9


def test_a_log_without_habits_tells_nothing():
    def p(random, seed):
        return signal_of([10] * 20, [10] * 100, round_the_clock(random, 1_200), seed=seed).p_value[0]

    check_valid(p, 600)


def test_midnight_is_no_border():
    random = np.random.default_rng(2)
    hours = np.append(round_the_clock(random, 200), people(random))
    counts = ([5] * 40, [10] * 100)
    turned = signal_of(*counts, hours + 11.3)
    assert turned.p_value[0] == pytest.approx(signal_of(*counts, hours).p_value[0], rel=1e-6)


def test_edges():
    empty = np.zeros(0, np.int64)
    assert one_clock(nothing(), empty, seed=0).p_value.shape == (0,)
    assert np.isnan(one_clock(nothing(2), empty, seed=0).p_value).all()
    random = np.random.default_rng(0)
    background = [10] * 100
    for group in ([12], [6, 6], [1] * 30, [2] * 4):
        hours = np.append(round_the_clock(random, sum(group)), people(random))
        assert np.isnan(signal_of(group, background, hours).p_value[0]), group
    without = signal_of([5] * 10, background, np.append(np.full(50, np.nan), people(random)))
    assert np.isnan(without.p_value[0])
    assert np.isnan(without.effect[0])
    nobody = signal_of([5] * 10, background, np.append(round_the_clock(random, 50), np.full(1_000, np.nan)))
    assert np.isnan(nobody.p_value[0]), "a background without times"
    dates = signal_of([5] * 10, background, np.repeat(24.0 * np.arange(210), 5))
    assert np.isnan(dates.p_value[0]), "dates without hours"


def test_deterministic_and_requests_without_a_time_are_left_out():
    random = np.random.default_rng(4)
    hours = np.append(round_the_clock(random, 200), people(random))
    who = np.append(np.repeat(np.arange(40), 5), 40 + np.repeat(np.arange(100), 10))
    groups = np.repeat([0, -1], [200, 1_000])
    p = signal_of([5] * 40, [10] * 100, hours).p_value[0]
    assert signal_of([5] * 40, [10] * 100, hours).p_value[0] == p
    gaps = traffic_of(
        np.append(who, [0] * 9), hours=np.append(hours, [np.nan] * 9), groups=np.append(groups, [0] * 9)
    )
    assert one_clock(gaps, np.flatnonzero(gaps.groups < 0), seed=0).p_value[0] == pytest.approx(p)

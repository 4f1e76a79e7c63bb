"""Hour flatness: valid whatever hours people keep, powerful against the clock round."""

from __future__ import annotations

import time
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from traffic_cases import check_valid, nothing, office_hours, round_the_clock, stacked, traffic_of

from clustering.signals import hour_flatness
from clustering.signals.hours import _drawn, _first_sums, _moments


def world_wide(random, n_people, n_each):
    """People of four time zones, awake around 14:00 of their own."""
    offset = np.repeat(random.choice([0, 6, 12, 18], n_people), n_each)
    return office_hours(random, n_people * n_each) + offset


def own_hours(kind, random, n_people, n_each):
    if kind == "world":
        return world_wide(random, n_people, n_each)
    times = office_hours if kind == "office" else round_the_clock
    return times(random, n_people * n_each)


def log_of(group, background):
    """(hours, requests of each) of a group and of the background."""
    hours = np.append(group[0], background[0])
    who = np.append(
        np.arange(len(group[0])) // group[1], 10_000 + np.arange(len(background[0])) // background[1]
    )
    return traffic_of(who, hours=hours, groups=np.repeat([0, -1], [len(group[0]), len(background[0])]))


def null_p(kind, group, background):
    """p of a group of (people, requests each) who live as the background of (people, requests each) does."""

    def p(random, seed):
        own = own_hours(kind, random, *group), group[1]
        others = own_hours(kind, random, *background), background[1]
        return hour_flatness(log_of(own, others), seed=seed).p_value[0]

    return p


CASES = [
    ("office", (20, 5), (100, 10)),
    ("clock", (20, 5), (100, 5)),
    ("clock", (20, 20), (100, 2)),  # people with two requests look as if each had one hour
    ("world", (30, 5), (100, 20)),  # the mean of few people is less flat than that of all
]


@pytest.mark.parametrize("case", CASES)
def test_p_values_keep_their_word_for_people_like_the_background(case):
    check_valid(null_p(*case), 350)


@pytest.mark.slow
@pytest.mark.parametrize("case", [*CASES, ("world", (50, 10), (150, 3)), ("office", (5, 10), (150, 10))])
def test_p_values_keep_their_word_at_length(case):
    check_valid(null_p(*case), 3_000, levels=(0.002, 0.01, 0.05, 0.1))


def dispatched(random, people_hours):
    return log_of((round_the_clock(random, 400), 10), (people_hours, 10))


def test_a_dispatcher_among_people_who_sleep_is_flat():
    random = np.random.default_rng(0)
    signal = hour_flatness(dispatched(random, office_hours(random, 2_000)), seed=0)
    assert signal.effect[0] < 0.15
    assert signal.p_value[0] < 1e-6


def test_a_log_without_nights_gives_no_small_p():
    random = np.random.default_rng(0)
    assert hour_flatness(dispatched(random, round_the_clock(random, 2_000)), seed=0).p_value[0] > 0.05


@given(st.lists(st.floats(0, 1e5), min_size=6, max_size=40))
def test_effect_against_a_loop(hours):
    traffic = log_of((np.array(hours), 1), (np.arange(60.0), 2))
    cosine = sine = 0.0
    for hour in hours:
        cosine += np.cos(hour * np.pi / 12)
        sine += np.sin(hour * np.pi / 12)
    resultant = np.hypot(cosine, sine) / len(hours)
    if len(hours) <= 15:  # a quarter of the background: all of them count
        assert hour_flatness(traffic, seed=0).effect[0] == pytest.approx(resultant, abs=1e-9)


def test_edges():
    assert hour_flatness(nothing(), seed=0).p_value.shape == (0,)
    assert np.isnan(hour_flatness(nothing(2), seed=0).p_value).all()
    for who in ([0] * 20, [0, 1], np.arange(30)):
        without_times = hour_flatness(traffic_of(who), seed=0)
        assert np.isnan(without_times.effect).all()
        assert np.isnan(without_times.p_value).all()
    few = log_of((np.arange(40.0), 10), (np.arange(300.0), 3))
    assert np.isnan(hour_flatness(few, seed=0).p_value[0]), "four principals are no pool"
    assert (
        hour_flatness(traffic_of([0, 1], hours=[1, 2], groups=[-1, -1], n_groups=0), seed=0).effect.size == 0
    )


def test_requests_without_a_time_are_left_out():
    random = np.random.default_rng(2)
    traffic = log_of((office_hours(random, 60), 3), (office_hours(random, 600), 3))
    gaps = traffic_of(
        np.append(traffic.principals, [0] * 30),
        hours=np.append(traffic.hours, [np.nan] * 30),
        groups=np.append(traffic.groups, [0] * 30),
    )
    assert hour_flatness(gaps, seed=5).p_value[0] == hour_flatness(traffic, seed=5).p_value[0]


def test_deterministic_and_blind_to_the_number_and_names_of_other_groups():
    random = np.random.default_rng(4)
    parts = [
        (0, np.arange(80) // 4, np.arange(80), office_hours(random, 80)),
        (1, np.arange(90) // 6, np.arange(90), round_the_clock(random, 90)),
        (-1, np.arange(900) // 5, np.arange(900), office_hours(random, 900)),
    ]
    signal = hour_flatness(stacked(*parts), seed=7)
    np.testing.assert_array_equal(hour_flatness(stacked(*parts), seed=7).p_value, signal.p_value)
    swapped = stacked((1, *parts[0][1:]), (0, *parts[1][1:]), parts[2])
    np.testing.assert_array_equal(hour_flatness(swapped, seed=7).p_value, signal.p_value[::-1])


@pytest.mark.parametrize(
    ("n", "counts"), [(40, [3, 1, 1, 2, 3, 3, 3]), (9, [2] * 9), (6, [1, 1, 2, 2, 2, 2])]
)
def test_moments_of_the_null_are_those_of_many_draws(n, counts):
    random = np.random.default_rng(1)
    sums, counts = _first_sums(np.exp(2j * np.pi * random.random((n, 3)) ** 2)), np.array(counts)
    who = [_drawn(n, len(counts), 499, random=random) for _ in range(100)]
    drawn = [sums[draw, counts[:, None]].sum(axis=0) for draw in who]
    null = np.concatenate(drawn) / counts.sum()
    mean, spread = _moments(sums, counts)
    assert mean == pytest.approx(null.mean(), abs=0.005)
    assert spread == pytest.approx((null.real.var() + null.imag.var()) / 2, rel=0.03, abs=1e-12)


def test_a_draw_takes_nobody_twice_and_everybody_alike():
    draws = [_drawn(12, 5, 499, random=np.random.default_rng(seed)) for seed in range(20)]
    who = np.concatenate(draws, axis=1)
    assert all(len(set(draw)) == 5 for draw in who.T.tolist())
    for place in who:
        np.testing.assert_allclose(np.bincount(place, minlength=12), who.shape[1] / 12, rtol=0.2)


def test_dates_without_hours_are_no_sign_and_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        signal = hour_flatness(log_of((np.full(200, 48.0), 5), (np.full(2_000, 72.0), 10)), seed=0)
    assert signal.effect[0] == pytest.approx(1)
    assert signal.p_value[0] == 1


@pytest.mark.slow
def test_three_thousand_families_take_seconds():
    random = np.random.default_rng(0)
    who = np.append(random.integers(0, 6_000, 60_000), np.repeat(np.arange(3_000), 6))
    hours = np.append(round_the_clock(random, 60_000), office_hours(random, 18_000))
    groups = np.append(np.arange(60_000) % 3_000, np.full(18_000, -1))
    traffic = traffic_of(who, hours=hours, groups=groups, n_groups=3_000)
    start = time.process_time()
    hour_flatness(traffic, seed=0)
    assert time.process_time() - start < 15

"""Turnover: valid for fashions, weeks, projects and clocks; powerful against a pool that is replaced."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.stats import binom
from traffic_cases import check_valid, nothing, office_hours, round_the_clock, stacked, traffic_of

from clustering.signals.turnover import _CELLS, _MOMENTS, _WINDOW, hand_over, step_adoption

DAYS = 28


def of(signal, who, hours, *, log=(0.0, 24.0 * DAYS)):
    """Signal of one group in a log of this time."""
    groups = np.repeat([0, -1], [len(who), 2])
    others = np.max(who, initial=0) + 1 + np.arange(2)
    return signal(traffic_of(np.append(who, others), hours=np.append(hours, log), groups=groups))


def stays(random, starts, lengths, rate):
    """People active at `rate` requests a day from a day on, for so many days."""
    who = np.repeat(np.arange(len(starts)), 1 + random.poisson(rate * lengths))
    hours = 24 * (starts[who] + lengths[who] * random.random(len(who)))
    inside = hours < 24 * DAYS
    return who[inside], hours[inside]


def fading(random, n):
    """A fashion: most at the peak, most of them once or twice, some for good."""
    lengths = np.where(random.random(n) < 0.3, 28.0, random.exponential(1.0, n))
    return stays(random, np.clip(random.gamma(3, 2.5, n), 0, 27), lengths, 1.0)


def growing(random, n):
    return stays(random, 28 * np.sqrt(random.random(n)), random.exponential(8, n), 1.0)


def projects(random, n):
    """Customers' machines: steady for a week or two, each from a day of its own."""
    return stays(random, random.uniform(-10, 27, n).clip(0), random.uniform(5, 15, n), 6.0)


def weeks(random, n):
    """Half of them at work from Monday to Friday, the others at leisure, mostly at the weekend."""
    who = np.repeat(np.arange(n), 20)
    hours = office_hours(random, len(who), days=DAYS)
    weekend = (hours // 24) % 7 >= 5
    kept = np.where(who % 2 == 0, ~weekend, weekend | (random.random(len(who)) < 0.3))
    return who[kept], hours[kept]


def waves(random, n):
    """Two announcements ten days apart, each to people of its own, most of whom soon lose interest."""
    starts = np.where(np.arange(n) % 2 == 0, 6.0, 16.0) + random.exponential(1.0, n)
    return stays(random, starts, random.exponential(4.0, n), 1.5)


CROWDS = [fading, growing, projects, weeks, waves]


@pytest.mark.parametrize("crowd", CROWDS)
@pytest.mark.parametrize("n", [20, 300])
def test_hand_over_keeps_its_word_for_people_and_machines(crowd, n):
    def p(random, _):
        return of(hand_over, *crowd(random, n)).p_value[0]

    check_valid(p, 150)


@pytest.mark.slow
@pytest.mark.parametrize("crowd", CROWDS)
def test_hand_over_keeps_its_word_at_length(crowd):
    def p(random, _):
        return of(hand_over, *crowd(random, 100)).p_value[0]

    check_valid(p, 3_000, levels=(0.002, 0.01, 0.05, 0.1))


def test_hand_over_keeps_its_word_where_half_are_replaced():
    def p(random, _):
        starts = np.repeat([0.0, 0.0, 14.0], 30)
        lengths = np.repeat([28.0, 14.0, 14.0], 30)
        return of(hand_over, *stays(random, starts, lengths, 2.0)).p_value[0]

    check_valid(p, 200)


def replaced(random, n, rate, moment):
    """A pool that is banned at a moment and replaced an hour later."""
    n_requests = int(2 * n * rate * DAYS)
    hours = round_the_clock(random, n_requests, days=DAYS)
    who = random.integers(0, n, n_requests) + n * (hours > 24 * moment)
    return who, hours


@pytest.mark.parametrize("moment", [8.0, 14.3, 20.0])
def test_a_pool_replaced_at_once_is_a_hand_over(moment):
    signal = of(hand_over, *replaced(np.random.default_rng(0), 60, 0.4, moment))
    assert signal.effect[0] > 0.9
    assert signal.p_value[0] < 1e-3


def test_hand_over_against_sets():
    random = np.random.default_rng(1)
    who, hours = replaced(random, 60, 0.6, 13.0)
    cell = np.minimum((hours - hours.min()) / np.ptp(hours) * _CELLS, _CELLS - 1).astype(int)
    shares, found = {}, []
    for moment in _MOMENTS:
        before = set(who[(cell >= moment - _WINDOW) & (cell < moment)])
        after = set(who[(cell > moment) & (cell <= moment + _WINDOW)])
        shares[moment] = len(before & after), min(len(before), len(after))
    for moment in _MOMENTS:
        sides = []
        for side in (lambda m, at=moment: m + _WINDOW < at, lambda m, at=moment: m - _WINDOW > at):
            known = [shares[m] for m in _MOMENTS if side(m)]
            sides.append(sum(b for b, _ in known) / sum(n for _, n in known) if known else 0)
        both, smaller = shares[moment]
        if min(sides) * smaller / 2 >= 3:
            found.append((binom.cdf(both, smaller, min(sides) / 2), 1 - both / smaller / min(sides)))
    n_moments = len(_MOMENTS) - 2 * (_WINDOW + 1)
    signal = of(hand_over, who, hours)
    assert signal.p_value[0] == pytest.approx(min(1, min(found)[0] * n_moments))
    assert signal.effect[0] == pytest.approx(min(found)[1])


@pytest.mark.parametrize("crowd", [growing, projects])
def test_steps_keep_their_word_for_people_and_machines(crowd):
    def p(random, _):
        who, hours = crowd(random, 40)
        return of(step_adoption, who, 100 + hours, log=(0.0, 900.0)).p_value[0]

    check_valid(p, 200)


@pytest.mark.parametrize("n", [5, 20, 200])
def test_steps_keep_their_word_where_half_come_at_once(n):
    def p(random, _):
        first = np.where(random.random(n) < 0.5, random.uniform(0, 0.0999, n), random.uniform(0.1001, 1, n))
        who, hours = np.append(np.arange(n), [n, n]), np.append(100 + 500 * first, [100, 600])
        return of(step_adoption, who, hours, log=(0.0, 700.0)).p_value[0]

    check_valid(p, 400)


def test_a_pool_starts_at_once():
    random = np.random.default_rng(2)
    who, hours = np.repeat(np.arange(40), 30), 200 + round_the_clock(random, 1_200, days=14)
    signal = of(step_adoption, who, hours)
    assert signal.effect[0] > 0.8
    assert signal.p_value[0] < 1e-4
    cut_off = of(step_adoption, who, hours, log=(190.0, 600.0))
    assert np.isnan(cut_off.p_value[0]), "the log begins as the family does: it may be older"


def test_step_is_the_share_seen_in_the_first_tenth():
    hours = 100 + np.array([0, 5, 10, 10.5, 50, 100, 60])
    signal = of(step_adoption, np.array([0, 1, 2, 3, 4, 5, 1]), hours)
    assert signal.effect[0] == pytest.approx(3 / 6)
    assert signal.p_value[0] == pytest.approx(binom.sf(2, 6, 0.5))


@pytest.mark.parametrize("signal", [hand_over, step_adoption])
def test_edges(signal):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert signal(nothing()).p_value.shape == (0,)
        assert np.isnan(signal(nothing(2)).p_value).all()
        for who in ([0], [0, 1], np.arange(500) % 9):
            assert np.isnan(signal(traffic_of(who)).p_value).all(), "no times"
        random = np.random.default_rng(3)
        who = np.arange(400) % 4
        assert np.isnan(of(signal, who, 100 + round_the_clock(random, 400)).effect[0]), "four are no pool"
        assert np.isnan(of(signal, np.arange(400) % 9, random.uniform(100, 140, 400)).effect[0]), (
            "a day or two"
        )
        assert np.isnan(of(signal, np.arange(400) % 9, np.full(400, 24.0)).effect[0]), "one moment"
    once = of(hand_over, np.arange(400), round_the_clock(random, 400))
    assert np.isnan(once.p_value[0]), "nobody comes back anyway"


@pytest.mark.parametrize("signal", [hand_over, step_adoption])
def test_blind_to_other_groups_and_to_requests_without_times(signal):
    random = np.random.default_rng(4)
    parts = []
    for group, moment in ((0, 10.0), (1, 18.0)):
        who, hours = replaced(random, 40, 0.5, moment)
        parts.append((group, who, np.arange(len(who)), 100 + hours))
    both = signal(stacked(*parts, (-1, [0, 0], [0, 1], [0.0, 900.0])))
    assert not np.isnan(both.p_value).any()
    for group, (_, who, _, hours) in enumerate(parts):
        alone = of(signal, np.append(who, [0] * 9), np.append(hours, [np.nan] * 9), log=(0.0, 900.0))
        assert alone.p_value[0] == both.p_value[group]
        assert alone.effect[0] == both.effect[group]

"""Synchrony: valid for habits, growth, weeks and clocks; powerful against bursts of a whole pool."""

from __future__ import annotations

import numpy as np
import pytest
from traffic_cases import check_valid, nothing, office_hours, stacked, traffic_of

from clustering.signals.synchrony import _coincidences, synchrony


def with_background(random, who, hours, *, n_people=60, background=None):
    """The group's requests and a background of people at the office."""
    others = office_hours(random, n_people * 8) if background is None else background
    names = int(np.max(who)) + 1 + np.arange(len(others)) // 8
    groups = np.repeat([0, -1], [len(who), len(others)])
    return traffic_of(np.append(who, names), hours=np.append(hours, others), groups=groups)


def at_the_office(random, n, n_each):
    return np.repeat(np.arange(n), n_each), office_hours(random, n * n_each, days=14)


def of_weeks(random, n, n_each):
    """Habits of their own: an hour each, in sittings, hardly ever at the weekend, later there."""
    who = np.repeat(np.arange(n), n_each)
    day = random.choice(28, n * n_each, p=np.where(np.arange(28) % 7 < 5, 1 / 23.2, 0.4 / 23.2))
    own = random.uniform(7, 20, n)[who] + 3 * (day % 7 >= 5)
    return who, day * 24 + (own + random.normal(0, 2, len(who))) % 24


def growing(random, n, n_each):
    """A fashion: everybody comes within a few days of the peak."""
    who = np.repeat(np.arange(n), n_each)
    start = random.normal(8, 1, n)[who]
    return who, np.floor(start + random.exponential(1.5, len(who))) * 24 + random.normal(15, 4, len(who)) % 24


def clocks(random, n, n_each):
    """Jobs at an hour of their own, from a day of their own."""
    who = np.repeat(np.arange(n), n_each)
    day = random.integers(0, 10, n)[who] + np.tile(np.arange(n_each), n)
    return who, day * 24.0 + random.integers(0, 24, n)[who]


@pytest.mark.parametrize("habits", [at_the_office, of_weeks, growing, clocks])
@pytest.mark.parametrize(("n", "n_each"), [(8, 8), (40, 5)])
def test_p_values_keep_their_word_for_people_and_clocks(habits, n, n_each):
    def p(random, seed):
        return synchrony(with_background(random, *habits(random, n, n_each)), seed=seed).p_value[0]

    check_valid(p, 120)


@pytest.mark.slow
@pytest.mark.parametrize("habits", [at_the_office, of_weeks, growing, clocks])
def test_p_values_keep_their_word_at_length(habits):
    def p(random, seed):
        return synchrony(with_background(random, *habits(random, 25, 6)), seed=seed).p_value[0]

    check_valid(p, 2_000, levels=(0.002, 0.01, 0.05, 0.1))


def bursts(random, n, n_each, *, n_bursts=6):
    """The whole pool together, for two hours at a time, whatever the hour."""
    begins = random.uniform(0, 14 * 24, n_bursts)
    hours = random.choice(begins, n * n_each) + random.uniform(0, 2, n * n_each)
    return np.repeat(np.arange(n), n_each), hours


def test_bursts_of_a_whole_pool_are_lockstep():
    random = np.random.default_rng(0)
    signal = synchrony(with_background(random, *bursts(random, 30, 10)), seed=0)
    assert signal.effect[0] > 2
    assert signal.p_value[0] < 1e-6


def test_the_same_burst_every_night_is_a_habit():
    random = np.random.default_rng(1)
    who = np.repeat(np.arange(30), 10)
    hours = random.integers(0, 14, 300) * 24 + random.uniform(2, 4, 300)
    assert synchrony(with_background(random, who, hours), seed=0).effect[0] == pytest.approx(1, abs=0.15)


def test_shifts_that_relieve_one_another_meet_less_than_chance():
    """Who works when changes from day to day: each takes an hour that nobody has."""
    random = np.random.default_rng(2)
    hours = np.concatenate([day * 24 + random.permutation(24) for day in range(20)])
    signal = synchrony(with_background(random, np.tile(np.arange(24), 20), hours.astype(float)), seed=0)
    assert signal.effect[0] < 0.1
    assert signal.p_value[0] > 0.9


def test_what_the_whole_log_does_is_no_lockstep():
    """All of the log's people come in the hours after an outage, another hour each day."""
    random = np.random.default_rng(3)
    times = random.uniform(0, 14 * 24, 6)

    def after(n):
        return random.choice(times, n) + random.uniform(0, 2, n)

    who = np.repeat(np.arange(30), 10)
    alike = synchrony(with_background(random, who, after(300), background=after(800)), seed=0)
    apart = synchrony(with_background(random, who, after(300)), seed=0)
    assert alike.p_value[0] > 0.05
    assert apart.p_value[0] < 1e-6


def test_coincidences_against_a_loop_and_all_draws_keep_days_and_hours():
    random = np.random.default_rng(4)
    who, hours = at_the_office(random, 12, 9)
    seen = sorted({(int(a), int(h)) for a, h in zip(who, hours, strict=True)})
    met = sum(x[1] == y[1] and x[0] < y[0] for x in seen for y in seen)
    found = _coincidences(traffic_of(who, hours=hours), np.zeros(len(who), int), np.arange(len(who)), seed=3)
    assert found.observed.tolist() == [met]
    assert 0.5 < found.drawn.mean() / met < 2
    assert len(np.unique(found.drawn)) > 10


def test_mean_of_the_draws_is_that_of_all_deals():
    """Two principals of two days: the other order of one's days, half of the time."""
    hours = [10, 24 + 14, 10, 24 + 14] + [240 + 30 * k for k in range(6)]
    who = [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    found = _coincidences(traffic_of(who, hours=hours), np.zeros(10, int), np.arange(10), seed=1)
    assert found.observed[0] == 2
    assert set(found.drawn[0].tolist()) == {0.0, 2.0}
    assert found.drawn[0].mean() == pytest.approx(1, abs=0.4)


def test_edges():
    assert synchrony(nothing(), seed=0).p_value.shape == (0,)
    assert np.isnan(synchrony(nothing(2), seed=0).p_value).all()
    for who in ([0], [0, 1], np.arange(300) % 9):
        assert np.isnan(synchrony(traffic_of(who), seed=0).p_value).all(), "no times"
    random = np.random.default_rng(5)
    four = synchrony(with_background(random, *at_the_office(random, 4, 9)), seed=0)
    assert np.isnan(four.effect[0]), "four are no pool"
    one_day = synchrony(with_background(random, np.arange(90) % 9, random.uniform(9, 17, 90)), seed=0)
    assert np.isnan(one_day.effect[0]), "of one day nothing can be dealt anew"
    dates = synchrony(traffic_of(np.arange(90) % 9, hours=np.arange(90) // 9 * 24.0), seed=0)
    assert dates.p_value[0] == 1
    alone = traffic_of([0, 1], hours=[1, 2], groups=[-1, -1], n_groups=0)
    assert synchrony(alone, seed=0).effect.shape == (0,)


def test_deterministic_and_blind_to_other_groups():
    random = np.random.default_rng(6)
    parts = []
    for group, habits in ((0, at_the_office), (1, bursts), (-1, at_the_office)):
        who, hours = habits(random, 20, 9)
        parts.append((group, who, np.arange(len(who)), hours))
    signal = synchrony(stacked(*parts), seed=7)
    np.testing.assert_array_equal(synchrony(stacked(*parts), seed=7).p_value, signal.p_value)
    swapped = synchrony(stacked((1, *parts[0][1:]), (0, *parts[1][1:]), parts[2]), seed=7)
    np.testing.assert_array_equal(swapped.p_value, signal.p_value[::-1])
